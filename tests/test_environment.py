"""What a process is told before its libraries are imported, and how errors look."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.io import DatasetError

from chest_cancer import environment
from chest_cancer.network.runtime import resolve_precision
from chest_cancer.record.tracking import open_run
from conftest import PROJECT


def fail_in_a_dataset() -> None:
    raise DatasetError("no such file")


def fail_by_hand() -> None:
    raise ValueError("mine")


@pytest.fixture
def stderr_of(capsys: pytest.CaptureFixture[str]) -> Callable[[Callable[[], object]], str]:
    def explain(action: Callable[[], object]) -> str:
        try:
            action()
        except Exception:  # whatever it is, the hook that the import installed has to show it
            sys.excepthook(*sys.exc_info())
        return capsys.readouterr().err

    return explain


def test_importing_the_environment_installs_the_hook() -> None:
    assert sys.excepthook is environment._explain


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (fail_in_a_dataset, "DatasetError: no such file"),
        (lambda: resolve_precision("int4"), "ValueError: Invalid value for `precision`: expected auto, bf16 or fp32."),
        (lambda: open_run("a run"), "ConnectionError: The MLflow server at http://127.0.0.1:9 does not answer: "),
    ],
)
def test_a_deliberate_error_is_printed_as_its_message_alone(
    stderr_of: Callable, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object], line: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    printed = stderr_of(action)

    assert "Traceback" not in printed
    assert printed.strip().startswith(line)


@pytest.mark.parametrize(
    "action",
    [lambda: int("x"), fail_by_hand, lambda: 1 / 0, lambda: json.loads("{")],
    ids=["int", "raise", "zero", "json"],
)
def test_any_other_error_keeps_its_traceback(stderr_of: Callable, action: Callable[[], object]) -> None:
    assert "Traceback (most recent call last)" in stderr_of(action)


def test_a_process_reads_the_env_file_opts_out_of_telemetry_and_overrides_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_USERNAME=ada\nMLFLOW_TRACKING_PASSWORD=from_file\n")
    (tmp_path / "below").mkdir()
    names = ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "DO_NOT_TRACK", "TF_CPP_MIN_LOG_LEVEL"]
    clean = {name: value for name, value in os.environ.items() if name not in names}

    result = subprocess.run(
        [sys.executable, "-c", f"import os, chest_cancer.environment; print(*map(os.environ.get, {names}))"],
        cwd=tmp_path / "below",
        env=clean | {"MLFLOW_TRACKING_PASSWORD": "exported", "TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.splitlines()[-1].split() == ["ada", "exported", "true", "0"]
