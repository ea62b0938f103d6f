"""Area under the ROC curve, with an interval that holds for grouped images and for areas near 1."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import rankdata
from sklearn.metrics import roc_curve

from chest_cancer.statistics.intervals import (
    clustered_variance,
    critical_value,
    largest_design_effect,
    make_figure,
    mean_of,
    share,
)
from chest_cancer.storage.figures import Figure

_MOST_THRESHOLDS = 200


class RocBand(NamedTuple):
    """A ROC curve and the two edges of its band, each an array [m, 2] of 1 - specificity and sensitivity, rising."""

    curve: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]


def placements(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find for each image the share of the other side's images that it is ranked rightly against; a tie counts half.

    DeLong, DeLong and Clarke-Pearson, 1988, Comparing the areas under two or more correlated ROC curves. The mean over
    either side is the area under the curve.

    Args:
        positive: Which images ought to score high, [n].
        scores: Score of each image, [n].

    Returns:
        The shares, 0..1, [n]; NaN where the other side has no image.
    """
    result = np.full(len(scores), np.nan)
    if positive.any() and not positive.all():
        ranks = rankdata(scores)
        result[positive] = (ranks[positive] - rankdata(scores[positive])) / (~positive).sum()
        result[~positive] = 1 - (ranks[~positive] - rankdata(scores[~positive])) / positive.sum()
    return result


def area_under_roc(
    positive: NDArray[np.bool_], placed: NDArray[np.float64], groups: NDArray[np.int64], confidence: float
) -> Figure:
    """Average placements, with a score interval for the area.

    The interval holds each area from which the measured one lies within the critical value times the standard error at
    *that* area, by Hanley and McNeil's formula (1982) as symmetrised by Newcombe (2006, Confidence intervals for an
    effect size measure based on the Mann-Whitney statistic, part 2, method 5): it has a width even where every image is
    placed rightly, while a bootstrap and DeLong's formula say [1, 1]. The variance is multiplied by the design effect
    of the groups, the clustered variance (Obuchowski, 1997, Nonparametric analysis of clustered ROC curve data) by
    DeLong's, at least 1; where all images are placed rightly, images of a group count as one.

    Args:
        positive: Which images ought to score high, [n].
        placed: Result of `placements`, or the mean of several, [n].
        groups: Group of each image, [n].
        confidence: Confidence level of the interval, 0..1.

    Returns:
        The area; unknown, NaN between 0 and 1, where a side has no image.
    """
    n = len(placed)
    if positive.all() or not positive.any():
        return make_figure(np.nan, 0.0, 1.0, n)
    sides = int(positive.sum()), int((~positive).sum())
    value = float(placed[positive].mean())
    quantile = critical_value(groups, confidence)
    if not np.isfinite(quantile):
        return make_figure(value, 0.0, 1.0, n)
    variance = quantile**2 * design_effect(positive, placed, groups)
    low, beyond = (_lower(area, variance, sides) for area in (value, 1 - value))
    return make_figure(value, low, 1 - beyond, n)


def area_of_classes(
    numbers: NDArray[np.int64], placed: NDArray[np.float64], groups: NDArray[np.int64], confidence: float
) -> tuple[Figure, list[Figure]]:
    """Measure the area of each class against the rest, and their mean.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        placed: Placements of each class against the rest, [n, K].
        groups: Group of each image, [n].
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        The mean, unknown where a class has no image, and the K areas. The mean's interval allows for areas that rest on
        the same images, by the correlation of what groups add to them.
    """
    sides = [numbers == k for k in range(placed.shape[1])]
    areas = [area_under_roc(side, placed[:, k], groups, confidence) for k, side in enumerate(sides)]
    return mean_of(areas, correlate(pulls_of_groups(sides, placed.T, groups)), len(numbers)), areas


