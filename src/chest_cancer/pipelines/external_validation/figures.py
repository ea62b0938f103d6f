"""Figures at the other site beside those of the model's own test images."""

from typing import Any

import pandas as pd

from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.pipelines.external_validation.copies import counted
from chest_cancer.record.trained_models import TrainedModel
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.statistics.intervals import difference_of, unknown_as_none
from chest_cancer.statistics.metrics import measure
from chest_cancer.storage.figures import figures_in


def compare_figures(
    external_predictions: pd.DataFrame, model: TrainedModel, parameters: ModelEvaluationParameters, seed: int
) -> dict[str, Any]:
    """Measure the model at the other site, beside what was measured where it was made.

    Args:
        external_predictions: A row per distinct image; those that are left out do not count.
        model: Has the operating threshold, and the figures of its test images.
        parameters: The block `model_evaluation`.
        seed: Random seed for the bootstrap.

    Returns:
        By name of the figure: `external`, `internal` and `difference`, external less internal; None where unknown.
    """
    compared = counted(external_predictions)
    figures = measure(HeldOut.served(compared, model.classifier.manifest, parameters, seed))
    internal = figures_in(model.metrics)
    return {
        name: {
            "external": unknown_as_none(dict(figure)),
            "internal": internal.get(name),
            "difference": difference_of(figure, internal[name]) if name in internal else None,
        }
        for name, figure in figures.items()
    }
