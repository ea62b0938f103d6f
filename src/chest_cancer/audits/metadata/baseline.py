"""What sees metadata alone, beside the model that sees pictures."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.audits.sample import Sample
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.cross_validation import measure_scores
from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.linear_heads import LinearHeads


def score_metadata(
    stated: pd.DataFrame, sample: Sample, parameters: ModelEvaluationParameters, seed: int
) -> dict[str, Any] | None:
    """Score a linear head that sees the groups of metadata, and one that sees pictures, on the same folds.

    Args:
        stated: Columns of groups, n rows.
        sample: These images.
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for draws.

    Returns:
        `metadata` and `model`, each with `accuracy` and `roc_auc`; `model_adds`, the area of the model less that of
        metadata, paired over groups; and `most_frequent`, the accuracy of always answering the most frequent class.
        None where a class has a single group.
    """
    if sample.cross_validated is None:
        return None
    numbers, groups, confidence = sample.numbers, sample.groups, parameters.confidence
    columns = pd.get_dummies(stated).to_numpy(dtype=np.float32)
    scores = {
        "metadata": LinearHeads(columns, numbers).predict_out_of_fold(sample.cross_validated.draws),
        "model": sample.cross_validated.scores,
    }
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, confidence, seed)
    drawn = {name: areas(numbers, each, bootstrap.weights) for name, each in scores.items()}
    return {
        **{name: measure_scores(numbers, each, groups, confidence) for name, each in scores.items()},
        "model_adds": bootstrap.difference(drawn["model"], drawn["metadata"], len(numbers)),
        "most_frequent": share(numbers == np.bincount(numbers).argmax(), groups, confidence),
    }