def pulls_of_groups(
    sides: Iterable[NDArray[np.bool_]], placed: Iterable[NDArray[np.float64]], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Add up how much the images of each group pull areas up.

    Args:
        sides: For each of K areas, which images are positive, [n].
        placed: Placements of the images for it, [n].
        groups: Group of each image, [n].

    Returns:
        [K, G]; NaN for an area that lacks a side.
    """
    members = np.unique(groups, return_inverse=True)[1]
    pulled = [np.bincount(members, _influence(side, each)) for side, each in zip(sides, placed, strict=True)]
    return np.stack(pulled, dtype=np.float64)


def correlate(added: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate areas by what groups add to them.

    Args:
        added: How much each of G groups pulls each of K areas up, [K, G].

    Returns:
        [K, K]; NaN for an area that no group pulls up or down.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        products = added @ added.T
        spread = np.sqrt(np.diag(products))
        return np.asarray(products / np.outer(spread, spread))


def _influence(positive: NDArray[np.bool_], placed: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each image pulls the area up, [n]; sums to 0 on either side."""
    if positive.all() or not positive.any():
        return np.full(len(placed), np.nan)
    sides = np.where(positive, positive.sum(), (~positive).sum())
    means = np.where(positive, placed[positive].mean(), placed[~positive].mean())
    return np.asarray((placed - means) / sides)


def design_effect(positive: NDArray[np.bool_], placed: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """The factor by which groups widen the area's variance, at least 1."""
    if len(np.unique(groups)) == len(groups):
        return 1.0
    pulled, images = _influence(positive, placed), np.arange(len(groups))
    if min(len(np.unique(groups[side])) for side in (positive, ~positive)) > 1:
        independent = sum(clustered_variance(pulled[side], images[side]) for side in (positive, ~positive))
        if independent > 0:
            # A group with images of both sides adds twice the product of its two sums.
            clustered = sum(clustered_variance(pulled[side], groups[side]) for side in (positive, ~positive))
            upper, lower = np.where(positive, pulled, 0), np.where(positive, 0, pulled)
            shared = clustered_variance(upper + lower, groups) - clustered_variance(upper - lower, groups)
            return max(1.0, (clustered + shared / 2) / independent)
    return max(largest_design_effect(groups[side]) for side in (positive, ~positive))


def _lower(area: float, variance: float, sides: tuple[int, int]) -> float:
    """The lowest area that the measured one is compatible with; `variance` multiplies that of the formula."""
    if area <= 0:
        return 0.0

    def excess(other: float) -> float:
        return (area - other) ** 2 - variance * variance_of_area(other, sides)

    return float(brentq(excess, 0.0, area * (1 - 1e-9)))


def variance_of_area(area: float, sides: tuple[int, int]) -> float:
    """Variance of an area under the ROC curve by the formula that `area_under_roc` names.

    Args:
        area: The area, 0..1.
        sides: Number of images of either side, at least 1.
    """
    equal = sum(sides) / 2 - 1
    spread = 1 + equal * (1 - area) / (2 - area) + equal * area / (1 + area)
    return area * (1 - area) * spread / (sides[0] * sides[1])


def roc_with_band(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], groups: NDArray[np.int64], confidence: float
) -> RocBand:
    """Draw a ROC curve with a band that holds each of its points with the given confidence.

    Hilgers, 1991, Distribution-free confidence bounds for ROC curves: at each threshold sensitivity and specificity,
    which rest on different images, have an interval each at the root of the confidence, so that the rectangle of both
    has the whole; the band is what lies between the rectangles' outer corners. The intervals are those of
    `intervals.share`, which count images of a group as correlated draws and have a width even at 0 and 1.

    Args:
        positive: Which images ought to score high, [n], some but not all.
        scores: Score of each image, [n].
        groups: Group of each image, [n].
        confidence: Confidence level, 0..1.

    Returns:
        The curve, and the band at no more than 200 thresholds.
    """
    alarms, sensitivities, thresholds = roc_curve(positive, scores)
    chosen = np.unique(np.linspace(0, len(thresholds) - 1, _MOST_THRESHOLDS).astype(int))
    corners = []
    for threshold in thresholds[chosen]:
        found, alarmed = (
            share(scores[side] >= threshold, groups[side], np.sqrt(confidence)) for side in (positive, ~positive)
        )
        corners.append((alarmed["low"], found["high"], alarmed["high"], found["low"]))
    # The design effect differs from threshold to threshold; the edges still only rise.
    edges = np.maximum.accumulate(np.array(corners))
    upper, lower = np.vstack([edges[:, :2], [1, 1]]), np.vstack([[0, 0], edges[:, 2:]])
    return RocBand(np.stack([alarms, sensitivities], axis=1), upper, lower)
