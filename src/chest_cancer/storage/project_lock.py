"""One run at a time in a project: a lock that says who holds it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

LOCK = Path("data", ".run.lock")


class ProjectHeldError(RuntimeError):
    """Another run holds the project."""


@contextmanager
def hold_project(project: Path, command: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a project; it ends with the process, however that ends.

    Args:
        project: Its folder.
        command: What holds it, for whoever is refused.
        shared: Hold it beside others that share it, too; one that does not is refused meanwhile.

    Yields:
        Nothing; the project is held until the block ends.

    Raises:
        ProjectHeldError: Another process holds it: which, and since when.
    """
    path = project / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ProjectHeldError(
                f"Another run is using {project}: {_describe(file.read())}. Two at once would mix their results. "
                "Wait until it has ended, or end it; a copy of the project in another folder may run beside it."
            ) from None
        holder = {"pid": os.getpid(), "command": command, "since": f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"}
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()
        yield


def _describe(text: str) -> str:
    try:
        return "process {pid}, `{command}`, since {since}".format(**json.loads(text))
    except (ValueError, KeyError):  # it has only just begun
        return "a process that has just begun"
