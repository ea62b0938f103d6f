"""What is served changes only when a run was evaluated and promoted, or by hand: refused, broken, killed."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from PIL import Image

from app.model import ModelSource
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from conftest import PROJECT, copy_project
from record import servers
from record.servers import ended, reports, succeed, wait_until

SERVED = "data/06_models/classifier"
AGAIN = ("--pipelines", "model_training,model_evaluation")
# As documented, but for the number of epochs.
FINE_TUNING = (
    "model_preparation.fine_tune_from=block5_conv1,model_training.learning_rate=0.00003,model_training.epochs=1"
)


Kedro = Callable[..., subprocess.Popen[str]]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that finds images in a folder: to it these are no phantoms."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    parameters = yaml.safe_load((project / "conf/test/parameters.yml").read_text())
    parameters["data_ingestion"] |= {"source": "slices"}
    parameters["model_evaluation"]["audits"] = False  # they take the longest, and change nothing here
    parameters["model_training"]["head"] = "linear"
    (project / "conf/test/parameters.yml").write_text(yaml.safe_dump(parameters))
    for number, phantom in enumerate(generate_phantoms(("normal", "adenocarcinoma"), 30, seed=3)):
        path = project / "slices" / phantom.label / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(phantom.image).save(path)
    return project


@pytest.fixture(scope="module")
def kedro(project: Path) -> Kedro:
    """Starts Kedro there."""

    return partial(servers.kedro, project, COLUMNS="500")


@pytest.fixture(scope="module")
def trained(kedro: Kedro, project: Path) -> list[bool]:
    """Train, and do not evaluate: whether there is a candidate, and anything that is served."""
    preparation = "data_ingestion,model_preparation,feature_extraction,model_training"
    succeed(kedro("run", "--env", "test", "--pipelines", preparation))
    return [(project / "data/06_models" / name).exists() for name in ("candidate", "classifier")]


@pytest.fixture(scope="module")
def first(kedro: Kedro, project: Path, trained: list[bool]) -> Files:
    """What is served after the first run that was evaluated."""
    succeed(kedro("run", "--env", "test", *AGAIN))
    return served(project)


def served(project: Path) -> Files:
    return {path.name: path.read_bytes() for path in (project / SERVED).iterdir()}


def test_what_was_trained_and_not_evaluated_is_a_candidate_and_not_served(trained: list[bool]) -> None:
    assert trained == [True, False]


def test_the_first_model_is_served_with_its_own_figures(first: Files, project: Path) -> None:
    assert json.loads(first["manifest.json"])["data"]["synthetic"] is False
    model = ModelSource(project, "test").get()
    assert model.version["version"] == "1"
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    assert {"patients": model.patients, "confidence": model.confidence, **model.figures} == metrics


def test_a_run_that_fails_after_training_changes_nothing_that_is_served(
    first: Files, kedro: Kedro, project: Path
) -> None:
    metrics = project / "data/08_reporting/metrics.json"
    metrics.unlink()
    metrics.mkdir()

    output = ended(kedro("run", "--env", "test", *AGAIN), 1)

    assert "Is a directory" in output
    assert served(project) == first
    metrics.rmdir()


def test_a_run_that_is_killed_while_it_trains_changes_nothing_that_is_served(
    first: Files, kedro: Kedro, project: Path, tmp_path: Path
) -> None:
    progress = tmp_path / "progress"
    process = kedro("run", "--env", "test", *AGAIN, CHEST_CANCER_PROGRESS=str(progress))
    wait_until(lambda: reports(progress, r'"node_started".*train_head_node'), process)

    os.killpg(process.pid, signal.SIGKILL)

    ended(process, -signal.SIGKILL)
    assert served(project) == first


def test_fine_tuning_on_phantoms_does_not_take_a_real_models_place_unless_by_hand(
    first: Files, kedro: Kedro, project: Path
) -> None:
    output = succeed(kedro("run", "--env", "test", "--params", f"data_ingestion.source=phantom,{FINE_TUNING}"))

    decision = json.loads((project / "data/08_reporting/promotion.json").read_text())
    assert (decision["promoted"], decision["leads"]) == (False, True)
    assert "Not served: version 1, which is, is a model of real images" in output
    (number,) = re.findall(r"To serve it all the same: `kedro record promote (\d+)`", output)
    assert served(project) == first

    output = succeed(kedro("record", "promote", number))

    assert f"version {number} is champion, and in data/06_models/classifier" in output
    assert json.loads(served(project)["manifest.json"])["data"]["synthetic"] is True
    assert ModelSource(project, "test").get().version["version"] == number

    succeed(kedro("record", "rollback"))

    dated = "version.json"  # promoted again
    assert served(project) | {dated: b""} == first | {dated: b""}
    assert ModelSource(project, "test").get().version["version"] == "1"


def test_a_model_of_phantoms_takes_a_real_models_place_where_the_run_is_told_to_replace_that_version(
    first: Files, kedro: Kedro, project: Path
) -> None:
    again = ("run", "--env", "test", "--pipelines", "model_evaluation")
    another = succeed(kedro(*again, "--params", "model_evaluation.replaces=7"))
    assert "names version 7, and version 1 is served" in another
    assert json.loads(served(project)["manifest.json"])["data"]["synthetic"] is False

    told = succeed(kedro(*again, "--params", "model_evaluation.replaces=1"))

    assert "Promoted in place of version 1, as `model_evaluation.replaces` says." in told
    assert json.loads(served(project)["manifest.json"])["data"]["synthetic"] is True
    succeed(kedro("record", "rollback"))
    assert ModelSource(project, "test").get().version["version"] == "1"


def test_a_model_that_is_fetched_for_another_machine_says_which_version_it_is(
    first: Files, project: Path, tmp_path: Path
) -> None:
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db", "PYTHONPATH": str(PROJECT / "src")}
    command = [sys.executable, PROJECT / "deploy/fetch_model.py", "models:/VGG16Model@champion", "--folder", "fetched"]

    subprocess.run(command, cwd=tmp_path, env=os.environ | store, check=True)

    fetched = {path.name: path.read_bytes() for path in (tmp_path / "fetched").iterdir()}
    version, here = (json.loads(files["version.json"]) for files in (fetched, served(project)))
    assert version == {name: here[name] for name in ("version", "promoted")}
    assert fetched["manifest.json"] == served(project)["manifest.json"]
    assert json.loads(fetched["metrics.json"]) == json.loads(served(project)["metrics.json"])
