"""`kedro run` on folders as people have them: refused within seconds, before a feature is extracted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import copy_project
from kedro_process import Ended, Forks

LONG = "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib"
TWO = ("normal", "cancer")
# Of each kind of check; tests/pipelines/test_ingestion_layouts.py and tests/test_parameters.py have the others.
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
    return copy_project(tmp_path_factory.mktemp("project"))


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
    assert not (project / "data" / "04_feature" / "features").exists()
    assert ended.seconds < 10  # without the import of libraries


def test_names_that_yaml_changes_can_be_quoted_on_the_command_line(run: Callable[..., Ended], tmp_path: Path) -> None:
    fill(tmp_path / "source", ["no", "1"])
    for name in ("'no'", "1"):
        ended = run(f"model_training.normal_class={name}", pipelines="data_ingestion")
        assert ended.returncode == 0, ended.said
        assert "class  images  distinct  left out\n1           3         3         0" in ended.said
