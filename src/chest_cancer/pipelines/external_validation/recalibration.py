"""What another temperature would give at the other site. The model is not changed."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.parameters.blocks import ExternalValidationParameters, ModelEvaluationParameters
from chest_cancer.pipelines.external_validation.copies import counted
from chest_cancer.statistics.calibration import fit_temperature, logarithms, scale_probabilities
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.statistics.metrics import METRICS

FIGURES = ("ece", "brier", "loss")
_MEANS = {"brier": HeldOut.squared_errors, "loss": HeldOut.losses}
"""Figures that are means over images, and what is averaged."""
FEWEST_GROUPS = 10
"""Patients, or groups, of either part, below which nothing is tried."""


def try_recalibration(
    external_predictions: pd.DataFrame,
    parameters: ExternalValidationParameters,
    evaluation: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Fit a temperature on some patients of the other site as training does, and measure it on the others.

    Args:
        external_predictions: A row per distinct image; those that are left out do not count.
        parameters: The block `external_validation`: share of the patients that it is fitted on.
        evaluation: The block `model_evaluation`.
        seed: Random seed for the draw of patients, and for the bootstrap.

    Returns:
        `temperature` (divisor of the logarithms of the model's probabilities: 1 changes nothing), `fitted_on` and
        `measured_on`, each `images` and `groups`; `before` and `after`, each with `ece`, `brier` and `loss`; and
        `gain`, by how much Brier score and loss fall, paired. Empty where either part has fewer than 10 groups.
    """
    compared = counted(external_predictions)
    groups = compared["group"].unique()
    chosen = np.random.default_rng(seed).permutation(groups)[: round(parameters.recalibration_share * len(groups))]
    if min(len(chosen), len(groups) - len(chosen)) < FEWEST_GROUPS:
        return {}
    columns = [name for name in compared.columns if name.startswith("probability_")]
    classes = [name.removeprefix("probability_") for name in columns]
    is_fitted = compared["group"].isin(chosen)
    fitted, rest = compared[is_fitted], compared[~is_fitted]
    numbers = fitted["label"].map(classes.index).to_numpy(dtype=np.int64)
    temperature = fit_temperature(logarithms(fitted[columns].to_numpy(dtype=np.float64)), numbers)
    scaled = rest.copy()
    scaled[columns] = scale_probabilities(rest[columns].to_numpy(dtype=np.float64), temperature)
    before, after = (HeldOut.of(each, classes, None, None, evaluation, seed) for each in (rest, scaled))
    measures = {metric.name: metric.measure for metric in METRICS if metric.name in FIGURES}
    return {
        "temperature": temperature,
        "fitted_on": _counts(fitted),
        "measured_on": _counts(rest),
        "before": {name: measures[name](before) for name in FIGURES},
        "after": {name: measures[name](after) for name in FIGURES},
        "gain": {name: _gain(before, after, name) for name in _MEANS},
    }


def _counts(images: pd.DataFrame) -> dict[str, int]:
    return {"images": len(images), "groups": int(images["group"].nunique())}


def _gain(before: HeldOut, after: HeldOut, name: str) -> Any:
    """How much a mean over images falls, in the same draws of groups."""
    weights = before.bootstrap.weights
    first, second = (weights @ _MEANS[name](each) / weights.sum(axis=1) for each in (before, after))
    return before.bootstrap.difference(first, second, len(before.numbers))
