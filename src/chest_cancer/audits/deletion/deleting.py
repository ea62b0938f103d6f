"""What a score loses without the near-duplicates of tested images, beside what other deletions of that size cost."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import balanced_accuracies
from chest_cancer.statistics.cross_validation import Folds, Numbers, draw_folds, repeats_for
from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.least_squares import ForgetfulHead
from chest_cancer.storage.figures import Figure

_REPEATS = 3
"""Draws of the folds; a single one where there are many images, whose mean is surer by itself."""
_RANDOM_DELETIONS = 3
"""Of each kind, in each fold: their mean is what the deletion of near-duplicates is compared with."""
_NOBODY: Numbers = np.empty(0, dtype=np.int64)

Mask = NDArray[np.bool_]
Hits = dict[str, NDArray[np.float64]]
Trial = tuple[Numbers, Numbers, Numbers]
"""Of a fold the training images and the tested ones, and those of another fold, which nobody is tested on."""


def measure_deletions(
    head: ForgetfulHead,
    numbers: Numbers,
    groups: Numbers,
    near: Mask,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any] | None:
    """Delete from training what is near to a tested image, and otherwise chosen images for comparison.

    Folds are random, as those of projects that know of no near-duplicates, and the tested images are the same whatever
    is deleted. Deletions that are compared are of the same size.

    Args:
        head: Knows all images.
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n], for the intervals.
        near: Which images are near to which, [n, n]; an image is not near to itself.
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds, deletions and draws.

    Returns:
        `deleted`, the mean number of images that are taken out of a fold's training images, and `trained`, how many
        these are; `with_near`, the share of tested images with a near-duplicate there, 0..1; `balanced_accuracy` with
        `everything` and without the `near` ones, those at `random` and `same_classes`, at random among the same
        classes; `beyond_random` and `beyond_same_classes`, what the near ones cost more, paired over groups; and
        `typical`, what it costs more than a random deletion within the same classes to delete, from the training images
        of another half of the test, the near-duplicates of images that nobody is tested on. None where nothing is near.
    """
    if not near.any():
        return None
    draws = draw_folds(numbers, np.arange(len(numbers)), seed, repeats_for(len(numbers), _REPEATS))
    folds = [fold for draw in draws for fold in _with_others(draw)]
    deleted = [np.count_nonzero(near[np.ix_(train, test)].any(axis=1)) for train, test, _ in folds]
    with_near = np.zeros(len(numbers))
    for train, test, _ in folds:
        with_near[test] += near[np.ix_(train, test)].any(axis=0) / len(draws)
    hits = _test(head, numbers, near, folds, np.random.default_rng(seed))

    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    weights = bootstrap.weights
    scored = {name: balanced_accuracies(numbers, right / len(draws), weights) for name, right in hits.items()}

    def less(first: str, second: str) -> Figure:
        return bootstrap.difference(scored[first], scored[second], len(numbers))

    return {
        "deleted": float(np.mean(deleted)),
        "trained": float(np.mean([len(train) for train, _, _ in folds])),
        "with_near": share(with_near, groups, parameters.confidence),
        "balanced_accuracy": {
            name: bootstrap.difference(scored[name], np.zeros(len(weights)), len(numbers))
            for name in ("everything", "near", "random", "same_classes")
        },
        "beyond_random": less("random", "near"),
        "beyond_same_classes": less("same_classes", "near"),
        "typical": less("typical_random", "typical"),
    }


def _with_others(folds: Folds) -> list[Trial]:
    return [(train, test, folds[(place + 1) % len(folds)][1]) for place, (train, test) in enumerate(folds)]


def _test(
    head: ForgetfulHead, numbers: Numbers, near: Mask, folds: list[Trial], generator: np.random.Generator
) -> Hits:
    """How often each image is right after each kind of deletion, [n], summed over the draws of folds."""
    hits: Hits = {}
    # Matrices are so small that threads of one solution would mostly wait for each other: each has its own.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for train, test, others in folds:
            chosen = _choose(numbers, near, train, test, others, generator)
            deletions = [(name, gone) for name, several in chosen.items() for gone in several]
            said = pool.map(lambda deletion, asked=test: head.score(asked, deletion[1]).argmax(axis=1), deletions)
            for (name, _), classes in zip(deletions, said, strict=True):
                right = (classes == numbers[test]) / len(chosen[name])
                hits.setdefault(name, np.zeros(len(numbers)))[test] += right
    return hits


def _choose(
    numbers: Numbers, near: Mask, train: Numbers, test: Numbers, others: Numbers, generator: np.random.Generator
) -> dict[str, list[Numbers]]:
    """Choose what is deleted from the training images of a fold, in each way, once or several times."""
    gone = train[near[np.ix_(train, test)].any(axis=1)]
    rest = np.setdiff1d(train, others)
    typical = rest[near[np.ix_(rest, others)].any(axis=1) & ~near[np.ix_(rest, test)].any(axis=1)]
    turns = range(_RANDOM_DELETIONS)
    return {
        "everything": [_NOBODY],
        "near": [gone],
        "random": [generator.choice(train, len(gone), replace=False) for _ in turns],
        "same_classes": [_like(gone, train, numbers, generator) for _ in turns],
        "typical": [np.concatenate([others, typical])],
        "typical_random": [np.concatenate([others, _like(typical, rest, numbers, generator)]) for _ in turns],
    }


def _like(gone: Numbers, train: Numbers, numbers: Numbers, generator: np.random.Generator) -> Numbers:
    """As many training images of each class, at random."""
    chosen = [
        generator.choice(train[numbers[train] == k], count, replace=False)
        for k, count in enumerate(np.bincount(numbers[gone]))
    ]
    return np.concatenate([_NOBODY, *chosen])
