"""Kedro's command line on this project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chest_cancer.pipeline_registry import ON_REQUEST
from conftest import PROJECT, copy_project
from kedro_process import Forks

PIPELINES = {path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, before any run."""
    return copy_project(tmp_path_factory.mktemp("project"))


def test_the_registry_lists_every_pipeline(project: Path, forks: Forks) -> None:
    lines = forks.succeed(project, "registry", "list").splitlines()

    listed = [line.removeprefix("- ") for line in lines if line[:2] == "- "]
    assert set(ON_REQUEST) < PIPELINES
    assert sorted(listed) == sorted(["__default__", *PIPELINES])


def test_the_catalog_describes_every_dataset(project: Path, forks: Forks) -> None:
    described = forks.succeed(project, "catalog", "describe-datasets")

    for name in ("raw_images", "features", "classifier", "metrics", "predictions"):
        assert name in described


def test_a_run_of_data_ingestion_imports_nothing_that_only_others_need(project: Path) -> None:
    arguments = ["-X", "importtime", "-m", "kedro", "run", "--env", "test", "--pipelines", "data_ingestion"]
    arguments += ["--params", "data_ingestion.phantom.images=6"]

    result = subprocess.run(
        [sys.executable, *arguments], cwd=project, capture_output=True, text=True, timeout=300, check=True
    )

    # Threads may write between a name and the end of its line.
    imported = set(re.findall(r"\| +([\w.]+)", result.stderr))
    assert {"kedro", "pandas", "PIL"} <= imported
    assert not imported & {"keras", "onnx", "plotly", "skimage", "sklearn", "tensorflow"}


def test_a_typo_in_a_parameter_ends_the_process_with_one_plain_message(tmp_path: Path, forks: Forks) -> None:
    project = copy_project(tmp_path)

    ended = forks.kedro(project, "run", "--params", "model_training.epoch=3")

    assert ended.returncode == 1
    assert "- `model_training.epoch`: Extra inputs are not permitted. Received: 3" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(project.glob("data/*"))
    assert not (project / "mlflow.db").exists()
