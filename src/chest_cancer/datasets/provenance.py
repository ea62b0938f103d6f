"""Where a run comes from: its commit and its MLflow run."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

import chest_cancer

SERVER_RUN_TAG = "server_run_id"
"""Tag of a run that is recorded here first: its id on the tracking server."""


class ProvenanceDataset(AbstractDataset[NoReturn, dict[str, Any]]):
    """Version, git commit, MLflow run and time of the run that loads it. It can't be saved."""

    def __init__(self, *, project_path: str = ".", metadata: dict[str, Any] | None = None) -> None:
        self._project_path = Path(project_path)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        commit = self._git("rev-parse", "HEAD")
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_version": chest_cancer.__version__,
            "git_commit": commit,
            "git_clean": None if commit is None else not self._git("status", "--porcelain"),
            "mlflow_run_id": _active_mlflow_run(),
        }

    def save(self, data: NoReturn) -> None:
        raise DatasetError("Provenance is read from the environment of the run and can't be saved.")

    def _git(self, *arguments: str) -> str | None:
        try:
            command = ["git", "-C", str(self._project_path), *arguments]
            return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None

    def _describe(self) -> dict[str, Any]:
        return {"project_path": self._project_path}


def _active_mlflow_run() -> str | None:
    """The id of the active run, on the server where there is one; without importing MLflow where nothing else did."""
    mlflow = sys.modules.get("mlflow")
    run = mlflow.active_run() if mlflow else None
    return run.data.tags.get(SERVER_RUN_TAG, run.info.run_id) if run else None
