"""`kedro run` on folders as people have them: refused within seconds, before a feature is extracted."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from chest_cancer.imaging.phantoms.generate import generate_phantom
from conftest import copy_project

LONG = "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib"
TWO = ("normal", "cancer")
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "long and short names": (
        ["train/normal", f"train/{LONG}", "test/normal", "test/adenocarcinoma"],
        [],
        f"data_ingestion:\n  class_names:\n    {LONG}: adenocarcinoma\n",
    ),
    "patients": ([f"patient {n}/{label}" for n in range(4) for label in TWO], [], "inside of `patient 0`"),
    "folds": ([f"fold{n}/{label}" for n in range(5) for label in TWO], [], "Folds of a cross-validation"),
    "a copy": ([f"{top}/{label}" for top in ("Data", "Data - Copy") for label in TWO], [], "of which it is a copy"),
    "normal_class": (["Normal", "cancer"], [], 'Did you mean `Normal`? Pass --params "model_training.normal_class='),
    "no": (["no", "yes"], ["model_training.normal_class=no"], "quote the name, as in 'no'"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("project"))


def run(project: Path, source: Path, *parameters: str, pipelines: str = "__default__") -> tuple[str, int, float]:
    options = ",".join([f"data_ingestion.source={source}", *parameters])
    command = [sys.executable, "-m", "kedro", "run", "--env", "test", "--pipelines", pipelines, "--params", options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor, which other tests on the same machine don't change.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout + done.stderr, done.returncode, seconds


def fill(source: Path, folders: list[str]) -> None:
    for number, folder in enumerate(folders):
        (source / folder).mkdir(parents=True)
        for copy in range(3):
            pixels = generate_phantom("normal", 3, 3 * number + copy).image
            Image.fromarray(pixels).save(source / folder / f"{copy}.png")


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_can_not_be_right_ends_within_seconds(project: Path, tmp_path: Path, case: str) -> None:
    folders, parameters, message = CASES[case]
    fill(tmp_path / "source", folders)

    said, status, seconds = run(project, tmp_path / "source", *parameters)

    assert status != 0
    assert message in said
    assert not (project / "data" / "04_feature" / "features").exists()
    assert seconds < 15


def test_names_that_yaml_changes_can_be_quoted_on_the_command_line(project: Path, tmp_path: Path) -> None:
    fill(tmp_path / "source", ["no", "1"])
    for name in ("'no'", "1"):
        said, status, _ = run(
            project, tmp_path / "source", f"model_training.normal_class={name}", pipelines="data_ingestion"
        )
        assert status == 0, said
        assert "class  images  distinct  left out\n1           3         3         0" in said
