"""One training job: a folder with what is known of it, and the process that runs it.

`python -m chest_cancer.jobs.training_job ORDERS` runs `kedro run` and outlives the web server that started it. It
imports little more than the standard library. The folder holds `job.json` (what and when), `run.yml` (parameters that
differ from the settings), `progress.jsonl` (what the run reported), `log.txt` (what it printed), the reports that it
wrote, and `upload`, an archive to train on, which is deleted when the job ends.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from chest_cancer.jobs.progress import FILE_VARIABLE
from chest_cancer.storage.figures import StoredFigure

Status = Literal["running", "succeeded", "failed", "cancelled"]
Task = Literal["train", "roll back"]

REPORTS = ("report.html", "data_report.html", "model_card.md", "data_card.md")
"""What a job keeps of `data/08_reporting`, where the next run writes its own."""

_LOG_LINES = 40
_LOG_BYTES = 16 * 1024
_ERROR_LINES = 10
_GRACE_SECONDS = 10


def now() -> str:
    """Return the time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Job:
    """What `job.json` holds.

    Attributes:
        id: Time of its start, to the microsecond, and four random digits.
        status: Whether it runs, or how it ended.
        environment: The Kedro environment that it runs.
        started: Time of its start, ISO 8601 in UTC.
        ended: Time of its end, ISO 8601 in UTC; None while it runs.
        run_id: Id of the MLflow run; None until its model was judged, or where no run was recorded.
        figures: Test figures of the model that it trained.
        promoted: Whether the gate promoted the model that it trained, which is then served.
        error: Why it failed, or why its model is not served; None otherwise.
        task: What it does: train a model, or serve the former one again.
        asked: Parameters that differ from the settings, by names such as `model_training.epochs`.
        parameters: All parameters of the run, likewise; empty where it did not come so far.
        data: What the model was trained on: `source`, `synthetic`, `classes`, `images`, `digest`, `split_digest`.
        version: Its number in the model registry.
        seconds: How long each node took that was done.
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
    task: Task = "train"
    asked: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    version: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    runner: int | None = None
    kedro: int | None = None


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log.txt"
        self.progress = path / "progress.jsonl"
        self.upload = path / "upload"

    def read(self) -> Job:
        """Read what is known of the job: what this version of the program knows, and of a damaged record that it is."""
        try:
            known = json.loads((self.path / "job.json").read_text())
            return Job(**{name: value for name, value in known.items() if name in Job.__dataclass_fields__})
        except (ValueError, AttributeError, TypeError):  # it must not keep the others from being seen
            began = datetime.strptime(self.path.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
            error = f"Its state can't be read: data/training_jobs/{self.path.name}/job.json is damaged."
            return Job(self.path.name, "failed", "", began.isoformat(), error=error)

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

    def reports(self) -> list[str]:
        """Name the reports that the run wrote."""
        return [name for name in REPORTS if (self.path / name).is_file()]

    def keep_reports(self, written: Path, since: float) -> None:
        """Copy the reports that the run wrote, as far as there is room.

        Args:
            written: Folder of the project's reports, which may be those of an earlier run.
            since: When this run began, in seconds since 1970.
        """
        for report in (written / name for name in REPORTS):
            with suppress(OSError):  # not there, or the disk is full: the run went as it went
                if report.stat().st_mtime >= since:
                    shutil.copyfile(report, self.path / report.name)

    def finish(self, status: Status, error: str | None = None) -> Job:
        """Write how the job ended, see `ended`, and delete the archive that it was given."""
        job = self.ended(status, error)
        shutil.rmtree(self.upload, ignore_errors=True)
        self.write(job)
        return job

    def ended(self, status: Status, error: str | None = None) -> Job:
        """Say how the job ended: a model that was promoted is served, however the run ended after that.

        Args:
            status: How it ended.
            error: The reason, where the run itself did not report it.
        """
        job, events = self.read(), list(self.events())
        failed = [event for event in events if event["event"] in {"node_failed", "run_failed"}]
        verdict = _last(events, "promotion")
        promoted = bool(verdict.get("promoted"))
        if failed:
            error = ": ".join(failed[0][name] for name in ("node", "error") if name in failed[0])
        elif status == "succeeded" and job.task == "train" and not promoted:
            error = str(verdict.get("reason", "The run evaluated no model."))
        return replace(
            job,
            status=status,
            ended=now(),
            promoted=promoted,
            error=error,
            parameters=_last(events, "parameters").get("values", {}),
            seconds={event["node"]: event["seconds"] for event in events if event["event"] == "node_finished"},
            **{name: verdict[name] for name in ("run_id", "figures", "data", "version") if name in verdict},
        )


def _last(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((event for event in reversed(events) if event["event"] == kind), {})


def main(orders: dict[str, Any]) -> None:
    """Run `kedro run`, wait, and write how it ended.

    Args:
        orders: `folder` of the job, `project`, `command`, `lock` (an inherited handle).
    """
    folder = JobFolder(Path(orders["folder"]))
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    folder.write(replace(folder.read(), runner=os.getpid()))
    started = time.time()
    try:
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
        folder.finish("failed", str(error))
        raise
    folder.keep_reports(Path(orders["project"]) / "data" / "08_reporting", started)
    if cancelled.is_set():
        folder.finish("cancelled")
    elif code == 0:
        folder.finish("succeeded")
    else:
        ended = f"ended with status {code}" if code > 0 else f"was ended by signal {-code}"
        last = "\n".join(folder.log_tail()[-_ERROR_LINES:])
        folder.finish("failed", f"`{Path(orders['command'][0]).name}` {ended}. Its last output:\n{last}")


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


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
