"""How far the images of both sites are apart."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.pipelines.external_validation.copies import counted
from chest_cancer.statistics.intervals import unknown_as_none
from chest_cancer.statistics.sampling import sample_groups
from chest_cancer.statistics.shift import distance_of_histograms, tell_apart
from chest_cancer.storage.arrays import Arrays


def measure_shift(
    external_predictions: pd.DataFrame,
    external_looks: Arrays,
    own_answers: pd.DataFrame,
    own_looks: Arrays,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Measure how far the images of both sites are apart.

    Args:
        external_predictions: A row per distinct image; those that are left out do not count.
        external_looks: `embedding` and `grey` of each.
        own_answers: A row per image that the model was made from; empty where these are not here.
        own_looks: Likewise.
        parameters: The block `model_evaluation`.
        seed: Random seed for samples, folds and draws.

    Returns:
        `embedding`, the area under the ROC curve of a classifier that tells the sites apart; `intensity`, the distance
        between their mean histograms, grey levels; `images`, of the model's own ones. Empty where these are not here.
    """
    if own_answers.empty:
        return {}
    there, _ = sample_groups(counted(external_predictions), seed)
    here, _ = sample_groups(own_answers, seed)
    groups = there["group"].to_numpy(dtype=np.int64), here["group"].to_numpy(dtype=np.int64)
    both = {name: (external_looks[name][there.index], own_looks[name][here.index]) for name in ("embedding", "grey")}
    shift = {
        "embedding": tell_apart(*both["embedding"], *groups, parameters.confidence, seed),
        "intensity": distance_of_histograms(
            *both["grey"], *groups, parameters.bootstrap_repetitions, parameters.confidence, seed
        ),
    }
    measured: dict[str, Any] = unknown_as_none(shift | {"images": len(here)})
    return measured
