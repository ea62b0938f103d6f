"""deploy/fetch_model.py where it can't: each refusal comes within seconds, and says what to do."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT


@pytest.fixture
def nobody() -> str:
    """The address of a server that does not run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("server", "uri", "reason"),
    [
        (True, "models:/VGG16Model@champion", "does not answer: "),
        (False, "models:/VGG16Model@champion", "has no models:/VGG16Model@champion. The first run"),
        (False, "models:/VGG16Model/3", "has no models:/VGG16Model/3. The first run"),
        (False, "VGG16Model", "Expected models:/<name>/<version>, or models:/<name>@<alias>. Received: VGG16Model"),
    ],
)
def test_what_can_not_be_fetched_is_said_with_the_cure(
    tmp_path: Path, nobody: str, server: bool, uri: str, reason: str
) -> None:
    command = [sys.executable, PROJECT / "deploy/fetch_model.py", uri, "--folder", "fetched"]
    store = nobody if server else f"sqlite:///{tmp_path}/mlflow.db"
    settings = {"MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(PROJECT / "src")}

    done = subprocess.run(command, cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("fetch_model: ")
    assert reason in done.stderr
    assert not (tmp_path / "fetched").exists()
