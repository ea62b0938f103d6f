"""All jobs of a project: `kedro run` or a roll-back, one at a time, whatever becomes of the server.

The process that runs a job holds a lock for as long as it lives. So any worker can tell from the lock whether a job
runs, and nobody has to tidy up.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast

from flask import Flask

from chest_cancer.jobs.training_job import Job, JobFolder, now
from chest_cancer.jobs.training_order import TrainingOrder

_ID = re.compile(r"\d{8}-\d{6}(-\d{6})?-[0-9a-f]{4}")
"""Jobs of former versions have no microseconds."""
_KEPT_JOBS = 50
_PROBES = 20
_PROBE_SECONDS = 0.02
_START_SECONDS = 5
_KILLED = "Its process was killed."


class JobRunningError(RuntimeError):
    """A job runs already, and only one may run at a time."""


@dataclass(frozen=True)
class Place:
    """The place of the one job, held until its process has it.

    Attributes:
        folder: Of the job, without `job.json` as long as nothing was started.
        lock: Handle of the lock.
    """

    folder: JobFolder
    lock: int


class Jobs:
    """All jobs of a project."""

    def __init__(self, project: Path, command: list[str], rollback: list[str], environment: str) -> None:
        """Note where jobs are kept; the disk is not touched yet.

        Args:
            project: The folder with `conf/` and `data/`.
            command: The command that trains, without `--env` and `--config`.
            rollback: The command that serves the former model again, without `--from`.
            environment: The Kedro environment whose model is served.
        """
        self.project = project
        self.folder = project / "data" / "training_jobs"
        self._command = command
        self._rollback = rollback
        self._environment = environment
        self._lock = self.folder / ".lock"

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return the jobs of an app."""
        return cast(Self, app.extensions["jobs"])

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Hold the place of the one job; where nothing is started in it, nothing of it stays.

        Yields:
            The place, with a new folder for what the job is given.

        Raises:
            JobRunningError: A job runs already, no matter which worker started it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _lock_patiently(lock):
                raise JobRunningError
            self._tidy()
            # With microseconds, as jobs are sorted by it, and one that fails at once is followed within the second.
            folder = JobFolder(self.folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}")
            folder.path.mkdir(mode=0o700)
            try:
                yield Place(folder, lock)
            finally:
                if not _is_job(folder.path):
                    shutil.rmtree(folder.path)
        finally:
            # The lock belongs to the open file, which the runner may have now; here only our handle on it ends.
            os.close(lock)

    def train(self, place: Place, order: TrainingOrder) -> None:
        """Start `kedro run` and return at once.

        Args:
            place: Of the job.
            order: What is asked for.
        """
        folder, command = place.folder, [*self._command, "--env", order.environment]
        if order.parameters:
            config = folder.path / "run.yml"
            config.write_text(json.dumps({"run": {"params": order.nested()}}))  # which is YAML, too
            command += ["--config", str(config.resolve())]
        folder.write(Job(folder.path.name, "running", order.environment, now(), asked=order.parameters))
        self._launch(folder, command, place.lock)

    def roll_back(self, place: Place, version: str | None = None) -> None:
        """Start serving the former model again, and return at once.

        Args:
            place: Of the job.
            version: Which one has to be served still; None: whichever is.
        """
        folder, command = place.folder, [*self._rollback, *(["--from", version] if version else [])]
        folder.write(Job(folder.path.name, "running", "", now(), task="roll back"))
        self._launch(folder, command, place.lock, KEDRO_ENV=self._environment)

    def is_running(self) -> bool:
        """Say whether a job runs."""
        try:
            lock = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def find(self, job_id: str) -> JobFolder | None:
        """Find a job; None when there is no job of that id, which a client may have made up."""
        folder = JobFolder(self.folder / job_id)
        return folder if _ID.fullmatch(job_id) and _is_job(folder.path) else None

    def folders(self) -> list[JobFolder]:
        """List jobs, the newest first."""
        if not self.folder.is_dir():
            return []
        names = sorted((path.name for path in self.folder.iterdir()), reverse=True)
        return [folder for name in names if (folder := self.find(name))]

    def before(self, job: Job) -> Job | None:
        """The last job before one that trained from the same settings and ended well: as long may this one take."""
        others = (folder.read() for folder in self.folders() if folder.path.name < job.id)
        return next(
            (one for one in others if one.status == "succeeded" and one.seconds and one.environment == job.environment),
            None,
        )

    def status(self, folder: JobFolder) -> Job:
        """Read a job; it has failed if its process is gone and has not written how it ended."""
        job = folder.read()
        if job.status == "running" and not self.is_running():
            job = folder.read()  # it may have ended between the two questions
            if job.status == "running":
                return replace(folder.ended("failed", _KILLED), ended=None)  # nobody knows when
        return job

    def cancel(self, folder: JobFolder) -> bool:
        """End a running job with everything that it started; return whether there was something to end."""
        end = time.monotonic() + _START_SECONDS
        while (job := self.status(folder)).status == "running" and time.monotonic() < end:
            # The second one only if the first is gone: that one ends its group itself, and writes down how it went.
            for process in (job.runner, job.kedro):
                if process is not None:
                    with suppress(ProcessLookupError):
                        os.killpg(process, signal.SIGTERM)
                        return True
            time.sleep(_PROBE_SECONDS)  # it has not yet said who it is
        return False

    def _tidy(self) -> None:
        """End what a killed runner left behind, remove what a killed server was receiving, and the oldest jobs."""
        for path in self.folder.iterdir():
            if _ID.fullmatch(path.name) and not _is_job(path):
                shutil.rmtree(path)
        folders = self.folders()
        for folder in folders:
            if folder.read().status == "running":
                folder.finish("failed", _KILLED)
        for folder in folders[_KEPT_JOBS - 1 :]:
            shutil.rmtree(folder.path)

    def _launch(self, folder: JobFolder, command: list[str], lock: int, **variables: str) -> None:
        orders = {
            "folder": str(folder.path),
            "project": str(self.project),
            "command": command,
            "lock": lock,
        }
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "chest_cancer.jobs.training_job", json.dumps(orders)],
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[lock],
            )
        except OSError as error:
            folder.finish("failed", f"It could not be started: {error}")
            raise
        # Waited for, so that it does not stay behind as a zombie.
        threading.Thread(target=process.wait, name=f"job-{folder.path.name}", daemon=True).start()


def _is_job(folder: Path) -> bool:
    return (folder / "job.json").is_file()


def _lock_patiently(lock: int) -> bool:
    """Take the lock. Whoever only asks for it, see `Jobs.is_running`, holds it for some microseconds."""
    for _ in range(_PROBES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PROBE_SECONDS)
        else:
            return True
    return False
