"""The embedding: which half is what, and directions."""

import numpy as np
import pytest

from chest_cancer.network.embedding import CHANNELS, SIZE, by_kind, directions, draw_order, means_of

NUMBERED = np.arange(SIZE, dtype=np.float32)


def test_means_come_before_maxima() -> None:
    np.testing.assert_array_equal(means_of(NUMBERED[None])[0], NUMBERED[:CHANNELS])
    np.testing.assert_array_equal(by_kind(NUMBERED), [NUMBERED[:CHANNELS], NUMBERED[CHANNELS:]])


def test_an_order_is_drawn_within_each_kind() -> None:
    order = draw_order(np.random.default_rng(0))

    assert sorted(order) == list(range(SIZE))
    assert sorted(order[:CHANNELS]) == list(range(CHANNELS))
    assert list(order[:CHANNELS]) != list(range(CHANNELS))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_directions_have_length_one_in_their_own_precision(kind: type) -> None:
    vectors = np.array([[3, 4], [0, 0]], dtype=kind)

    unit = directions(vectors)

    assert unit.dtype == kind
    np.testing.assert_allclose(unit[0], [0.6, 0.8], rtol=1e-6)
    assert not unit[1].any()
