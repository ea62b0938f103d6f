"""Intervals of shares, and of figures that follow from shares, where images of a group count as correlated draws."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from chest_cancer.storage.figures import Figure, StoredFigure

_LEAST_FREEDOM = 0.1
"""Degrees of freedom of groups of which one holds nearly all images: with fewer, Student's t has no number any more."""


def make_figure(value: float, low: float, high: float, n: int, limit: float = 1.0) -> Figure:
    """Put a figure together.

    Args:
        value: What was measured; NaN where it is unknown.
        low: Lower end of the interval.
        high: Upper end.
        n: Number of images that it rests on.
        limit: Largest possible value; the smallest is 0.

    Returns:
        The figure. Its interval lies inside 0..`limit` and holds the value; it is the whole range where anything is
        unknown.
    """
    if not np.isfinite([value, low, high]).all():
        return {"value": float(value), "low": 0.0, "high": float(limit), "n": n}
    low, high = max(0.0, min(low, value)), min(limit, max(high, value))
    return {"value": float(value), "low": float(low), "high": float(high), "n": n}


def unknown_as_none(measured: Any) -> Any:
    """Replace NaN, an unknown value, by None, which JSON can hold.

    Args:
        measured: Figures, at any depth of dictionaries and lists.
    """
    if isinstance(measured, dict):
        return {name: unknown_as_none(item) for name, item in measured.items()}
    if isinstance(measured, list):
        return [unknown_as_none(item) for item in measured]
    return None if isinstance(measured, float) and np.isnan(measured) else measured


def in_words(figure: Figure | StoredFigure, digits: int = 2) -> str:
    """Write a figure as `0.95 [0.92, 0.97]`, or `unknown`."""
    if figure["value"] is None or np.isnan(figure["value"]):
        return "unknown"
    value, low, high = (
        f"{round(end, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
        for end in (figure["value"], figure["low"], figure["high"])
    )
    return f"{value} [{low}, {high}]"


def critical_value(groups: NDArray[np.int64], confidence: float) -> float:
    """Number of standard errors that an interval spans on either side.

    Normal where every image is a group; else Student's t, since the correlation inside groups is estimated (Korn and
    Graubard, 1998, Confidence intervals for proportions with small expected number of positive counts). Its degrees of
    freedom are those of as many groups of equal size as say as much (`effective_groups`).

    Args:
        groups: Group of each image, [n].
        confidence: Confidence level of the interval, 0..1.

    Returns:
        The number; infinite where all images are of one group, because nothing follows from that.
    """
    count = len(np.unique(groups))
    if count == len(groups):
        return float(ndtri((1 + confidence) / 2))
    return student(effective_groups(groups), confidence) if count > 1 else np.inf


def student(count: float, confidence: float) -> float:
    """Student's t that is exceeded, on either side together, as often as the confidence leaves, by so many groups."""
    return float(stdtrit(max(count - 1, _LEAST_FREEDOM), (1 + confidence) / 2))


