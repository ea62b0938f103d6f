"""What a head can tell from each region of the same images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chest_cancer.audits.regions.blackening import REGIONS
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.cross_validation import Numbers, draw_folds, measure_scores, repeats_for
from chest_cancer.statistics.linear_heads import LinearHeads


def compare_regions(
    embeddings: Mapping[str, NDArray[np.float32]],
    numbers: Numbers,
    groups: Numbers,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> list[dict[str, Any]]:
    """Train and test the linear head on each region, on the same folds, which keep groups whole.

    Args:
        embeddings: Of the same images, [n, 1024] for each region; `whole` is one of them.
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n].
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds and draws.

    Returns:
        For each region its `name`, `title`, `accuracy` and `roc_auc` out of fold, and `less`, by how much its area is
        below that of whole images, paired over groups.
    """
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    draws = draw_folds(numbers, groups, seed, repeats_for(len(numbers)))
    scores = {name: LinearHeads(embedded, numbers).predict_out_of_fold(draws) for name, embedded in embeddings.items()}
    drawn = {name: areas(numbers, each, bootstrap.weights) for name, each in scores.items()}
    return [
        {
            "name": name,
            "title": REGIONS[name],
            **measure_scores(numbers, each, groups, parameters.confidence),
            "less": bootstrap.difference(drawn["whole"], drawn[name], len(numbers)),
        }
        for name, each in scores.items()
    ]
