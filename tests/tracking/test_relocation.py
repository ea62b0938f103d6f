"""A record that was copied or moved together with its project."""

import shutil
from pathlib import Path

import pytest
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from mlflow import MlflowClient

from chest_cancer.record.hook import TrackingHook
from chest_cancer.record.relocation import follow_project
from chest_cancer.record.tracking import connect, local_artifacts, open_run, tracking_uri


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def copied(client: MlflowClient, project_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a project that has a run and a version of a model; the test runs in the copy."""
    run = open_run("first")
    client.create_registered_model("VGG16Model")
    client.create_model_version("VGG16Model", f"{client.get_run(run).info.artifact_uri}/model", run)
    copy = Path(shutil.copytree(project_copy, tmp_path / "a copy, 100 %"))
    monkeypatch.chdir(copy)
    return copy


def test_a_copied_project_records_beside_itself_and_leaves_the_original_alone(copied: Path, project_copy: Path) -> None:
    before = _files(project_copy / "mlartifacts")

    follow_project()
    run = open_run("second")

    assert _files(project_copy / "mlartifacts") == before
    assert (copied / "mlartifacts" / run / "artifacts" / "environment.json").is_file()


def test_what_was_recorded_before_is_found_beside_the_copy(copied: Path, project_copy: Path) -> None:
    shutil.rmtree(project_copy)

    follow_project()

    client = connect(tracking_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("chest_cancer").experiment_id])
    assert (local_artifacts(run.info.run_id) / "environment.json").is_file()
    assert client.get_model_version("VGG16Model", "1").source == f"{run.info.artifact_uri}/model"


def test_a_project_where_it_was_is_left_as_it_is(client: MlflowClient, project_copy: Path) -> None:
    run = open_run("first")
    before = client.get_run(run).info.artifact_uri

    follow_project()

    assert client.get_run(run).info.artifact_uri == before


def test_without_a_record_there_is_nothing_to_do(project_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    follow_project()
    (project_copy / "mlflow.db").touch()  # as somebody may who makes the database
    follow_project()

    assert (project_copy / "mlflow.db").stat().st_size == 0


def test_a_run_does_that_before_it_records(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr("chest_cancer.record.hook.follow_project", lambda: done.append("followed"))
    monkeypatch.setattr(MlflowHook, "after_context_created", lambda *_, **__: done.append("opened"))

    TrackingHook().after_context_created(type("Context", (), {"project_path": copied}))

    assert done == ["followed", "opened"]