def effective_groups(groups: NDArray[np.int64]) -> float:
    """How many groups of equal size say as much as these: where one is far larger than the others, much fewer.

    Carter, Schnepel and Steigerwald, 2017, Asymptotic behavior of a t test robust to cluster heterogeneity.

    Args:
        groups: Group of each image, [n], n > 0.

    Returns:
        1 to the number of groups, which it is where all have as many images.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def largest_design_effect(groups: NDArray[np.int64]) -> float:
    """The design effect if the images of a group were all the same, so that each group counts as one.

    Args:
        groups: Group of each image, [n], n > 0.

    Returns:
        Images per group, at least 1.
    """
    return len(groups) / len(np.unique(groups))


def clustered_variance(influence: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Variance of a sum over images where whole groups were drawn.

    Args:
        influence: What each image adds, [n]; sums to 0.
        groups: Group of each image, [n], of at least two groups.

    Returns:
        Sum of the squared sums of the groups, times the small-sample factor G / (G - 1) of G groups.
    """
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=influence)
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum())


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share of n draws; n may be an effective number."""
    if not np.isfinite(quantile):
        return 0.0, 1.0
    square = quantile**2 / n
    centre = share + square / 2
    half = np.sqrt(square * (share * (1 - share) + square / 4))
    return float((centre - half) / (1 + square)), float((centre + half) / (1 + square))


def share(hits: NDArray[np.bool_ | np.float64], groups: NDArray[np.int64], confidence: float) -> Figure:
    """Measure a share, with Wilson's interval for the effective number of images.

    That number is n over the design effect, the variance over groups by the variance if images were independent (Rao
    and Scott, 1992, A simple method for the analysis of clustered binary data), which is 1 where every image is a
    group, and never taken to be less. Where all images hit, or none, nothing tells how alike a group's images are, and
    they count as one.

    Args:
        hits: Whether each image is a hit, or by how much, 0..1, [n].
        groups: Group of each image, [n].
        confidence: Confidence level of the interval, 0..1.

    Returns:
        The share; without an image it is unknown: NaN, between 0 and 1.
    """
    n = len(hits)
    if not n:
        return make_figure(np.nan, 0.0, 1.0, 0)
    value, quantile = float(hits.mean()), critical_value(groups, confidence)
    independent = value * (1 - value) / max(n - 1, 1)
    if not np.isfinite(quantile) or len(np.unique(groups)) == n:
        effect = 1.0
    elif independent > 0:
        effect = max(1.0, clustered_variance((hits - value) / n, groups) / independent)
    else:
        effect = largest_design_effect(groups)
    return make_figure(value, *wilson(value, n / effect, quantile), n)


def predictive_values(sensitivity: Figure, specificity: Figure, prevalence: float) -> tuple[Figure, Figure]:
    """Work out predictive values where disease is as common as stated, by Bayes' theorem.

    The interval is that of the likelihood ratio, from the intervals of sensitivity and specificity by the method of
    variance estimates recovery (Donner and Zou, 2012, Closed-form confidence intervals for functions of the normal mean
    and standard deviation; Newcombe, 2016, MOVER-R confidence intervals for ratios and products), which holds at shares
    of 0 and 1 as well. Diseased and normal images count as independent of each other.

    Args:
        sensitivity: Sensitivity with its interval.
        specificity: Specificity with its interval.
        prevalence: Share of the diseased, between 0 and 1, exclusive.

    Returns:
        Positive and negative predictive value; n counts the images of both kinds.
    """
    n = sensitivity["n"] + specificity["n"]
    odds = prevalence / (1 - prevalence)
    positive = _ratio(sensitivity, _complement(specificity))
    negative = _ratio(specificity, _complement(sensitivity))
    return _from_odds(positive, odds, n), _from_odds(negative, 1 / odds, n)


def _from_odds(ratio: tuple[float, float, float], prior: float, n: int) -> Figure:
    value, low, high = (1.0 if np.isinf(odds) else prior * odds / (1 + prior * odds) for odds in ratio)
    return make_figure(value, low, high, n)


def _complement(figure: Figure) -> Figure:
    return make_figure(1 - figure["value"], 1 - figure["high"], 1 - figure["low"], figure["n"])


def _ratio(above: Figure, below: Figure) -> tuple[float, float, float]:
    """Ratio of two independent shares with its interval: 0 to infinity, NaN where it is unknown."""
    a, b = above["value"], below["value"]
    if np.isnan([a, b]).any() or a == b == 0:
        return np.nan, 0.0, np.inf

    def bound(upper: float, lower: float, sign: int) -> float:
        denominator = lower * (2 * b - lower)
        if denominator == 0:
            return np.inf if sign > 0 else upper * (2 * a - upper) / max(2 * a * b, np.finfo(float).tiny)
        root = np.sqrt(max((a * b) ** 2 - upper * (2 * a - upper) * denominator, 0.0))
        return float((a * b + sign * root) / denominator)

    low, high = bound(above["low"], below["high"], -1), bound(above["high"], below["low"], 1)
    return a / b if b else np.inf, low, high


def difference_of(first: Figure | StoredFigure, second: Figure | StoredFigure) -> Figure | None:
    """Subtract a figure from another one that rests on other images, independent of its own.

    Zou and Donner, 2008, Construction of confidence limits about effect measures: a general approach. The interval
    follows from both intervals, so that it holds where these hold, at shares of 0 and 1 as well.

    Args:
        first: A figure with its interval.
        second: The one that is subtracted.

    Returns:
        The difference; n counts the images of both. None where either is unknown.
    """
    if any(figure["value"] is None or np.isnan(figure["value"]) for figure in (first, second)):
        return None
    (one, one_low, one_high), (other, other_low, other_high) = (
        (float(figure["value"] or 0.0), figure["low"], figure["high"]) for figure in (first, second)
    )
    return {
        "value": one - other,
        "low": one - other - float(np.hypot(one - one_low, other_high - other)),
        "high": one - other + float(np.hypot(one_high - one, other - other_low)),
        "n": first["n"] + second["n"],
    }


def mean_of(figures: list[Figure], correlation: NDArray[np.float64], n: int) -> Figure:
    """Average figures, with an interval from theirs by the method of variance estimates recovery.

    Zou and Donner, 2008, Construction of confidence limits about effect measures: a general approach.

    Args:
        figures: K figures between 0 and 1.
        correlation: Correlation of their estimates, [K, K]; NaN, for unknown, counts as 1, which makes the interval
            widest.
        n: Number of images that all of them rest on.

    Returns:
        The mean; unknown where any figure is.
    """
    values, lows, highs = (np.array([figure[key] for figure in figures]) for key in ("value", "low", "high"))
    correlation = np.where(np.isnan(correlation), 1.0, correlation)
    below, above = (
        float(np.sqrt(max(distance @ correlation @ distance, 0.0))) / len(figures)
        for distance in (values - lows, highs - values)
    )
    mean = float(values.mean())
    return make_figure(mean, mean - below, mean + above, n)
