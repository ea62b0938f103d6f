"""Statistics of a model in every draw of a bootstrap: two models in the same draws make a paired difference."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.cross_validation import Numbers, Scores, share_of_hits

Weights = NDArray[np.float64]

_DRAWS = 250
"""Draws that are measured at once: a processor keeps what it needs for them near."""


def accuracies(numbers: Numbers, scores: Scores, weights: Weights) -> NDArray[np.float64]:
    """Compute the accuracy of the class with the highest score, as the mean over repeats.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [repeats, n, K].
        weights: How often each image is in each draw, [draws, n] (`GroupBootstrap.weights`).

    Returns:
        The accuracy in each draw, [draws].
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ share_of_hits(numbers, scores) / weights.sum(axis=1))


def balanced_accuracies(numbers: Numbers, hits: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Compute the balanced accuracy: the mean over classes of the share that is right.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        hits: Share of the repeats in which each image is right, [n].
        weights: How often each image is in each draw, [draws, n] (`GroupBootstrap.weights`).

    Returns:
        The balanced accuracy in each draw, [draws]; NaN in a draw that lacks a class.
    """
    classes = (numbers[:, None] == np.unique(numbers)).astype(float)
    with np.errstate(invalid="ignore"):
        return np.asarray(((weights @ (classes * hits[:, None])) / (weights @ classes)).mean(axis=1))


def areas(numbers: Numbers, scores: Scores, weights: Weights) -> NDArray[np.float64]:
    """Compute the area under the ROC curve of two classes, or the mean of each class against the rest.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [repeats, n, K].
        weights: How often each image is in each draw, [draws, n] (`GroupBootstrap.weights`).

    Returns:
        The area in each draw, [draws]; NaN in a draw that lacks a class.
    """
    classes = [1] if scores.shape[2] == 2 else range(scores.shape[2])

    def measure(some: Weights) -> NDArray[np.float64]:
        drawn = np.ascontiguousarray(some.T)
        return np.asarray(np.mean([_area(numbers == k, scores[:, :, k], drawn) for k in classes], axis=0))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(measure, np.array_split(weights, -(-len(weights) // _DRAWS)))))


def in_draws_of_folds(
    statistic: Callable[[Numbers, Scores, Weights], NDArray[np.float64]],
    numbers: Numbers,
    scores: Scores,
    weights: Weights,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Compute a statistic in each draw of images, as the mean over draws of the folds that are drawn again as well.

    It is for a difference between two kinds of folds. What these do by chance is as large as what patients do: without
    it a fourth of the intervals would lie beside 0 where there is no difference.

    Args:
        statistic: `accuracies` or `areas`.
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [repeats, n, K]: a repeat for each draw of the folds.
        weights: How often each image is in each draw, [draws, n]; the first row is the sample itself.
        generator: Draws the folds again; each side of the difference has its own.

    Returns:
        [draws], of which the first is of all images and all folds.
    """
    each = np.stack([statistic(numbers, repeat[None], weights) for repeat in scores])
    chosen = generator.integers(len(each), size=each.shape)
    chosen[:, 0] = np.arange(len(each))
    return np.asarray(np.take_along_axis(each, chosen, axis=0).mean(axis=0))


def _area(positive: NDArray[np.bool_], repeats: NDArray[np.float64], drawn: Weights) -> NDArray[np.float64]:
    """Chance that a positive image scores higher than a negative one, a tie counting half (Mann and Whitney, 1947).

    Args:
        positive: Which images ought to score high, [n].
        repeats: Scores, [repeats, n].
        drawn: How often each image is in each draw, [n, draws].

    Returns:
        The mean over repeats in each draw, [draws].
    """
    positives, negatives = drawn[positive], drawn[~positive]
    wrongly = np.zeros(drawn.shape[1])
    for scores in repeats:
        order = np.argsort(scores[positive], kind="stable")
        below = np.concatenate([np.zeros((1, len(wrongly))), np.cumsum(positives[order], axis=0)])
        # Where each negative image would stand among the positive ones: those before it score lower.
        places = [np.searchsorted(scores[positive][order], scores[~positive], side=side) for side in ("left", "right")]
        wrongly += np.einsum("id,id->d", negatives, below[places[0]] + below[places[1]]) / (2 * len(repeats))
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - wrongly / (positives.sum(axis=0) * negatives.sum(axis=0)))
