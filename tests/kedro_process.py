"""The project's commands in processes of their own.

`kedro` is what people call. `Forks` saves the seconds in which Python imports the libraries: it forks its processes
from one that has them, but no module of the project.
"""

import gc
import inspect
import json
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

SECONDS = 900
"""After which a command is ended, on however slow a machine."""
# The largest ones of a run, and what they import late.
LIBRARIES = (
    "IPython.core.interactiveshell",
    "kedro.framework.cli.cli",
    "kedro.framework.session",
    "kedro_datasets.pandas.parquet_dataset",
    "kedro_datasets.plotly.json_dataset",
    "kedro_mlflow.framework.cli.cli",
    "kedro_mlflow.framework.hooks",
    "kedro_viz.integrations.kedro.hooks",
    "kedro_viz.launchers.cli.main",
    "keras",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnx",
    "openvino",
    "plotly.express",
    "pydicom.pixels",
    "scipy.stats",
    "sklearn.linear_model",
    "tensorflow",
)


@dataclass(frozen=True)
class Ended:
    """What is left of a process.

    Attributes:
        returncode: Its exit status, or the negative number of the signal that ended it.
        stdout: What it printed.
        stderr: What it said.
        seconds: That it has used a processor.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


def kedro(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call a command of Kedro."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def clean_environment() -> dict[str, str]:
    """This process's; MLflow leaves its address in the environment of whoever has used it."""
    return {name: value for name, value in os.environ.items() if name[:7] != "MLFLOW_"}


class Forks:
    """Calls commands in forks of a process that has imported `LIBRARIES`."""

    def __init__(self) -> None:
        # What the project sets before it imports MLflow: tests/test_environment.py.
        environment = clean_environment() | {"MLFLOW_LOGGING_LEVEL": "WARNING", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def kedro(self, project: Path, *arguments: str, **environment: str) -> Ended:
        """Call a command of Kedro."""
        return self.call("kedro", project, arguments, **environment)

    def succeed(self, project: Path, *arguments: str, **environment: str) -> str:
        """What a command of Kedro prints, which has to succeed."""
        ended = self.kedro(project, *arguments, **environment)
        assert ended.returncode == 0, ended.said
        return ended.said

    def call(self, module: str, folder: Path, arguments: Sequence[str] = (), **environment: str) -> Ended:
        """Run a module in a folder, as `python -m` does."""
        assert self._process.stdin
        assert self._process.stdout
        with TemporaryDirectory() as name:
            out, err = Path(name, "out"), Path(name, "err")
            order = {
                "module": module,
                "arguments": list(arguments),
                "folder": str(folder),
                "environment": clean_environment() | environment,
                "files": [os.devnull, str(out), str(err)],
            }
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            returncode, seconds = json.loads(self._process.stdout.readline())
            return Ended(returncode, out.read_text(), err.read_text(), seconds)


def serve() -> None:
    """Fork a process for each order, a line of JSON, and say its exit status and processor's seconds."""
    # As the project does: kedro-mlflow defines a class that MLflow warns about, past any filter.
    with warnings.catch_warnings(record=True, action="ignore"):
        for name in LIBRARIES:
            import_module(name)
    inspect.stack()  # as Dynaconf does to see who asks for settings: which file is whose is looked up once
    gc.freeze()
    for line in sys.stdin:
        # Libraries of linear algebra have threads, and know how to be forked; Python can't know that.
        with warnings.catch_warnings(action="ignore"):
            child = os.fork()
        if not child:
            become(**json.loads(line))
            return
        _, status, used = os.wait4(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime]), flush=True)  # noqa: T201  # the answer


def become(module: str, arguments: list[str], folder: str, environment: dict[str, str], files: list[str]) -> None:
    signal.alarm(SECONDS)
    for number, name in enumerate(files):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
