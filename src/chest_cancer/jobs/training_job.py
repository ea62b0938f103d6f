"""One training job: a folder with what is known of it, and the process that runs it.

`python -m chest_cancer.jobs.training_job ORDERS` runs `kedro run` and outlives the web server that started it. It
imports little more than the standard library. The folder holds `job.json` (what and when), `progress.jsonl` (what the
run reported) and `log.txt` (what it printed).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from chest_cancer.jobs.model_files import ModelFiles
from chest_cancer.jobs.progress import FILE_VARIABLE
from chest_cancer.storage.figures import StoredFigure
from chest_cancer.storage.recoverable_folder import RecoverableFolder

Status = Literal["running", "succeeded", "failed", "cancelled"]

_LOG_LINES = 40
_LOG_BYTES = 16 * 1024
_GRACE_SECONDS = 10


def now() -> str:
    """Return the time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Job:
    """What `job.json` holds.

    Attributes:
        id: Time of its start, and four random digits.
        status: Whether it runs, or how it ended.
        environment: The Kedro environment that it runs.
        started: Time of its start, ISO 8601 in UTC.
        ended: Time of its end, ISO 8601 in UTC; None while it runs.
        run_id: Id of the MLflow run; None until the job has succeeded, or where no run was recorded.
        figures: Test figures of the model that it trained.
        promoted: Whether the gate promoted the model that it trained, which is then served.
        error: Why it failed, or why its model is not served; None otherwise.
        runner: Process id of the runner, which is its process group's too.
        kedro: Process id of `kedro run`, which is its process group's too.
    """

    id: str
    status: Status
    environment: str
    started: str
    ended: str | None = None
    run_id: str | None = None
    figures: dict[str, StoredFigure] = field(default_factory=dict)
    promoted: bool = False
    error: str | None = None
    runner: int | None = None
    kedro: int | None = None


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log.txt"
        self.progress = path / "progress.jsonl"
        self._former = path / "former"

    def read(self) -> Job:
        """Read what is known of the job."""
        return Job(**json.loads((self.path / "job.json").read_text()))

    def write(self, job: Job) -> None:
        """Write what is known of the job, in one step."""
        temporary = self.path / f".job.json.{os.getpid()}"
        temporary.write_text(json.dumps(asdict(job), indent=2) + "\n")
        temporary.replace(self.path / "job.json")

    def events(self) -> Iterator[dict[str, Any]]:
        """Read what the run has reported so far."""
        if self.progress.exists():
            for line in self.progress.read_text().splitlines():
                with suppress(json.JSONDecodeError):  # the last line, while it is written
                    yield json.loads(line)

    def log_tail(self) -> list[str]:
        """Read the last lines that the run printed; of a progress bar only its last state."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            cut = file.tell() > _LOG_BYTES
            file.seek(max(0, file.tell() - _LOG_BYTES))
            text = file.read().decode(errors="replace")
        lines = text.split("\n")[1 if cut else 0 :]
        shown = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in lines]
        return [line for line in shown if line][-_LOG_LINES:]

    def keep_former(self, files: ModelFiles) -> None:
        """Keep the served model by hard links to its files: a run replaces files and does not write into them."""
        self._former.mkdir()
        if files.folder and files.folder.is_dir():
            shutil.copytree(files.folder, self._former / "classifier", copy_function=os.link)
        if files.metrics and files.metrics.is_file():
            os.link(files.metrics, self._former / "metrics.json")

    def restore_former(self, files: ModelFiles) -> None:
        """Put the kept model back, if the run has left something else in its place."""
        kept = self._former / "classifier"
        if files.folder and kept.is_dir() and not _same(kept, files.folder):
            recoverable = RecoverableFolder(files.folder)
            with recoverable.locked(), recoverable.replacement() as folder:
                shutil.copytree(kept, folder, copy_function=os.link, dirs_exist_ok=True)
        if files.metrics and (self._former / "metrics.json").is_file():
            (self._former / "metrics.json").replace(files.metrics)

    def finish(self, files: ModelFiles, status: Status, error: str | None = None) -> Job:
        """Write how the job ended. The former model is put back first, unless the run succeeded and was promoted.

        Args:
            files: Files of the served model.
            status: How it ended.
            error: The reason, where the run itself did not report it.
        """
        events = list(self.events())
        failed = [event for event in events if event["event"] == "node_failed"]
        verdict = next((event for event in reversed(events) if event["event"] == "promotion"), {"promoted": True})
        promoted = status == "succeeded" and bool(verdict["promoted"])
        refusal = str(verdict.get("reason", "The gate refused it."))
        trained = status == "succeeded" and files.manifest is not None
        manifest = json.loads(files.manifest.read_text()) if trained and files.manifest else {}
        figures = files.figures() if trained else {}
        if not promoted:
            self.restore_former(files)
        if failed:
            error = f"{failed[-1]['node']}: {failed[-1]['error']}"
        job = replace(
            self.read(),
            status=status,
            ended=now(),
            run_id=manifest.get("provenance", {}).get("mlflow_run_id"),
            figures=figures,
            promoted=promoted,
            error=refusal if trained and not promoted else error,
        )
        self.write(job)
        shutil.rmtree(self._former, ignore_errors=True)
        return job


def main(orders: dict[str, Any]) -> None:
    """Run `kedro run`, wait, and write how it ended.

    Args:
        orders: `folder` of the job, `project`, `command`, `manifest` and `metrics` (files of the served model), `lock`
            (an inherited handle).
    """
    folder = JobFolder(Path(orders["folder"]))
    files = ModelFiles(*(Path(orders[name]) if orders[name] else None for name in ("manifest", "metrics")))
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    folder.write(replace(folder.read(), runner=os.getpid()))
    try:
        folder.keep_former(files)
        with folder.log.open("wb") as log:
            process = subprocess.Popen(
                orders["command"],
                cwd=orders["project"],
                env=_environment() | {FILE_VARIABLE: str(folder.progress)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The lock lasts as long as either process: nothing else starts while kedro runs on alone.
                pass_fds=[orders["lock"]],
            )
        folder.write(replace(folder.read(), kedro=process.pid))
        code = _wait(process, cancelled)
    except OSError as error:
        folder.finish(files, "failed", str(error))
        raise
    if cancelled.is_set():
        folder.finish(files, "cancelled")
    elif code == 0:
        folder.finish(files, "succeeded")
    else:
        ended = f"ended with status {code}" if code > 0 else f"was ended by signal {-code}"
        folder.finish(files, "failed", f"`{Path(orders['command'][0]).name}` {ended}; the log says more.")


def _wait(process: subprocess.Popen[bytes], cancelled: threading.Event) -> int:
    """Wait until the process ends, or until it is to be ended. Either way its whole group has ended afterwards."""
    code = None
    while code is None and not cancelled.is_set():
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(timeout=0.2)
    if code is None:
        # An order that comes while it is being started ends it before it leads a group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(timeout=_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait() if code is None else code


def _environment() -> dict[str, str]:
    """The server's environment, without the app's settings (one is secret), for plain and unbuffered output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHEST_CANCER_")}
    return kept | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}


def _same(one: Path, other: Path) -> bool:
    """Say whether two folders hold the very same files, as hard links."""
    names = [path.name for path in one.iterdir()]
    return all((other / name).is_file() and (one / name).samefile(other / name) for name in names)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
