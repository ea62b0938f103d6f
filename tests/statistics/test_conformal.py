"""Conformal limits: what is promised is held, with groups as well, and never by too few of them."""

import numpy as np
import pytest

from chest_cancer.statistics.conformal import fit_limit


def test_of_nine_groups_the_least_probable_truth_is_the_limit_of_nine_tenths() -> None:
    of_truth = np.arange(1, 10) / 10

    assert fit_limit(of_truth, np.arange(9), 0.9) == pytest.approx(0.1)
    assert fit_limit(of_truth, np.arange(9), 0.8) == pytest.approx(0.2)


def test_too_few_groups_promise_nothing_however_many_images_they_have() -> None:
    assert fit_limit(np.linspace(0.1, 0.9, 400), np.arange(400) % 8, 0.9) == 0.0


@pytest.mark.parametrize("each", [1, 6])
def test_new_groups_are_covered_as_promised(each: int) -> None:
    generator = np.random.default_rng(3)

    def draw(groups: int) -> np.ndarray:
        # Images of a group are alike: one group in ten is hard as a whole.
        hard = generator.random(groups) < 0.1
        return np.where(hard[:, None], 0.3, 0.8) + 0.1 * generator.standard_normal((groups, each))

    covered = []
    for _ in range(200):
        limit = fit_limit(draw(40).ravel(), np.repeat(np.arange(40), each), 0.9)
        covered.append((draw(200) >= limit).mean())

    assert 0.895 <= np.mean(covered) <= 0.95
