"""The band of a ROC curve."""

import numpy as np
import pytest

from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.roc import roc_with_band


def drawn(separation: float, groups: int = 30, members: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    positive = np.repeat(np.arange(groups) % 2 == 0, members)
    return positive, generator.normal(separation * positive), np.repeat(np.arange(groups), members)


@pytest.mark.parametrize("separation", [0.0, 1.5, 20.0])
def test_the_curve_lies_within_its_band_whose_edges_only_rise(separation: float) -> None:
    curve, upper, lower = roc_with_band(*drawn(separation), 0.95)

    for edge in (upper, lower):
        assert (np.diff(edge, axis=0) >= 0).all()
    assert (np.interp(curve[:, 0], upper[:, 0], upper[:, 1]) >= curve[:, 1]).all()
    assert (np.interp(curve[:, 0], lower[:, 0], lower[:, 1]) <= curve[:, 1]).all()


def test_at_a_threshold_both_intervals_have_the_root_of_the_confidence() -> None:
    positive, scores, groups = drawn(20.0)  # all thresholds between the sides give the corner

    _, upper, lower = roc_with_band(positive, scores, groups, 0.95)

    found = share(np.ones(positive.sum(), bool), groups[positive], np.sqrt(0.95))
    alarmed = share(np.zeros((~positive).sum(), bool), groups[~positive], np.sqrt(0.95))
    assert 0.5 < found["low"] < 1
    assert [alarmed["high"], found["low"]] in lower.tolist()
    assert [0.0, 1.0] in upper.tolist()


def test_the_band_is_narrower_for_more_groups() -> None:
    few, many = (roc_with_band(*drawn(1.0, groups), 0.95) for groups in (20, 400))

    gaps = [np.interp(0.3, *band.upper.T) - np.interp(0.3, *band.lower.T) for band in (few, many)]
    assert gaps[1] < gaps[0] / 2


def test_a_band_has_no_more_thresholds_than_can_be_seen() -> None:
    assert len(roc_with_band(*drawn(0.0, 2000, 1), 0.95).upper) <= 201
