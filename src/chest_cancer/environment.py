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

from chest_cancer.record import tracking
from chest_cancer.storage import atomic

_PACKAGE = str(Path(__file__).parent)
_ALLOCATIONS_BETWEEN_COLLECTIONS = 100_000


def prepare() -> None:
    """Read `.env`, opt out of telemetry, quieten libraries, make writes atomic and error messages plain."""
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
    sys.excepthook = explain


def explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an error that this package raised on purpose as its message alone, any other with its traceback."""
    innermost = traceback
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    deliberate = innermost is not None and innermost.tb_frame.f_code.co_filename.startswith(_PACKAGE)
    if isinstance(error, DatasetError) or (isinstance(error, (ValueError, ConnectionError)) and deliberate):
        sys.stderr.write(f"\n{kind.__name__}: {error}\n")
    else:
        sys.__excepthook__(kind, error, traceback)
