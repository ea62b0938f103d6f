"""Where the experiment record goes."""

import socket
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from chest_cancer.cli import cli
from chest_cancer.parameters.blocks import DataIngestionParameters, ModelTrainingParameters
from chest_cancer.record.flat_parameters import flat_parameters
from chest_cancer.record.hook import TrackingHook
from chest_cancer.record.tracking import artifact_location, open_run, registry_uri, tracking_uri


@pytest.fixture
def project(project_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(project_copy / "conf" / "base")
    return project_copy


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_record_is_kept_in_the_project_from_whatever_folder_below_it(project: Path) -> None:
    assert tracking_uri() == f"sqlite:///{project}/mlflow.db"
    assert artifact_location() == f"{project}/mlartifacts"


def test_an_empty_variable_counts_as_unset(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")

    assert tracking_uri() == f"sqlite:///{project}/mlflow.db"
    assert artifact_location() == f"{project}/mlartifacts"


def test_a_server_gets_models_and_runs_are_recorded_here_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:1/mlflow")

    assert tracking_uri() == f"sqlite:///{project}/mlflow.db"
    assert artifact_location() == f"{project}/mlartifacts"
    assert registry_uri() == "http://ada:secret@127.0.0.1:1/mlflow"


def test_a_server_is_known_in_processes_that_mlflow_has_told_of_the_local_record(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "https://example.org")

    assert registry_uri() == "https://example.org"


def test_a_database_is_used_for_both(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")

    assert tracking_uri() == registry_uri() == "sqlite:///elsewhere.db"
    assert artifact_location() is None


def test_a_silent_server_stops_a_run_before_any_work_without_showing_the_password(
    project: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ada:secret@127.0.0.1:{free_port}/mlflow")
    cure = r"Start it, correct MLFLOW_TRACKING_URI, or unset it to keep the record in mlflow\.db"

    with pytest.raises(
        ConnectionError, match=rf"at http://127\.0\.0\.1:{free_port}/mlflow does not answer: .*refused\. {cure}"
    ) as error:
        open_run("training")

    assert "secret" not in str(error.value)
    assert not (project / "mlflow.db").exists()


def test_without_a_server_there_is_nowhere_to_send_to(client: MlflowClient) -> None:
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI names no server"):
        CliRunner().invoke(cli, ["record", "send"], catch_exceptions=False)


def test_a_record_keeps_no_secret_of_an_address(client: MlflowClient) -> None:
    source = "dicomweb+https://me:secret@pacs.example/dicom-web?PatientID=Planted"
    hook = TrackingHook()
    hook._is_mlflow_enabled = True
    mlflow.set_tracking_uri(tracking_uri())
    inputs = {"params:data_ingestion": DataIngestionParameters(source=source), "params:note": "a ? b"}

    with mlflow.start_run(run_id=open_run("test")) as run:
        hook.before_node_run(node=None, catalog=None, inputs=inputs, is_async=False)

    params = client.get_run(run.info.run_id).data.params
    assert params["data_ingestion.source"] == "dicomweb+https://pacs.example/dicom-web"
    assert params["note"] == "a ? b"


def test_a_list_of_names_is_recorded_alike_by_itself_and_in_its_block() -> None:
    block = ModelTrainingParameters(positive_classes=("malignant",))

    alone = flat_parameters({"model_training.positive_classes": block.positive_classes})

    # MLflow refuses a parameter that is logged twice with other values, which ended the run.
    assert alone.items() <= flat_parameters({"model_training": block}).items()
