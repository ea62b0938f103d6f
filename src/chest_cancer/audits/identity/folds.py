"""One model on three kinds of folds: random, of near-duplicates, and of patients."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.network.features import class_names, embeddings_of
from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import accuracies, areas, in_draws_of_folds
from chest_cancer.statistics.cross_validation import (
    FEWEST_GROUPS,
    REPEATS,
    draw_folds,
    fewest_groups,
    measure_scores,
    predict_out_of_fold,
)
from chest_cancer.storage.arrays import Arrays

KINDS = ("random", "near-duplicates", "patients")
"""What folds keep together, the least first."""


def compare_folds(
    rows: pd.DataFrame, features: Arrays, parameters: ModelEvaluationParameters, seed: int
) -> dict[str, Any] | None:
    """Score one model in 5 folds, five times, that keep nothing, near-duplicates or patients together.

    Each distinct image counts once. All intervals are over patients: slices of one patient are no independent draws,
    whatever the folds pretend. Those of differences cover the draw of the folds as well.

    Args:
        rows: A row per distinct image: `label`, `pixel_sha256`, `group` (patients joined with near-duplicates) and
            `near_duplicates`.
        features: `pixel_sha256` [m] and `embedding` [m, 1024].
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds and draws.

    Returns:
        `folds`, by kind, each with `accuracy`, `roc_auc` and `groups`; and `optimism`, by kind, of random folds and
        those of near-duplicates: `accuracy` and `roc_auc` less those of folds of patients, paired over patients. None
        where a class has a single patient.
    """
    names, groups = class_names(rows), rows["group"].to_numpy(dtype=np.int64)
    numbers = rows["label"].map(names.index).to_numpy(dtype=np.int64)
    if fewest_groups(numbers, groups) < FEWEST_GROUPS:
        return None
    kept = dict(
        zip(KINDS, (np.arange(len(rows)), rows["near_duplicates"].to_numpy(dtype=np.int64), groups), strict=True)
    )
    seen, model = embeddings_of(rows, features), quick_linear_head()
    scores = {
        kind: predict_out_of_fold(model, seen, numbers, draw_folds(numbers, together, seed, REPEATS))
        for kind, together in kept.items()
    }
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    optimism: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS[:-1]}
    for name, statistic in (("accuracy", accuracies), ("roc_auc", areas)):
        drawn = {
            kind: in_draws_of_folds(
                statistic, numbers, scores[kind], bootstrap.weights, np.random.default_rng([seed, place])
            )
            for place, kind in enumerate(KINDS)
        }
        for kind, measured in optimism.items():
            measured[name] = bootstrap.difference(drawn[kind], drawn["patients"], len(rows))
    folds = {
        kind: measure_scores(numbers, scores[kind], groups, parameters.confidence)
        | {"groups": len(np.unique(together))}
        for kind, together in kept.items()
    }
    return {"folds": folds, "optimism": optimism}
