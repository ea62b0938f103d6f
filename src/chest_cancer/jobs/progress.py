"""Progress of a run, as lines of JSON for other processes: the web app's training page reads them.

Nodes only report; where a report goes is decided once a process, by `environment`. Without it reports go nowhere.
"""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE_VARIABLE = "CHEST_CANCER_PROGRESS"
"""Environment variable with the file that reports are appended to."""

_logger = logging.getLogger("chest_cancer.jobs.progress")
_logger.propagate = False
_logger.setLevel(logging.INFO)
_logger.addHandler(logging.NullHandler())


def report(event: str, **facts: Any) -> None:
    """Report an event.

    Args:
        event: Its name, e.g. `epoch`.
        facts: Details of the event; must fit into JSON.
    """
    _logger.info(event, extra={"facts": facts})


def kept_epoch(losses: Sequence[float], min_delta: float) -> int:
    """Say which epoch's weights a training keeps: the last whose validation loss fell by enough.

    Args:
        losses: Validation loss of each epoch, at least one.
        min_delta: Smallest fall that counts: `model_training.early_stopping.min_delta`.

    Returns:
        The epoch, from 1.
    """
    best, kept = losses[0], 1
    for epoch, loss in enumerate(losses[1:], start=2):
        if loss + min_delta < best:
            best, kept = loss, epoch
    return kept


def write_to(path: Path) -> None:
    """Append all later reports of this process to a file, each as one line of JSON with `time` and `event`."""
    _logger.addHandler(_Lines(path))


class _Lines(logging.Handler):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        line = json.dumps({"time": round(time.time(), 3), "event": record.getMessage()} | record.__dict__["facts"])
        # One write of one line to a file opened for appending: readers see whole lines, in order.
        with self._path.open("ab", buffering=0) as file:
            file.write(line.encode() + b"\n")
