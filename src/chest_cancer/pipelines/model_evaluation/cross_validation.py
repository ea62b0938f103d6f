"""Grouped cross-validation on stored embeddings."""

import os

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from chest_cancer.pipelines.model_evaluation.intervals import Figure, share
from chest_cancer.pipelines.model_evaluation.roc import area_of_classes, area_under_roc, placements

Scores = NDArray[np.float64]
Numbers = NDArray[np.int64]

FOLDS = 5
REPEATS = 5
"""Draws of the folds that a score is the mean of: one alone moves the accuracy of 249 slices by 0.02."""


def out_of_fold(
    model: BaseEstimator,
    features: NDArray[np.floating],
    numbers: Numbers,
    groups: Numbers,
    seed: int,
    folds: int = FOLDS,
) -> NDArray[np.float64]:
    """Predict every image by a model that saw no image of its group.

    Args:
        model: A scikit-learn classifier with `predict_proba`; refitted in each fold.
        features: [n, D].
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n]; all different for a random split.
        seed: Of the folds.
        folds: Number of folds.

    Returns:
        Probabilities [n, K]; 0 for a class that a fold's training images lack.
    """
    probabilities = np.zeros((len(numbers), int(numbers.max()) + 1))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)

    def predict(fold: tuple[Numbers, Numbers]) -> None:
        train, test = fold
        fitted = clone(model).fit(features[train], numbers[train])
        probabilities[np.ix_(test, fitted.classes_)] = fitted.predict_proba(features[test])

    # A thread a fold, not a thread a matrix: these are so small that threads would mostly wait for each other.
    with threadpool_limits(1, user_api="blas"):
        Parallel(os.cpu_count(), prefer="threads")(
            delayed(predict)(fold) for fold in splitter.split(features, numbers, groups)
        )
    return probabilities


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


def measure_scores(numbers: Numbers, scores: Scores, groups: Numbers, confidence: float) -> dict[str, Figure]:
    """Measure accuracy and area under the ROC curve, as the mean over repeats.

    Repeats say how much the choice of folds matters; they bring no new images. So each image first has its mean over
    the repeats (of being right; of its placement), and the interval is that of a test set of as many images in as many
    groups (LeDell, Petersen and van der Laan, 2015, Computationally efficient confidence intervals for cross-validated
    AUC estimates): the spread of the 25 fold scores over root 25 would be far too narrow. What another training set
    would change is not in it: no estimate of that without bias exists (Bengio and Grandvalet, 2004).

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [repeats, n, K].
        groups: Group of each image, [n].
        confidence: Of the intervals, 0..1.

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
        area = area_under_roc(numbers == 1, placed[:, 1], groups, confidence)
    else:
        area, _ = area_of_classes(numbers, placed, groups, confidence)
    return {"accuracy": share(share_of_hits(numbers, scores), groups, confidence), "roc_auc": area}


def share_of_hits(numbers: Numbers, scores: Scores) -> NDArray[np.float64]:
    """Share of the repeats in which each image is right, [n]; arguments as in `measure_scores`."""
    return np.asarray((scores.argmax(axis=2) == numbers).mean(axis=0))
