"""Where nothing can be written, as in a container without volumes: said before any work, and not after minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_OPEN = """
from chest_cancer.record.hook import TrackingHook
TrackingHook().after_context_created(type("Context", (), {"project_path": "."}))
"""
_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$1" && shift && exec "$@"'


def _open_record(project: Path, read_only: Path) -> subprocess.CompletedProcess[str]:
    """Open the record in a process that can't write to a folder; root needs another disk for that."""
    command = [sys.executable, "-c", _OPEN]
    if os.geteuid() == 0:
        command = ["unshare", "--mount", "sh", "-c", _READ_ONLY, str(read_only), str(project), *command]
    else:
        read_only.chmod(0o555)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    try:
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    finally:
        read_only.chmod(0o755)


@pytest.mark.parametrize(("where", "what"), [("data", "images, models and reports"), ("", "records of runs")])
def test_a_run_where_nothing_can_be_written_is_refused_with_the_cure(tmp_path: Path, where: str, what: str) -> None:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.kedro]\n")
    if not where:  # as a volume, on a root that is read-only
        (project / "data").rmdir()
        (tmp_path / "volume").mkdir()
        (project / "data").symlink_to(tmp_path / "volume")

    refused = _open_record(project, project / where)

    user = f"{os.getuid()}:{os.getgid()}"
    said = " ".join(refused.stderr.split())
    assert refused.returncode != 0
    assert "PermissionError: " in said
    assert f"{where or 'project'} can't be written by this user, {user}: {what} lie there." in said
    assert f"`chown -R {user}`" in said
