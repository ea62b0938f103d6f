"""What a process that runs pipelines must set before it imports its libraries; `settings.py` does this first."""

import atexit
import gc
import importlib
import os
import sys
import warnings
from pathlib import Path
from types import TracebackType

import kedro
from kedro.config import MissingConfigException
from kedro.io import DatasetError
from yaml import YAMLError  # type: ignore[import-untyped]  # it ships no types

from chest_cancer.jobs import progress
from chest_cancer.network import tensorflow_noise
from chest_cancer.record import tracking
from chest_cancer.storage import atomic
from chest_cancer.storage.project_lock import ProjectHeldError

_PACKAGE = str(Path(__file__).parent)
_KEDRO = f"{Path(kedro.__file__).parent}{os.sep}"  # not kedro_mlflow and the like
_EXPLAINED = (ValueError, OSError, ProjectHeldError)
# What Kedro says of names and files that a user gave.
_EXPLAINED_BY_KEDRO = (ValueError, MissingConfigException, YAMLError)
_ALLOCATIONS_BETWEEN_COLLECTIONS = 100_000


def prepare() -> None:
    """Read `.env`, opt out of telemetry, quieten libraries; make writes atomic, progress known and errors plain."""
    sys.excepthook = explain
    # Importing MLflow and TensorFlow makes a million objects that stay: looking through them took a fifth of the time.
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 50, 50)
    # Nor is there anything to find in them when the process ends, where Python looks again for two seconds.
    atexit.register(gc.freeze)
    tracking.prepare_mlflow()
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tensorflow_noise.leave_out()
    # A GPU: TensorFlow leaves ONNX Runtime some of its memory, and fp32 is fp32, not a shorter format (TF32).
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    # When imported it defines a model class that MLflow warns about, past any filter.
    with warnings.catch_warnings(record=True, action="ignore"):
        importlib.import_module("kedro_mlflow.framework.hooks")
    atomic.install()
    if path := os.environ.get(progress.FILE_VARIABLE):
        progress.write_to(Path(path))


def explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Report an error; print one that a user can mend as its message alone, any other with its traceback."""
    if isinstance(error, Exception):
        progress.report("run_failed", error=f"{kind.__name__}: {error}")
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("chest_cancer"):
        sys.stderr.write(f"\n{error}. `make run` installs what training needs: the extra `train`.\n")
    elif _is_explained(error, traceback):
        sys.stderr.write(f"\n{kind.__name__}: {error}\n")
    else:
        sys.__excepthook__(kind, error, traceback)


def _is_explained(error: BaseException | None, traceback: TracebackType | None) -> bool:
    """Whether the message says all that there is to know: raised on purpose, here or by Kedro."""
    if error is None or traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = traceback.tb_frame.f_code.co_filename
    if isinstance(error, DatasetError) and place.startswith(_KEDRO):
        cause = error.__cause__  # before which Kedro has put the dataset's name
        return cause is None or isinstance(cause, OSError) or _is_explained(cause, cause.__traceback__)
    explained = _EXPLAINED_BY_KEDRO if place.startswith(_KEDRO) else _EXPLAINED
    return isinstance(error, DatasetError) or (isinstance(error, explained) and place.startswith((_PACKAGE, _KEDRO)))
