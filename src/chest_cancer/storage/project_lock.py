"""One run at a time in a project: a lock that says who holds it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from chest_cancer.storage.recoverable_folder import locked

LOCK = Path("data", ".run.lock")


class ProjectHeldError(RuntimeError):
    """Another run holds the project."""


@contextmanager
def hold_project(project: Path, command: str, *, work: str | None = None) -> Iterator[None]:
    """Hold a project; it ends with the process, however that ends.

    Args:
        project: Its folder.
        command: What holds it, for whoever is refused.
        work: What this is a share of: it is held beside other shares of the same work. None: by this one alone.

    Yields:
        Nothing; the project is held until the block ends.

    Raises:
        ProjectHeldError: Another process holds it: which, and since when.
    """
    path = project / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        if work is None:
            if not _lock(file, fcntl.LOCK_EX):
                raise _held(project, file)
            _write(file, command, work)
        else:
            with locked(path.with_name(f"{LOCK.name}.shares")):  # they begin one by one: the first says what of
                _share(project, file, command, work)
        yield


def _share(project: Path, file: TextIO, command: str, work: str) -> None:
    if _lock(file, fcntl.LOCK_EX):  # the first one
        _write(file, command, work)
    if not _lock(file, fcntl.LOCK_SH):
        raise _held(project, file)
    known = _read(file)
    if known.get("work") != work:
        raise ProjectHeldError(
            f"Shares of another batch are being made in {project}, of {known.get('work')}: {_describe(known)}. "
            f"This one is of {work}: each would remove what the other has made. Wait until they have ended, or give "
            "all shares the same values; a copy of the project in another folder may run beside it."
        )
    _write(file, command, work)


def _lock(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(project: Path, file: TextIO) -> ProjectHeldError:
    return ProjectHeldError(
        f"Another run is using {project}: {_describe(_read(file))}. Two at once would mix their results. "
        "Wait until it has ended, or end it; a copy of the project in another folder may run beside it."
    )


def _write(file: TextIO, command: str, work: str | None) -> None:
    since = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "command": command, "since": since, "work": work}))
    file.flush()


def _read(file: TextIO) -> dict[str, Any]:
    """What is known of a holder; nothing where it has only just begun."""
    file.seek(0)
    with suppress(ValueError):
        known: dict[str, Any] = json.loads(file.read())
        return known
    return {}


def _describe(known: dict[str, Any]) -> str:
    return "process {pid}, `{command}`, since {since}".format(**known) if known else "a process that has just begun"
