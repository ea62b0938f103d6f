"""The figures of a table of predictions."""

from typing import Any

from chest_cancer.statistics import metrics
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.storage.figures import Figure


def measure(*arguments: Any, **others: Any) -> dict[str, Figure]:
    """Measure predictions with every metric; arguments as in `HeldOut.of`."""
    return metrics.measure(HeldOut.of(*arguments, **others))
