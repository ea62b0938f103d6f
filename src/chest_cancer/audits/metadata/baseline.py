"""What sees metadata alone, beside the model that sees pictures."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.network.features import class_names, embeddings_of
from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.cross_validation import (
    FEWEST_GROUPS,
    REPEATS,
    draw_folds,
    fewest_groups,
    measure_scores,
    predict_out_of_fold,
)
from chest_cancer.statistics.intervals import share
from chest_cancer.storage.arrays import Arrays


def score_metadata(
    stated: pd.DataFrame,
    rows: pd.DataFrame,
    features: Arrays,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any] | None:
    """Score a linear head that sees the groups of metadata, and one that sees pictures, on the same folds.

    Args:
        stated: Columns of groups, n rows.
        rows: A row for each of these images: `label`, `pixel_sha256` and `group`.
        features: `pixel_sha256` [m] and `embedding` [m, 1024].
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds and draws.

    Returns:
        `metadata` and `model`, each with `accuracy` and `roc_auc`; `model_adds`, the area of the model less that of
        metadata, paired over groups; and `most_frequent`, the accuracy of always answering the most frequent class.
        None where a class has a single group.
    """
    names, groups = class_names(rows), rows["group"].to_numpy(dtype=np.int64)
    numbers = rows["label"].map(names.index).to_numpy(dtype=np.int64)
    if fewest_groups(numbers, groups) < FEWEST_GROUPS:
        return None
    draws = draw_folds(numbers, groups, seed, REPEATS)
    seen = {
        "metadata": pd.get_dummies(stated).to_numpy(dtype=np.float32),
        "model": embeddings_of(rows, features),
    }
    scores = {name: predict_out_of_fold(quick_linear_head(), each, numbers, draws) for name, each in seen.items()}
    confidence = parameters.confidence
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, confidence, seed)
    drawn = {name: areas(numbers, each, bootstrap.weights) for name, each in scores.items()}
    return {
        **{name: measure_scores(numbers, each, groups, confidence) for name, each in scores.items()},
        "model_adds": bootstrap.difference(drawn["model"], drawn["metadata"], len(rows)),
        "most_frequent": share(numbers == np.bincount(numbers).argmax(), groups, confidence),
    }
