"""Net benefit, by hand and by its two limits."""

import numpy as np

from chest_cancer.statistics.net_benefit import net_benefits

POSITIVE = np.array([True, True, False, False, False])
SCORES = np.array([0.9, 0.4, 0.6, 0.2, 0.1])
ONCE = np.ones((1, 5))


def test_it_is_true_positives_less_weighed_false_ones() -> None:
    found = net_benefits(POSITIVE, SCORES, np.array([0.2, 0.5]), ONCE)

    np.testing.assert_allclose(found, [[2 / 5 - 2 / 5 * 0.25, 1 / 5 - 1 / 5 * 1.0]])


def test_treating_all_is_worth_nothing_at_the_prevalence_and_nobody_never_is() -> None:
    assert abs(net_benefits(POSITIVE, np.ones(5), np.array([0.4]), ONCE)[0, 0]) < 1e-12
    assert net_benefits(POSITIVE, np.zeros(5), np.array([0.1, 0.9]), ONCE).tolist() == [[0, 0]]


def test_a_draw_counts_images_as_often_as_it_has_them() -> None:
    drawn = np.array([[2.0, 0, 1, 0, 1]])

    np.testing.assert_allclose(net_benefits(POSITIVE, SCORES, np.array([0.5]), drawn), [[2 / 4 - 1 / 4]])
