"""What workers of a cluster import for a test: work that ends its process once, or fails."""

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.runtime import Outputs, _core


def end_once(marker: Path) -> None:
    """End this process as a lack of memory would, unless it has been done."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Squares:
    """Squares numbers, and says which process did. 3 ends its worker, once; `fails_at` is refused."""

    marker: Path
    fails_at: int | None = None

    def __call__(self, number: int) -> tuple[int, int, int]:
        if number == 3:
            end_once(self.marker)
        if number == self.fails_at:
            raise ValueError(f"Invalid number: {number}")
        return number * number, os.getpid(), _core().get_property("CPU", "INFERENCE_NUM_THREADS")


def end(_: int) -> None:
    """End the worker, whichever it is."""
    os.kill(os.getpid(), signal.SIGKILL)


class EndingClassifier(Classifier):
    """Ends its worker, once, at its third batch."""

    marker: Path

    def stream_batches(self, batches: Iterable[Any]) -> Iterator[list[Prediction]]:
        def counted() -> Iterator[Any]:
            for batch in batches:
                done.append(None)
                if len(done) == 3:
                    end_once(self.marker)
                yield batch

        done = vars(self).setdefault("done", [])
        return super().stream_batches(counted())


def first_pixels(batches: Iterable[Any]) -> Iterator[Outputs]:
    """Stand in for the frozen base."""
    return ({"embedding": batch[:, :4, 0, 0].astype("float32")} for batch in batches)
