"""One model on three kinds of folds: random, of near-duplicates, and of patients."""

from typing import Any

import numpy as np

from chest_cancer.audits.sample import Sample
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import accuracies, areas, in_draws_of_folds
from chest_cancer.statistics.cross_validation import (
    draw_folds,
    measure_scores,
    repeats_for,
)

KINDS = ("random", "near-duplicates", "patients")
"""What folds keep together, the least first."""


def compare_folds(sample: Sample, parameters: ModelEvaluationParameters, seed: int) -> dict[str, Any] | None:
    """Score one model in 5 folds, five times, that keep nothing, near-duplicates or patients together.

    Each distinct image counts once. All intervals are over patients: slices of one patient are no independent draws,
    whatever the folds pretend. Those of differences cover the draw of the folds as well.

    Args:
        sample: The images, whose groups are patients joined with near-duplicates, and `near_duplicates` alone.
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds and draws.

    Returns:
        `folds`, by kind, each with `accuracy`, `roc_auc` and `groups`; and `optimism`, by kind, of random folds and
        those of near-duplicates: `accuracy` and `roc_auc` less those of folds of patients, paired over patients. None
        where a class has a single patient.
    """
    if sample.cross_validated is None:
        return None
    numbers, groups = sample.numbers, sample.groups
    near = sample.images["near_duplicates"].to_numpy(dtype=np.int64)
    kept = dict(zip(KINDS, (np.arange(len(groups)), near, groups), strict=True))
    repeats = repeats_for(len(numbers))
    draws = [draw for kind in KINDS[:-1] for draw in draw_folds(numbers, kept[kind], seed, repeats)]
    of_others = sample.head.predict_out_of_fold(draws).reshape(len(KINDS) - 1, repeats, len(numbers), -1)
    scores = dict(zip(KINDS, (*of_others, sample.cross_validated.scores), strict=True))
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
            measured[name] = bootstrap.difference(drawn[kind], drawn["patients"], len(numbers))
    folds = {
        kind: measure_scores(numbers, scores[kind], groups, parameters.confidence)
        | {"groups": len(np.unique(together))}
        for kind, together in kept.items()
    }
    return {"folds": folds, "optimism": optimism}
