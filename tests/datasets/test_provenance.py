"""Where a run comes from."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kedro.io import DatasetError

import chest_cancer
from chest_cancer.datasets.provenance import ProvenanceDataset


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init", "--quiet")
    (tmp_path / "file.txt").write_text("one")
    git("add", "file.txt")
    git("commit", "--quiet", "--message", "first")
    return tmp_path


def test_provenance_names_version_time_and_commit(repository: Path) -> None:
    record = ProvenanceDataset(project_path=str(repository)).load()

    assert record["code_version"] == chest_cancer.__version__
    assert len(record["git_commit"]) == 40
    assert record["git_clean"] is True
    assert record["mlflow_run_id"] is None
    assert datetime.now(UTC) - datetime.fromisoformat(record["created"]) < timedelta(minutes=1)


def test_uncommitted_changes_are_told(repository: Path) -> None:
    (repository / "file.txt").write_text("two")

    assert ProvenanceDataset(project_path=str(repository)).load()["git_clean"] is False


def test_a_folder_outside_git_has_no_commit(tmp_path: Path) -> None:
    record = ProvenanceDataset(project_path=str(tmp_path)).load()

    assert record["git_commit"] is None
    assert record["git_clean"] is None


def test_a_machine_without_git_has_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert ProvenanceDataset(project_path=str(repository)).load()["git_commit"] is None


def test_provenance_cannot_be_saved() -> None:
    with pytest.raises(DatasetError, match="can't be saved"):
        ProvenanceDataset().save({})
