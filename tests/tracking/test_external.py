"""The record of an external validation: inside of the run that trained the model, here and on a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

from chest_cancer.record import delivery, tracking
from chest_cancer.record.external import log_external_validation
from chest_cancer.record.provenance import SERVER_RUN_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

FIGURE = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}
UNKNOWN = {"value": None, "low": 0.0, "high": 1.0, "n": 0}


def facts(run_id: str | None) -> dict[str, Any]:
    return {
        "model": {"name": "candidate", "version": None, "manifest_sha256": "f" * 64, "run_id": run_id},
        "figures": {
            "accuracy": {"external": FIGURE, "internal": FIGURE, "difference": FIGURE | {"value": 0.0}},
            "ppv": {"external": UNKNOWN, "internal": None, "difference": None},
        },
        "shift": {},
    }


def log(client: "MlflowClient", run_id: str | None) -> Any:
    """Log a validation, and give its run."""
    mlflow.set_tracking_uri(tracking.tracking_uri())
    validation = tracking.open_run("external_validation")
    with mlflow.start_run(run_id=validation):
        log_external_validation(facts(run_id))
    return client.get_run(validation)


@pytest.mark.parametrize("known_as", ["here", "on the server"])
def test_a_validation_is_nested_in_the_run_that_trained_the_model(client: "MlflowClient", known_as: str) -> None:
    training = tracking.open_run("training")
    client.set_tag(training, SERVER_RUN_TAG, "c0ffee")

    run = log(client, training if known_as == "here" else "c0ffee")

    assert run.data.tags[tracking.PARENT_TAG] == training
    assert run.data.tags["model"] == "candidate"
    assert run.data.tags["manifest_sha256"] == "f" * 64
    assert "model_version" not in run.data.tags
    assert run.data.metrics == {"external/accuracy": 0.8, "external_difference/accuracy": 0.0}
    assert (tracking.local_artifacts(run.info.run_id) / "external_figures.csv").read_text().splitlines() == [
        "figure,of,value,low,high,n,title",
        "accuracy,external,0.8,0.7,0.9,50,answered rightly (accuracy)",
        "accuracy,internal,0.8,0.7,0.9,50,answered rightly (accuracy)",
        "accuracy,difference,0.0,0.7,0.9,50,answered rightly (accuracy)",
        "ppv,external,,0.0,1.0,0,positive predictive value",
    ]


@pytest.mark.parametrize("run_id", [None, "c0ffee", "nobody's"])
def test_of_a_model_from_elsewhere_it_is_a_run_of_its_own(client: "MlflowClient", run_id: str | None) -> None:
    assert tracking.PARENT_TAG not in log(client, run_id).data.tags


def test_what_is_nested_here_is_nested_on_the_server(
    client: "MlflowClient", mlflow_database: Path, tmp_path: Path
) -> None:
    (tmp_path / "server.db").write_bytes(mlflow_database.read_bytes())
    there = tracking.connect(f"sqlite:///{tmp_path / 'server.db'}")
    experiment = there.create_experiment("chest_cancer")
    outer, inner = (there.create_run(experiment).info.run_id for _ in range(2))
    training = tracking.open_run("training")
    client.set_tag(training, SERVER_RUN_TAG, outer)
    run = log(client, training)

    delivery._nest(client, run, there, inner)

    assert there.get_run(inner).data.tags[tracking.PARENT_TAG] == outer
