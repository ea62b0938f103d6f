"""Difference of two models' areas under the ROC curve on the same images, which holds near an area of 1."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from chest_cancer.statistics.cross_validation import Numbers
from chest_cancer.statistics.intervals import critical_value, effective_groups
from chest_cancer.statistics.roc import correlate, design_effect, placements, pulls_of_groups, variance_of_area
from chest_cancer.storage.figures import Figure

_AT = 1e-9
"""How near to the measured difference the search for an end begins."""


class _Measured(NamedTuple):
    """Areas of one model.

    Attributes:
        area: The area of two classes, or the mean of each class against the rest.
        added: How much each group pulls it up, [G].
        effects: Design effect of each class's area, [K] ([1] of two classes).
        correlation: How much these areas go together, [K, K].
    """

    area: float
    added: NDArray[np.float64]
    effects: NDArray[np.float64]
    correlation: NDArray[np.float64]


def difference_of_areas(
    numbers: Numbers,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    groups: NDArray[np.int64],
    confidence: float,
) -> Figure:
    """Subtract the second model's area under the ROC curve from the first one's, with a score interval.

    The interval holds each difference from which the measured one lies within the critical value times the standard
    error at *that* difference, as Tango's for paired shares does (1998, Equivalence test and confidence interval for
    the difference in proportions for the paired-sample design). Variances are those of `area_under_roc`, at areas
    that differ by as much and have the measured mean. So it has a width where both models rank every image rightly,
    and about that of the rule of three, while a bootstrap and DeLong's formula say [0, 0].

    How much both areas go together is measured by DeLong's formula over groups (Obuchowski, 1997, Nonparametric
    analysis of clustered ROC curve data). Of few groups that says too much, so it is diluted as Wilson's interval
    dilutes a share: by as many more groups, without any relation, as the square of the critical value (Agresti and
    Coull, 1998, Approximate is better than "exact" for interval estimation of binomial proportions).

    Args:
        numbers: Class numbers 0 to K - 1, [n]; each class has an image.
        first: What the first model says, the higher, the more likely the class, [n, K].
        second: What the second model says, likewise.
        groups: Group of each image, [n].
        confidence: Confidence level of the interval, 0..1.

    Returns:
        The difference, of the mean of each class against the rest where there are more than two; -1 to 1 where all
        images are of one group.
    """
    one, other = (_measure(numbers, scores, groups) for scores in (first, second))
    difference, quantile = one.area - other.area, critical_value(groups, confidence)
    if not np.isfinite(quantile):
        return {"value": difference, "low": -1.0, "high": 1.0, "n": len(numbers)}
    seen = effective_groups(groups)
    together = float(np.nan_to_num(correlate(np.stack([one.added, other.added]))[0, 1])) * seen / (seen + quantile**2)
    sides = _sides(numbers)

    def excess(apart: float) -> float:
        # Areas that differ by so much, with the measured mean as far as they can have it.
        first_area = np.clip((one.area + other.area + apart) / 2, max(0.0, apart), min(1.0, 1 + apart))
        second_area = np.clip(first_area - apart, 0.0, 1.0)
        errors = [_error(each, area, sides) for each, area in ((one, first_area), (other, second_area))]
        variance = errors[0] ** 2 + errors[1] ** 2 - 2 * together * errors[0] * errors[1]
        return float((difference - apart) ** 2 - quantile**2 * variance)

    low = brentq(excess, -1.0, difference - _AT) if difference > _AT - 1 else -1.0
    high = brentq(excess, difference + _AT, 1.0) if difference < 1 - _AT else 1.0
    return {"value": difference, "low": float(low), "high": float(high), "n": len(numbers)}


def _sides(numbers: Numbers) -> list[NDArray[np.bool_]]:
    """Which images are of the class, [n], for each class whose area counts."""
    count = int(numbers.max()) + 1
    return [numbers == k for k in ([1] if count == 2 else range(count))]


def _measure(numbers: Numbers, scores: NDArray[np.float64], groups: NDArray[np.int64]) -> _Measured:
    sides = _sides(numbers)
    columns = scores[:, -len(sides) :].T
    placed = [placements(side, column) for side, column in zip(sides, columns, strict=True)]
    added = pulls_of_groups(sides, placed, groups)
    return _Measured(
        float(np.mean([each[side].mean() for side, each in zip(sides, placed, strict=True)])),
        added.mean(axis=0),
        np.array([design_effect(side, each, groups) for side, each in zip(sides, placed, strict=True)]),
        np.nan_to_num(correlate(added), nan=1.0),
    )


def _error(measured: _Measured, area: float, sides: list[NDArray[np.bool_]]) -> float:
    """Standard error that the model's area would have if it were another one."""
    counts = [(int(side.sum()), int((~side).sum())) for side in sides]
    errors = np.sqrt(measured.effects * np.array([variance_of_area(area, each) for each in counts]))
    return float(np.sqrt(max(errors @ measured.correlation @ errors, 0.0))) / len(sides)
