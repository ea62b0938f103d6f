"""How far the images of two sites are apart."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.cross_validation import (
    FEWEST_GROUPS,
    Numbers,
    draw_folds,
    fewest_groups,
    measure_scores,
    predict_out_of_fold,
)
from chest_cancer.statistics.intervals import make_figure
from chest_cancer.storage.figures import Figure


def tell_apart(
    there: NDArray[np.float32],
    here: NDArray[np.float32],
    groups_there: Numbers,
    groups_here: Numbers,
    confidence: float,
    seed: int,
) -> Figure | None:
    """Measure how well a linear classifier tells the sites of images apart, in folds that keep groups whole.

    Lopez-Paz and Oquab, 2017, Revisiting classifier two-sample tests.

    Args:
        there: Embeddings of one site, [n, D].
        here: Those of the other, [m, D].
        groups_there: Groups of the one, [n].
        groups_here: Groups of the other, [m].
        confidence: Confidence level of the interval, 0..1.
        seed: Random seed for the folds.

    Returns:
        Area under the ROC curve: 0.5 where nothing tells them apart, 1 where every image betrays its site. Its interval
        is that of `measure_scores`, and no test: where nothing does it lies above 0.5 in 5 to 10 of 100 sets. None
        where a site has a single group.
    """
    numbers = np.repeat([1, 0], [len(there), len(here)])
    groups = np.concatenate([groups_there, groups_here + groups_there.max() + 1])
    if fewest_groups(numbers, groups) < FEWEST_GROUPS:
        return None
    scores = predict_out_of_fold(
        quick_linear_head(), np.concatenate([there, here]), numbers, draw_folds(numbers, groups, seed, repeats=1)
    )
    return measure_scores(numbers, scores, groups, confidence)["roc_auc"]


def distance_of_histograms(
    there: NDArray[np.float32],
    here: NDArray[np.float32],
    groups_there: Numbers,
    groups_here: Numbers,
    repetitions: int,
    confidence: float,
    seed: int,
) -> Figure:
    """Measure the Wasserstein distance between the mean histograms of two sites: how far levels move on average.

    Chance alone makes it larger than 0, and a bootstrap makes it larger still. As for the calibration error
    (`GroupBootstrap.calibration_error`) the lower end is the pivotal one, and 0 where the same site, drawn twice, would
    be as far apart by chance; the upper end is the percentile. Images of a single group say nothing about others of
    their site: it may then be any distance.

    Args:
        there: Histograms of one site's images, each summing to 1, [n, B].
        here: Those of the other, [m, B].
        groups_there: Groups of the one, [n].
        groups_here: Groups of the other, [m].
        repetitions: Number of draws.
        confidence: Confidence level of the interval, 0..1.
        seed: Random seed for the draws.

    Returns:
        The distance, in bins.
    """
    sites = ((there, groups_there, seed), (here, groups_here, seed + 1))
    drawn = [_means_in_draws(np.cumsum(each, axis=1), groups, repetitions, own) for each, groups, own in sites]
    apart = drawn[0] - drawn[1]
    value, count = float(np.abs(apart[0]).sum()), len(there) + len(here)
    if min(len(np.unique(groups)) for _, groups, _ in sites) < FEWEST_GROUPS:
        farthest = there.shape[1] - 1.0
        return make_figure(value, 0.0, farthest, count, farthest)
    upper = (1 + confidence) / 2
    top = float(np.quantile(np.abs(apart[1:]).sum(axis=1), upper))
    by_chance = np.quantile(np.abs(apart[1:] - apart[0]).sum(axis=1), upper)
    low = 0.0 if value <= by_chance else max(0.0, 2 * value - top)
    return {"value": value, "low": low, "high": max(top, value), "n": count}


def _means_in_draws(values: NDArray[np.float32], groups: Numbers, repetitions: int, seed: int) -> NDArray[np.float64]:
    """Mean of each column in the sample itself, then in each draw of groups, [1 + repetitions, B]."""
    weights = GroupBootstrap(groups, repetitions, 0.95, seed).weights
    return np.asarray(weights @ values / weights.sum(axis=1, keepdims=True))
