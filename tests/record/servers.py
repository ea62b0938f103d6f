"""Starts real servers: MLflow with accounts, PostgreSQL, and `kedro` beside them."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

# mlflow starts other commands by name.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

USER, PASSWORD = "ada", "a-long-enough-password"
POSTGRESQL = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def free_port() -> int:
    """One below 49152: kedro-viz takes no other."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(20_000, 49_000)))
            return probe.getsockname()[1]


def kedro(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["env", "--default-signal", sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def succeed(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@contextmanager
def running(command: list[str], answers: str, log: Path, **settings: object) -> Iterator[None]:
    """Start a server, wait until it answers, and end it with all of its children."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **settings)
    try:
        end = time.monotonic() + 90
        while True:
            try:
                urlopen(answers, timeout=1).close()
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

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs."""
        return {
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.port}",
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it."""
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
        with running(command, address, self.folder / "log", cwd=self.folder, env=os.environ | options):
            yield


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
