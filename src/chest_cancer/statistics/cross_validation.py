"""Grouped cross-validation on stored embeddings."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.roc import area_of_classes, area_under_roc, placements
from chest_cancer.storage.figures import Figure

Scores = NDArray[np.float64]
Numbers = NDArray[np.int64]
Folds = list[tuple[Numbers, Numbers]]

FOLDS = 5
FEWEST_GROUPS = 2
"""Of a class, below which nothing can be compared: one side of each fold would lack it."""
REPEATS = 5
"""Draws of the folds that a score is the mean of: one alone moves the accuracy of 249 slices by 0.02."""
MANY_IMAGES = 500
"""Above which audits take fewer draws and trees: each image counts for less, so a mean moves no more."""


def draw_folds(numbers: Numbers, groups: Numbers, seed: int, repeats: int) -> list[Folds]:
    """Draw stratified folds that keep each group whole, several times.

    There are five folds, or as many as the class with the fewest groups has groups.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n]; all different for random folds.
        seed: Random seed for the first draw; each later draw has the next number.
        repeats: Number of draws.

    Returns:
        For each draw a list of folds: the positions to train on, and those to predict.
    """
    count, draws = min(FOLDS, fewest_groups(numbers, groups)), range(seed, seed + repeats)
    if len(np.unique(groups)) < len(groups):
        return [_deal_groups(numbers, groups, count, draw) for draw in draws]
    return [list(StratifiedKFold(count, shuffle=True, random_state=draw).split(numbers, numbers)) for draw in draws]


def _deal_groups(numbers: Numbers, groups: Numbers, count: int, seed: int) -> Folds:
    """Deal the folds of scikit-learn's `StratifiedGroupKFold`, which takes ten times as long."""
    members = np.unique(groups, return_inverse=True)[1]
    held = np.zeros((int(members.max()) + 1, int(numbers.max()) + 1))
    np.add.at(held, (members, numbers), 1)
    shuffled = check_random_state(seed).permutation(len(held))
    # Groups that hold most of one class first; where classes stay as even, the fold with the fewest images.
    order = shuffled[np.argsort(-held[shuffled].std(axis=1), kind="stable")]
    fold_of, filled, whole = np.empty(len(held), dtype=np.int64), np.zeros((count, held.shape[1])), held.sum(axis=0)
    tried = np.eye(count)[:, :, None]
    for group in order:
        shares = (filled + tried * held[group]) / whole
        shares -= shares.sum(axis=1, keepdims=True) / count
        # `std` and `mean` take three times as long for so few numbers.
        unevenness = (np.sqrt((shares * shares).sum(axis=1) / count).sum(axis=1) / shares.shape[2]).tolist()
        chosen, sizes = 0, filled.sum(axis=1).tolist()
        for fold in range(1, count):
            least = unevenness[chosen]
            as_even = abs(unevenness[fold] - least) <= 1e-8 + 1e-5 * least
            if unevenness[fold] < least or (as_even and sizes[fold] < sizes[chosen]):
                chosen = fold
        filled[chosen] += held[group]
        fold_of[group] = chosen
    return [
        (np.flatnonzero(fold_of[members] != fold), np.flatnonzero(fold_of[members] == fold)) for fold in range(count)
    ]


def standardised(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Take the mean off each feature and divide by its spread, over all images, [n, D]; one that never changes is 0."""
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 0, spread, 1))


def repeats_for(images: int, most: int = REPEATS) -> int:
    """How many draws of the folds a score of so many images is the mean of: two less than `most` for many."""
    return most if images <= MANY_IMAGES else most - 2


def fewest_groups(numbers: Numbers, groups: Numbers) -> int:
    """Count the groups of the class that has the fewest."""
    return min(len(np.unique(groups[numbers == k])) for k in range(int(numbers.max()) + 1))


def predict_out_of_fold(
    model: BaseEstimator, features: NDArray[np.floating], numbers: Numbers, draws: Sequence[Folds]
) -> Scores:
    """Predict every image by models that were not fitted on its fold, once for each draw of the folds.

    Args:
        model: A scikit-learn classifier with `predict_proba`; refitted in each fold.
        features: [n, D].
        numbers: Class numbers 0 to K - 1, [n].
        draws: As `draw_folds` returns them.

    Returns:
        Probabilities [draws, n, K]; 0 for a class that a fold's training images lack.
    """
    return predict_each_out_of_fold(model, [features], numbers, draws)[0]


def predict_each_out_of_fold(
    model: BaseEstimator, described: Sequence[NDArray[np.floating]], numbers: Numbers, draws: Sequence[Folds]
) -> list[Scores]:
    """Predict out of fold from each of several descriptions of the images, [n, D] each: `predict_out_of_fold`."""
    probabilities = [np.zeros((len(draws), len(numbers), int(numbers.max()) + 1)) for _ in described]

    def predict(features: NDArray[np.floating], found: Scores, train: Numbers, test: Numbers) -> None:
        fitted = clone(model).fit(features[train], numbers[train])
        found[np.ix_(test, fitted.classes_)] = fitted.predict_proba(features[test])

    trials = [
        (features, found[draw], *fold)
        for features, found in zip(described, probabilities, strict=True)
        for draw, folds in enumerate(draws)
        for fold in folds
    ]
    # scikit-learn's forests reset the filters of warnings, which all threads share, and warn where two do at once.
    quiet = warnings.catch_warnings(record=True, action="ignore")
    # Matrices are so small that threads of one product would mostly wait for each other: each fit has its own.
    with quiet, threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(predict, *zip(*trials, strict=True)))
    return probabilities


def measure_scores(numbers: Numbers, scores: Scores, groups: Numbers, confidence: float) -> dict[str, Figure]:
    """Measure accuracy and area under the ROC curve, as the mean over repeats.

    Repeats say how much the choice of folds matters; they bring no new images. So each image is first averaged over the
    repeats (its hits; its placement), and the interval is that of a test set of as many images in as many groups
    (LeDell, Petersen and van der Laan, 2015, Computationally efficient confidence intervals for cross-validated AUC
    estimates): the spread of the 25 fold scores over root 25 would be far too narrow. It does not cover what another
    training set would change: no unbiased estimate of that exists (Bengio and Grandvalet, 2004).

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [repeats, n, K].
        groups: Group of each image, [n].
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        `accuracy` of the class with the highest score; `roc_auc` of two classes, or the mean of each class against the
        rest.
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
