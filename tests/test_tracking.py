"""Where the experiment record goes."""

import socket
from pathlib import Path

import pytest

from chest_cancer.tracking import artifact_location, tracking_uri


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


def test_a_server_that_listens_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

        assert tracking_uri() == uri
        assert artifact_location() is None


def test_a_silent_server_is_reported_at_once_without_the_password(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ada:secret@127.0.0.1:{free_port}/mlflow")

    with pytest.raises(ConnectionError, match=r"at http://127\.0\.0\.1 does not answer: .*unset it") as error:
        tracking_uri()

    assert "secret" not in str(error.value)


def test_other_stores_are_passed_on_unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")

    assert tracking_uri() == "sqlite:///elsewhere.db"
