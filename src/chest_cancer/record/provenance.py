"""Where the results of a run come from: its commit and its MLflow run."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chest_cancer

SERVER_RUN_TAG = "server_run_id"
"""Tag of a run that is recorded here first: its id on the tracking server."""

_GIT_SECONDS = 10


def read_provenance(project: Path) -> dict[str, Any]:
    """Collect what is known of a run that starts now.

    Args:
        project: A folder in the git repository.

    Returns:
        `created`, ISO 8601 in UTC; `code_version`; `git_commit`, and `git_clean`, whether nothing is uncommitted, both
        None outside git; `mlflow_run_id`, None where no run is open.
    """
    commit = _git(project, "rev-parse", "HEAD")
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": chest_cancer.__version__,
        "git_commit": commit,
        "git_clean": None if commit is None else not _git(project, "status", "--porcelain"),
        "mlflow_run_id": _active_mlflow_run(),
    }


def _git(project: Path, *arguments: str) -> str | None:
    """Output of a git command; None where git is not installed, fails or does not end."""
    try:
        command = ["git", "-C", str(project), *arguments]
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _active_mlflow_run() -> str | None:
    """The id of the active run, on the server where there is one; without importing MLflow where nothing else did."""
    mlflow = sys.modules.get("mlflow")
    run = mlflow.active_run() if mlflow else None
    return run.data.tags.get(SERVER_RUN_TAG, run.info.run_id) if run else None
