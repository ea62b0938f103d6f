"""Starts real servers: MLflow with accounts, PostgreSQL, and `kedro` beside them."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from kedro_process import SECONDS

# mlflow starts other commands by name.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

USER, PASSWORD = "ada", "a-long-enough-password"
POSTGRESQL = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def free_port() -> int:
    """One that the system gives to no client: it stays free while a server is away."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(20_000, 32_000)))
            return probe.getsockname()[1]


def kedro(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command of Kedro, in a process group of its own."""
    return subprocess.Popen(
        # Whoever starts the tests may ignore signals, and a process inherits that.
        ["env", "--default-signal", sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def succeed(process: subprocess.Popen[str]) -> str:
    """What it has printed."""
    return ended(process, 0)


def ended(process: subprocess.Popen[str], code: int) -> str:
    """What a process has printed that ends as expected."""
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == code, output
    return output


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for something, as long as the process lives that does it."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)


def reports(progress: Path, pattern: str) -> bool:
    """Whether a run has said something in the file of `CHEST_CANCER_PROGRESS`."""
    return progress.exists() and re.search(pattern, progress.read_text()) is not None


@contextmanager
def running(command: list[str], answers: str, log: Path, **settings: object) -> Iterator[None]:
    """Start a server, wait until it answers, and end it with all of its children."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **settings)
    try:
        end = time.monotonic() + SECONDS
        while True:
            try:
                urlopen(answers, timeout=60).close()
                break
            except (URLError, OSError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class TrackingServer:
    """`mlflow server` with accounts; it may be started more than once, always at the same address."""

    folder: Path
    store: str
    port: int
    _running: ExitStack | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs."""
        return {
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.port}",
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._running is not None:
            return
        settings = self.folder / "auth.ini"
        settings.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self.folder}/auth.db\n"
            f"admin_username = {USER}\nadmin_password = {PASSWORD}\n"
            "auth_cache_ttl_seconds = 600\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1"),
            *("--port", str(self.port), "--backend-store-uri", self.store),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        options = {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests alone",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        address = f"http://127.0.0.1:{self.port}/health"
        log, environment = self.folder / "log", os.environ | options
        with ExitStack() as started:
            started.enter_context(running(command, address, log, cwd=self.folder, env=environment))
            self._running = started.pop_all()

    def stop(self) -> None:
        """End it in the middle of whatever it does."""
        if self._running is not None:
            self._running.close()
            self._running = None


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """Run PostgreSQL on a fresh database, as the user that Debian makes for it where this is root, whom it refuses."""
    folder, port = Path(tempfile.mkdtemp(prefix="postgresql")), free_port()
    prefix = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        prefix = ["runuser", "--user", "postgres", "--"]

    def control(*arguments: str) -> None:
        command = [*prefix, str(programs / "pg_ctl"), "--pgdata", str(folder / "data"), *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    try:
        control("initdb", "--options", "--username=mlflow --auth=trust")
        control("start", "--wait", "--log", str(folder / "log"), "--options", f"-p {port} -h 127.0.0.1 -k {folder}")
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"
    finally:
        control("stop", "--mode", "immediate")
        shutil.rmtree(folder)
