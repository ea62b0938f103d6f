"""What a process is told before its libraries are imported, and how errors look."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError, MemoryDataset
from kedro.pipeline import Pipeline
from kedro_datasets.json import JSONDataset

from chest_cancer import environment
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.runtime import resolve_precision
from chest_cancer.record.tracking import open_run
from conftest import PROJECT


def fail_in_a_dataset() -> None:
    raise DatasetError("no such file")


def fail_inside_of_a_dataset() -> None:
    class Broken(MemoryDataset):
        def load(self) -> None:
            raise KeyError("a mistake of ours")

    Broken().load()


def fail_by_hand() -> None:
    raise ValueError("mine")


@pytest.fixture
def stderr_of(capsys: pytest.CaptureFixture[str]) -> Callable[[Callable[[], object]], str]:
    def explain(action: Callable[[], object]) -> str:
        try:
            action()
        except Exception as error:  # whatever it is, it has to be shown
            environment.explain(type(error), error, error.__traceback__)
        return capsys.readouterr().err

    return explain


def python(code: str, folder: Path, **variables: str) -> list[list[str]]:
    """The words of the lines that a fresh process prints."""
    told = ["DO_NOT_TRACK", "TF_CPP_MIN_LOG_LEVEL", *(name for name in os.environ if name.startswith("MLFLOW_"))]
    clean = {name: value for name, value in os.environ.items() if name not in told}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=clean | variables, capture_output=True, text=True, check=True
    )
    assert "Warning" not in result.stderr
    return [line.split() for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (fail_in_a_dataset, "DatasetError: no such file"),
        (lambda: resolve_precision("int4"), "ValueError: Invalid value for `precision`: expected auto, bf16 or fp32."),
        (
            lambda: Classifier.load("/nowhere"),
            "FileNotFoundError: No classifier in /nowhere: expected",
        ),
        (
            lambda: import_module("no_such_package"),
            "No module named 'no_such_package'. `make run` installs",
        ),
        (
            lambda: Pipeline([]).only_nodes("nope"),
            "ValueError: Pipeline does not contain nodes named ['nope'].",
        ),
        (
            lambda: OmegaConfigLoader("/nowhere", base_env="base", default_run_env="local")["parameters"],
            "MissingConfigException: Given configuration path either does not exist or is not",
        ),
        (
            lambda: JSONDataset(filepath="/nowhere.json").load(),
            "DatasetError: Failed while loading data from dataset",
        ),
        (lambda: open_run("a run"), "ConnectionError: The MLflow server at http://127.0.0.1:9 does not answer: "),
    ],
)
def test_a_deliberate_error_is_printed_as_its_message_alone(
    stderr_of: Callable, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object], line: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    printed = stderr_of(action)

    assert "Traceback" not in printed
    assert printed.strip().startswith(line)


@pytest.mark.parametrize(
    "action",
    [
        lambda: int("x"),
        fail_by_hand,
        lambda: import_module("chest_cancer.gone"),
        lambda: 1 / 0,
        lambda: json.loads("{"),
        fail_inside_of_a_dataset,
    ],
    ids=["int", "raise", "import", "zero", "json", "dataset"],
)
def test_any_other_error_keeps_its_traceback(stderr_of: Callable, action: Callable[[], object]) -> None:
    assert "Traceback (most recent call last)" in stderr_of(action)


@pytest.fixture
def folder_of_a_project(tmp_path: Path) -> Path:
    """A folder inside of a project that has a file of variables."""
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_USERNAME=ada\nMLFLOW_TRACKING_PASSWORD=from_file\n")
    (tmp_path / "below").mkdir()
    return tmp_path / "below"


# Nobody answers there: what is asked is not of interest, and is over at once.
EXPORTED = {
    "MLFLOW_TRACKING_PASSWORD": "exported",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
}
TOLD = """
import os
names = ["TRACKING_USERNAME", "TRACKING_PASSWORD", "DISABLE_TELEMETRY", "HTTP_REQUEST_TIMEOUT"]
print(*(os.environ.get("MLFLOW_" + name) for name in names))
"""
PREPARED = ["ada", "exported", "true", "5"]
KEDRO = """
import gc, os, sys, fsspec
def state():
    return gc.get_threshold(), dict(os.environ), sys.excepthook
def changed():
    ours = [one != other for one, other in zip(before, state())]
    return *ours, fsspec.get_filesystem_class("file").__name__, "mlflow" in sys.modules
before = state()
import chest_cancer.environment
print(*changed())
from kedro.framework.project import configure_project
configure_project("chest_cancer")
print(*changed())
"""
WEB_SERVER = """
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError, MemoryDataset
from kedro.pipeline import Pipeline
from kedro_datasets.json import JSONDataset
from chest_cancer.datasets.registered_classifier import RegisteredClassifierDataset
try:
    RegisteredClassifierDataset(filepath="champion").load()
except DatasetError:
    pass
"""


def test_importing_the_environment_does_nothing_and_configuring_kedro_prepares_the_process_and_overrides_nothing(
    folder_of_a_project: Path,
) -> None:
    imported, *_, configured, told = python(KEDRO + TOLD, folder_of_a_project, **EXPORTED)  # Kedro logs in between

    assert imported == [*["False"] * 3, "LocalFileSystem", "False"]
    assert configured == [*["True"] * 3, "AtomicLocalFileSystem", "True"]
    assert told == PREPARED


def test_a_web_server_reads_the_env_file_opts_out_of_telemetry_and_overrides_nothing(folder_of_a_project: Path) -> None:
    assert python(WEB_SERVER + TOLD, folder_of_a_project, **EXPORTED)[-1] == PREPARED
