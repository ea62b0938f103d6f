"""Kedro's command line on this project: what it lists, and what it refuses before a feature is extracted."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chest_cancer.parameters.blocks import ON_REQUEST
from conftest import PROJECT, copy_project
from kedro_process import Ended, Forks

PIPELINES = {path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py")}
LONG = "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib"
TWO = ("normal", "cancer")
# Folders as people have them, one for each kind of check; all others: tests/pipelines/test_ingestion_layouts.py and
# tests/test_parameters.py.
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "long and short names": (
        ["train/normal", f"train/{LONG}", "test/normal", "test/adenocarcinoma"],
        [],
        f"data_ingestion:\n  class_names:\n    {LONG}: adenocarcinoma\n",
    ),
    "patients": ([f"patient {n}/{label}" for n in range(4) for label in TWO], [], "inside of `patient 0`"),
    "normal_class": (["Normal", "cancer"], [], 'Did you mean `Normal`? Pass --params "model_training.normal_class='),
    "no": (["no", "yes"], ["model_training.normal_class=no"], "quote the name, as in 'no'"),
}


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


def test_a_run_of_a_part_warns_of_nothing(project: Path, forks: Forks) -> None:
    arguments = ["--env", "test", "--to-outputs", "raw_images", "--params", "data_ingestion.phantom.images=6"]

    ended = forks.kedro(project, "run", *arguments)

    assert ended.returncode == 0
    assert "Step 1 of 1: data_ingestion, describe source" in ended.stderr  # whether anything is left to do or not
    assert "WARNING" not in ended.stderr


def test_a_typo_in_a_parameter_ends_the_process_with_one_plain_message(tmp_path: Path, forks: Forks) -> None:
    project = copy_project(tmp_path)

    ended = forks.kedro(project, "run", "--params", "model_training.epoch=3")

    assert ended.returncode == 1
    assert "- `model_training.epoch`: Extra inputs are not permitted. Received: 3" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(project.glob("data/*"))
    assert not (project / "mlflow.db").exists()


@pytest.fixture
def run(project: Path, tmp_path: Path, forks: Forks) -> Callable[..., Ended]:
    """Runs pipelines on `source`."""

    def run(*parameters: str, pipelines: str = "__default__") -> Ended:
        options = ",".join([f"data_ingestion.source={tmp_path / 'source'}", *parameters])
        return forks.kedro(project, "run", "--env", "test", "--pipelines", pipelines, "--params", options)

    return run


def fill(source: Path, folders: list[str]) -> None:
    generator = np.random.default_rng(3)
    for folder in folders:
        (source / folder).mkdir(parents=True)
        for number in range(3):
            pixels = generator.integers(0, 256, (40, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(source / folder / f"{number}.png")


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_can_not_be_right_ends_within_seconds(
    project: Path, run: Callable[..., Ended], tmp_path: Path, case: str
) -> None:
    folders, parameters, message = CASES[case]
    fill(tmp_path / "source", folders)

    ended = run(*parameters)

    assert ended.returncode != 0
    assert message in ended.said
    assert "have not run" not in ended.said  # Kedro's own advice: the error has the cure
    assert not (project / "data" / "04_feature" / "features").exists()
    assert ended.seconds < 10  # without the import of libraries


def test_names_that_yaml_changes_can_be_quoted_on_the_command_line(run: Callable[..., Ended], tmp_path: Path) -> None:
    fill(tmp_path / "source", ["no", "1"])
    for name in ("'no'", "1"):
        ended = run(f"model_training.normal_class={name}", pipelines="data_ingestion")
        assert ended.returncode == 0, ended.said
        assert "class  images  distinct  left out\n1           3         3         0" in ended.said
