"""How strongly two ways to sort the same images into kinds go together."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from chest_cancer.statistics.intervals import make_figure
from chest_cancer.storage.figures import Figure


def cramers_v(
    first: NDArray[np.int64], second: NDArray[np.int64], groups: NDArray[np.int64], confidence: float
) -> Figure:
    """Measure Cramér's V, corrected for its bias: 0 for kinds that have nothing in common, 1 where one follows.

    Bergsma, 2013, A bias-correction for Cramér's V and Tschuprow's T. A group counts once, shared by its images. The
    interval holds each V from which the measured chi-square is no outlier, by the noncentral distribution (Smithson,
    2003, Confidence intervals). A bootstrap would reach 0 where chance is excluded, and have no width at 1.

    Args:
        first: Kind of each image, [n].
        second: Another kind of each image, [n].
        groups: Group of each image, [n].
        confidence: Confidence level of the interval, 0..1.

    Returns:
        V, 0..1; unknown where either has a single kind.
    """
    (rows, first), (columns, second) = (np.unique(kinds, return_inverse=True) for kinds in (first, second))
    members, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    kinds, count, images = np.array([len(rows), len(columns)]), len(sizes), len(groups)
    if min(*kinds, count - 1) < 2:
        return make_figure(np.nan, 0.0, 1.0, images)
    table = np.zeros(kinds)
    np.add.at(table, (first, second), 1 / (sizes[members] * count))
    square = (table**2 / np.outer(table.sum(axis=1), table.sum(axis=0))).sum() - 1

    freedom = int(np.prod(kinds - 1))
    left = kinds - 1 - (kinds - 1) ** 2 / (count - 1)
    value = np.sqrt(np.clip((square - freedom / (count - 1)) / max(left.min(), 1 / count), 0, 1))
    tails = (1 + confidence) / 2, (1 - confidence) / 2
    low, high = (_noncentrality(count * square, freedom, tail) / (count * (kinds.min() - 1)) for tail in tails)
    return make_figure(float(value), float(np.sqrt(low)), float(np.sqrt(high)), images)


def _noncentrality(square: float, freedom: int, tail: float) -> float:
    """The noncentrality at which a chi-square as small or smaller has a given chance; 0 where there is none."""
    if chi2.cdf(square, freedom) <= tail:
        return 0.0
    most = 4 * (square + freedom + 20)
    return float(brentq(lambda other: ncx2.cdf(square, freedom, other) - tail, 1e-9, most))
