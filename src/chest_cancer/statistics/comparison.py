"""Statistics of a model in every draw of a bootstrap: two models in the same draws make a paired difference."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.cross_validation import Numbers, Scores, share_of_hits

Weights = NDArray[np.float64]


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
    return np.asarray(
        np.mean([_area(numbers == k, repeat[:, k], weights) for repeat in scores for k in classes], axis=0)
    )


def _area(positive: NDArray[np.bool_], scores: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Chance that a positive image scores higher than a negative one, a tie counting half (Mann and Whitney, 1947)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    drawn = weights[:, order]
    positives = np.add.reduceat(drawn * positive[order], starts, axis=1)
    negatives = np.add.reduceat(drawn * ~positive[order], starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((positives * below).sum(axis=1) / (positives.sum(axis=1) * negatives.sum(axis=1)))
