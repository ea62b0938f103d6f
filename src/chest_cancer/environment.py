"""What a process that runs pipelines must set before it imports its libraries; `settings.py` does this first."""

import atexit
import gc
import importlib
import os
import sys
import warnings
from pathlib import Path
from types import TracebackType

from kedro.io import DatasetError

from chest_cancer.jobs import progress
from chest_cancer.record import tracking
from chest_cancer.storage import atomic
from chest_cancer.storage.project_lock import ProjectHeldError

_PACKAGE = str(Path(__file__).parent)
_EXPLAINED = (ValueError, ConnectionError, ProjectHeldError)
_ALLOCATIONS_BETWEEN_COLLECTIONS = 100_000


def prepare() -> None:
    """Read `.env`, opt out of telemetry, quieten libraries; make writes atomic, progress known and errors plain."""
    # Importing MLflow and TensorFlow makes a million objects that stay: looking through them took a fifth of the time.
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 50, 50)
    # Nor is there anything to find in them when the process ends, where Python looks again for two seconds.
    atexit.register(gc.freeze)
    tracking.prepare_mlflow()
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # When imported it defines a model class that MLflow warns about, past any filter.
    with warnings.catch_warnings(record=True, action="ignore"):
        importlib.import_module("kedro_mlflow.framework.hooks")
    atomic.install()
    if path := os.environ.get(progress.FILE_VARIABLE):
        progress.write_to(Path(path))
    sys.excepthook = explain


def explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Report an error; print one that this package raised on purpose as its message, any other with its traceback."""
    if isinstance(error, Exception):
        progress.report("run_failed", error=f"{kind.__name__}: {error}")
    innermost = traceback
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    deliberate = innermost is not None and innermost.tb_frame.f_code.co_filename.startswith(_PACKAGE)
    if isinstance(error, DatasetError) or (isinstance(error, _EXPLAINED) and deliberate):
        sys.stderr.write(f"\n{kind.__name__}: {error}\n")
    else:
        sys.__excepthook__(kind, error, traceback)
