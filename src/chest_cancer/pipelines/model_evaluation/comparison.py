"""Scores of two models on the same images, side by side, and their paired difference."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from chest_cancer.pipelines.model_evaluation.cross_validation import FOLDS, out_of_fold
from chest_cancer.pipelines.model_evaluation.intervals import Figure, share
from chest_cancer.pipelines.model_evaluation.roc import area_of_classes, area_under_roc, placements

Weights = NDArray[np.float64]
Scores = NDArray[np.float64]
Numbers = NDArray[np.int64]

CONFIDENCE = 0.95
_REPETITIONS = 1000


def fewest_groups(numbers: Numbers, groups: Numbers) -> int:
    """Count the groups of the class that has the fewest."""
    return min(len(np.unique(groups[numbers == k])) for k in range(int(numbers.max()) + 1))


def repeat_out_of_fold(
    model: BaseEstimator, features: NDArray[np.floating], numbers: Numbers, groups: Numbers, seed: int, repeats: int
) -> Scores:
    """Predict every image by models that saw no image of its group, once for each of several draws of the folds.

    There are five folds, or as many as the class with the fewest groups has groups.

    Args:
        model: A scikit-learn classifier.
        features: [n, D].
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n].
        seed: Of the folds of the first repeat; each later one has the next.
        repeats: Number of repeats.

    Returns:
        [repeats, n, K].
    """
    folds = min(FOLDS, fewest_groups(numbers, groups))
    return np.stack([out_of_fold(model, features, numbers, groups, seed + repeat, folds) for repeat in range(repeats)])


def measure_scores(numbers: Numbers, scores: Scores, groups: Numbers) -> dict[str, Figure]:
    """Measure accuracy and area under the ROC curve, as the mean over repeats.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [repeats, n, K].
        groups: Group of each image, [n].

    Returns:
        `accuracy` of the highest score; `roc_auc` of two classes, or the mean of each class against the rest.
    """
    placed = np.stack(
        [
            np.mean([placements(numbers == k, repeat[:, k]) for repeat in scores], axis=0)
            for k in range(scores.shape[2])
        ],
        axis=1,
    )
    if scores.shape[2] == 2:
        area = area_under_roc(numbers == 1, placed[:, 1], groups, CONFIDENCE)
    else:
        area, _ = area_of_classes(numbers, placed, groups, CONFIDENCE)
    return {"accuracy": share(_hits(numbers, scores), groups, CONFIDENCE), "roc_auc": area}


def draw_weights(groups: Numbers, seed: int) -> Weights:
    """Draw as many groups as there are, with replacement (Field and Welsh, 2007, Bootstrapping clustered data).

    Args:
        groups: Group of each image, [n].
        seed: Of the draws.

    Returns:
        How often each image was drawn, [1 + repetitions, n]; the first row is the sample itself, all ones.
    """
    members = np.unique(groups, return_inverse=True)[1]
    count = int(members.max()) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_REPETITIONS)
    return np.concatenate([np.ones((1, count)), draws])[:, members]


def accuracies(numbers: Numbers, scores: Scores, weights: Weights) -> NDArray[np.float64]:
    """Accuracy in each draw, [draws]; arguments as in `measure_scores`, weights [draws, n]."""
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ _hits(numbers, scores) / weights.sum(axis=1))


def areas(numbers: Numbers, scores: Scores, weights: Weights) -> NDArray[np.float64]:
    """Area under the ROC curve in each draw, [draws], NaN in one that lacks a class; arguments as above."""
    classes = [1] if scores.shape[2] == 2 else range(scores.shape[2])
    return np.asarray(
        np.mean([_area(numbers == k, repeat[:, k], weights) for repeat in scores for k in classes], axis=0)
    )


def difference(first: NDArray[np.float64], second: NDArray[np.float64], images: int) -> Figure:
    """Subtract a statistic from another one that was computed in the same draws.

    Args:
        first: In the sample itself, then in each draw.
        second: The same, of what is subtracted.
        images: Number of images that the figure rests on.

    Returns:
        The difference, with the percentiles of the draws as its interval.
    """
    differences = first - second
    low, high = np.nanquantile(differences[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"value": float(differences[0]), "low": float(low), "high": float(high), "n": images}


def in_words(figure: Figure, digits: int = 2) -> str:
    """Write a figure as `0.95 [0.92, 0.97]`."""
    value, low, high = (
        f"{round(end, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
        for end in (figure["value"], figure["low"], figure["high"])
    )
    return f"{value} [{low}, {high}]"


def _hits(numbers: Numbers, scores: Scores) -> NDArray[np.float64]:
    """Share of the repeats in which each image is right, [n]."""
    return np.asarray((scores.argmax(axis=2) == numbers).mean(axis=0))


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
