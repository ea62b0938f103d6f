"""Whether some images differ from the rest, by permutation of groups, and what many such questions allow to be said."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.cross_validation import Numbers

Draws = NDArray[np.float64]
InDraws = Callable[[Draws], NDArray[np.float64]]
Statistic = Callable[[Numbers], InDraws]
"""From the unit of each image, [n], to a function of which units are drawn, [draws, units] of 0 or 1.

Units are what is drawn whole. The function returns the value in each draw, [draws]; NaN where it is not defined.
"""

_DRAWS = 10_000
_BLOCK = 1_000
_ENOUGH = 50  # Differences as large, from which on more draws would not change what is said.
_SAME = 1e-12  # Differences that rounding alone makes.


def share_of_units(hits: NDArray[np.bool_]) -> Statistic:
    """Make the statistic of a share.

    Args:
        hits: Whether each image is a hit, [n].
    """

    def of(members: Numbers) -> InDraws:
        right, all_of_them = np.bincount(members, hits), np.bincount(members)

        def in_draws(draws: Draws) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore"):  # a draw without any image
                return np.asarray(draws @ right / (draws @ all_of_them))

        return in_draws

    return of


def area_of_units(numbers: Numbers, scores: NDArray[np.float64]) -> Statistic:
    """Make the statistic of the area under the ROC curve of two classes, or the mean of each class against the rest.

    Args:
        numbers: Class numbers 0 to K - 1, [n].
        scores: The higher, the more likely the class, [n, K].
    """
    classes = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    sides = [(numbers == k, _wins(scores[numbers == k, k], scores[numbers != k, k])) for k in classes]

    def of(members: Numbers) -> InDraws:
        unit = np.eye(int(members.max()) + 1)[members]
        tables = [
            (unit[positive].T @ wins @ unit[~positive], unit[positive].sum(axis=0), unit[~positive].sum(axis=0))
            for positive, wins in sides
        ]

        def in_draws(draws: Draws) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore"):  # a draw that lacks a class
                each = [
                    (draws @ won * draws).sum(axis=1) / ((draws @ positive) * (draws @ negative))
                    for won, positive, negative in tables
                ]
            return np.asarray(np.mean(each, axis=0))

        return in_draws

    return of


def _wins(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whether each positive image scores higher than each negative one, a tie counting half."""
    return np.asarray((np.sign(positive[:, None] - negative) + 1) / 2)


def p_of_difference(statistic: Statistic, inside: NDArray[np.bool_], groups: Numbers, seed: int) -> float | None:
    """Test whether a statistic of some images differs from that of the rest, by permutation, two-sided.

    Groups change sides whole, so that images of a patient stay together; in a group with images on both sides these
    images change sides among each other (restricted permutation: Good, 2005, Permutation, parametric and bootstrap
    tests of hypotheses). Draws end early where many differences are as large (Besag and Clifford, 1991, Sequential
    Monte Carlo p-values); the smallest p is 0.0001.

    Args:
        statistic: `share_of_units` or `area_of_units` of these images.
        inside: Which images, [n].
        groups: Group of each image, [n].
        seed: Random seed for the draws.

    Returns:
        The chance of a difference as large where sides mean nothing; None where it is not defined for these sides.
    """
    if inside.all() or not inside.any():
        return None
    units, sides, strata = _units(inside, groups)
    in_draws = statistic(units)
    (observed,) = in_draws(sides[None]) - in_draws(1 - sides[None])
    if np.isnan(observed):
        return None
    generator = np.random.default_rng(seed)
    in_order = np.broadcast_to(sides[np.argsort(strata, kind="stable")], (_BLOCK, len(sides)))
    drawn = np.empty(in_order.shape)
    larger = known = draws = 0
    while draws < _DRAWS and larger < _ENOUGH:
        # Sorted by stratum, and at random inside of each.
        places = np.argsort(strata + generator.random(drawn.shape), axis=1)
        np.put_along_axis(drawn, places, in_order, axis=1)
        differences = in_draws(drawn) - in_draws(1 - drawn)
        draws += _BLOCK
        known += int(np.isfinite(differences).sum())
        larger += int((np.abs(differences) >= abs(observed) - _SAME).sum())
    return (1 + larger) / (1 + known)


def _units(inside: NDArray[np.bool_], groups: Numbers) -> tuple[Numbers, NDArray[np.float64], Numbers]:
    """Unit of each image, [n]; side of each unit, 0 or 1, and the stratum in which it changes sides, [units]."""
    members = np.unique(groups, return_inverse=True)[1]
    within = np.bincount(members, inside) / np.bincount(members)
    is_mixed = ((within > 0) & (within < 1))[members]
    alone = len(within) + np.arange(len(inside))
    _, first, units = np.unique(np.where(is_mixed, alone, members), return_index=True, return_inverse=True)
    return units, inside[first].astype(float), np.where(is_mixed, members + 1, 0)[first]


def holm(p: Sequence[float]) -> list[float]:
    """Correct p for the number of questions (Holm, 1979, A simple sequentially rejective multiple test procedure).

    Args:
        p: Of each question.

    Returns:
        In the same order; the chance that any of those at or below is found where there is nothing is no larger.
    """
    order = np.argsort(p, kind="stable")
    times = len(p) - np.arange(len(p))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(times * np.asarray(p)[order]), 1)
    return [float(each) for each in corrected]
