"""Bootstrap over groups, for what has no formula: slices that resemble each other are drawn together."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from chest_cancer.statistics.intervals import (
    critical_value,
    effective_groups,
    largest_design_effect,
    make_figure,
    share,
    student,
    wilson,
)
from chest_cancer.storage.figures import Figure

_BLOCK = 2_000_000
"""Weights in memory at once."""
_IN_CACHE = 50_000
"""Groups that are drawn at once, which a processor holds near itself."""
_NO_ERROR = 1e-9
"""Share of a number below which its standard error, or another one beside it, is rounding."""


class GroupBootstrap:
    """Draws of groups with replacement, made once: every statistic uses the same draws.

    Field and Welsh, 2007, Bootstrapping clustered data.

    Args:
        groups: Group of each image, [n].
        repetitions: Number of draws.
        confidence: Confidence level of the intervals, 0..1.
        seed: Random seed for the draws.
    """

    def __init__(self, groups: NDArray[np.int64], repetitions: int, confidence: float, seed: int) -> None:
        self._groups, self._confidence, self._seed = groups, confidence, seed
        self._members = np.unique(groups, return_inverse=True)[1]
        count = int(self._members.max()) + 1
        generator = np.random.default_rng(seed)
        self._draws = np.empty((repetitions, count))
        step = max(1, _IN_CACHE // count)
        for start in range(0, repetitions, step):
            drawn = self._draws[start : start + step]
            chosen = generator.integers(count, size=drawn.shape) + count * np.arange(len(drawn))[:, None]
            drawn[:] = np.bincount(chosen.ravel(), minlength=drawn.size).reshape(drawn.shape)
        self._sizes = np.bincount(self._members).astype(float)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How often each image was drawn, [1 + repetitions, n]; the first row is the sample itself, all ones."""
        return np.concatenate([np.ones((1, len(self._sizes))), self._draws])[:, self._members]

    def difference(self, first: NDArray[np.float64], second: NDArray[np.float64], images: int) -> Figure:
        """Subtract a statistic from another one that was computed with the same weights.

        Args:
            first: A statistic in the sample itself, then in each draw, [1 + repetitions]; NaN in a draw that lacks a
                class.
            second: The statistic that is subtracted, likewise.
            images: Number of images that the figure rests on.

        Returns:
            The difference, with percentiles of the draws as its interval, further out the fewer the groups, for draws
            of few are too much alike (Hesterberg, 2015, What teachers should know about the bootstrap); the whole
            range, -1..1, where every draw lacks a class, or is of the one group that there is.
        """
        differences = first - second
        known = differences[1:][np.isfinite(differences[1:])]
        low, high = np.quantile(known, self._expanded) if len(known) and len(self._sizes) > 1 else (-1.0, 1.0)
        return {"value": float(differences[0]), "low": float(low), "high": float(high), "n": images}

    def mean(self, values: NDArray[np.float64], limit: float) -> Figure:
        """Average over images, with the studentised bootstrap's interval, which allows for the skew of losses.

        Efron and Tibshirani, 1993, An introduction to the bootstrap, section 12.5; the standard error is that of a
        ratio over groups. Where few images make most of the mean, that interval has no end. So it is cut to Wilson's
        for a share as large, which is the widest: nothing between 0 and the limit varies more than values that are one
        or the other.

        Args:
            values: Value of each image, at least 0, [n].
            limit: Largest possible value.
        """
        n, value = len(values), float(values.mean())
        widest = share(values / limit, self._groups, self._confidence)
        low, high = widest["low"] * limit, widest["high"] * limit
        sums = np.bincount(self._members, values)
        # Less the mean, so that the squares below do not cancel.
        centred = sums - value * self._sizes

        drawn = self._draws @ self._sizes
        deviations = self._draws @ centred / drawn
        squares = self._draws @ np.stack([centred**2, centred * self._sizes, self._sizes**2], axis=1)
        moved = squares[:, 0] - 2 * deviations * squares[:, 1] + deviations**2 * squares[:, 2]
        errors = np.sqrt(np.maximum(moved, 0)) / drawn
        error = np.sqrt((centred**2).sum()) / n
        if error > _NO_ERROR * value:
            # A draw of equal groups, as of one group several times, knows no error: it lies as far off as can be.
            off = deviations / np.maximum(errors, _NO_ERROR * error)
            below, above = np.quantile(off, self._tails)
            low, high = max(low, value - above * error), min(high, value - below * error)
        return make_figure(value, low, high, n, limit)

    def average_precision(
        self, positive: NDArray[np.bool_], scores: NDArray[np.float64]
    ) -> tuple[Figure, NDArray[np.float64]]:
        """Measure average precision, as scikit-learn defines it.

        The interval is symmetric in log-odds, with the bootstrap's standard error: Boyd, Eng and Page, 2013, Area under
        the precision-recall curve: point estimates and confidence intervals, find percentiles too narrow and log-odds
        right. At 1, where the bootstrap knows no error, it is Wilson's for a share of the positive images (their
        binomial interval), a group counting as one.

        Args:
            positive: Which images ought to score high, [n].
            scores: Score of each image, [n].

        Returns:
            The figure, unknown without a positive image or without any other, for then it is 1 whatever the scores; and
            its value in each draw, [repetitions], NaN in a draw without a positive image.
        """
        n = len(scores)
        if positive.all() or not positive.any():
            return make_figure(np.nan, 0.0, 1.0, n), np.full(len(self._draws), np.nan)
        order = np.argsort(-scores, kind="stable")
        positions = np.flatnonzero(positive[order])
        # Images with the same score are read at once: precision is that after the last of them.
        falling = -scores[order]
        ends = np.searchsorted(falling, falling[positions], side="right") - 1
        before = np.searchsorted(positions, ends, side="right") - 1

        def evaluate(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            found, read = np.cumsum(weights[:, positions], axis=1), np.cumsum(weights, axis=1)
            precisions = found[:, before] / np.maximum(read[:, ends], 1)
            with np.errstate(invalid="ignore"):  # a draw without a positive image
                return np.asarray((weights[:, positions] * precisions).sum(axis=1) / found[:, -1])

        value = float(evaluate(np.ones((1, n)))[0])
        step = max(1, _BLOCK // n)
        sorted_members = self._members[order]
        drawn = np.concatenate(
            [evaluate(self._draws[s : s + step][:, sorted_members]) for s in range(0, len(self._draws), step)]
        )
        quantile = critical_value(self._groups, self._confidence)
        error = np.nanstd(drawn)
        if value < 1 and error > 0 and np.isfinite(quantile):
            centre, half = np.log(value / (1 - value)), quantile * error / (value * (1 - value))
            low, high = 1 / (1 + np.exp(np.minimum(half - centre, 700))), 1 / (1 + np.exp(-centre - half))
        else:
            effective = positive.sum() / largest_design_effect(self._groups[positive])
            low, high = wilson(value, effective, quantile)
        return make_figure(value, float(low), float(high), n), drawn

    def calibration_error(self, gaps: NDArray[np.float64], bins: NDArray[np.int64]) -> Figure:
        """Average, over images, how far confidence and hits are apart in the image's bin.

        Chance alone makes this larger than 0, and a bootstrap makes it larger still. The lower end is the pivotal one
        (the value less the distance from it to the bootstrap's upper end), and 0 where perfect calibration would yield
        as much by chance: in draws of groups, or in draws of hits (consistency resampling: Bröcker and Smith, 2007,
        Increasing the reliability of reliability diagrams), as few misses, or none, say little of how many there are.
        The upper end is the percentile or, where that is more, how far the mean confidence may be from the share of
        hits, by that share's interval: no calibration error is less.

        Args:
            gaps: Hit (0 or 1) less confidence, which is above 0, [n].
            bins: Bin of each image, 0 to B - 1, [n].
        """
        n = len(gaps)
        if len(self._sizes) < 2:
            value = np.abs(np.bincount(bins, gaps)).sum() / n
            return make_figure(value, 0.0, 1.0, n)
        sums = np.zeros((len(self._sizes), int(bins.max()) + 1))
        np.add.at(sums, (self._members, bins), gaps)
        whole = sums.sum(axis=0)
        value = float(np.abs(whole).sum() / n)
        drawn, sizes = self._draws @ sums, self._draws @ self._sizes
        top = float(np.quantile(np.abs(drawn).sum(axis=1) / sizes, self._tails[1]))
        by_chance = np.abs(drawn - whole * (sizes / n)[:, None]).sum(axis=1) / sizes
        calibrated = value <= max(
            np.quantile(each, self._tails[1]) for each in (by_chance, self._if_calibrated(gaps, bins))
        )
        hits = share(gaps >= 0, self._groups, self._confidence)
        stated = hits["value"] - gaps.mean()
        highest = max(top, stated - hits["low"], hits["high"] - stated)
        return make_figure(value, 0.0 if calibrated else 2 * value - top, highest, n)

    def _if_calibrated(self, gaps: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.float64]:
        """Calibration error in draws of hits from confidence; images of a group hit together where all hit, or none."""
        hits = gaps >= 0
        stated = hits - gaps
        together = hits.all() or not hits.any()
        of_bin = np.eye(int(bins.max()) + 1)[bins]
        generator = np.random.default_rng([self._seed, len(gaps)])
        errors = []
        step = max(1, _BLOCK // len(gaps))
        for start in range(0, len(self._draws), step):
            count = len(self._draws[start : start + step])
            chances = generator.random((count, len(self._sizes) if together else len(gaps)))
            drawn = (chances[:, self._members] if together else chances) < stated
            errors.append(np.abs((drawn - stated) @ of_bin).sum(axis=1) / len(gaps))
        return np.concatenate(errors)

    @property
    def _tails(self) -> list[float]:
        return [(1 - self._confidence) / 2, (1 + self._confidence) / 2]

    @cached_property
    def _expanded(self) -> list[float]:
        """The tails of Student's t by the groups' number, if they were of equal size, without the bootstrap's bias."""
        count = effective_groups(self._groups)
        tail = float(ndtr(-np.sqrt(count / (count - 1)) * student(count, self._confidence)))
        return [tail, 1 - tail]
