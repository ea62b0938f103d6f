"""Evidence maps as pictures to lay over slices."""

import numpy as np
import pytest

from chest_cancer.imaging.evidence import draw_evidence, place_of
from chest_cancer.imaging.frame import WHOLE_IMAGE, Frame


def test_evidence_is_orange_where_it_speaks_for_and_blue_where_it_speaks_against() -> None:
    cells = np.zeros((7, 7))
    cells[1, 1], cells[5, 5] = 2, -2

    picture = draw_evidence(cells, WHOLE_IMAGE)

    red, _, blue, opacity = picture[48, 48].astype(int)
    assert red > blue
    assert opacity > 200
    red, _, blue, opacity = picture[176, 176].astype(int)
    assert blue > red
    assert opacity > 200
    assert picture[48, 176, 3] < 20


def test_evidence_is_drawn_where_the_network_looked() -> None:
    cells = np.zeros((7, 7))
    cells[3, 3] = 2

    opacity = draw_evidence(cells, Frame(0.5, 0.0, 1.0, 0.5))[..., 3].astype(int)

    assert np.unravel_index(opacity.argmax(), opacity.shape) == pytest.approx((56, 168), abs=6)
    assert opacity[:, :110].max() == opacity[114:].max() == 0
    beyond = draw_evidence(cells, Frame(-0.5, -0.5, 1.5, 1.5))[..., 3].astype(int)
    assert beyond[112, 112] > 200
    assert (beyond > 100).sum() > 8 * (opacity > 100).sum()


def test_where_nothing_speaks_nothing_is_drawn() -> None:
    assert draw_evidence(np.zeros((7, 7)), WHOLE_IMAGE)[..., 3].max() == 0


@pytest.mark.parametrize(
    ("cell", "frame", "place"),
    [
        ((0, 0), WHOLE_IMAGE, "upper left"),
        ((3, 6), WHOLE_IMAGE, "middle right"),
        ((6, 3), WHOLE_IMAGE, "lower centre"),
        ((3, 3), WHOLE_IMAGE, "centre"),
        ((0, 0), Frame(0.5, 0.5, 1.0, 1.0), "centre"),
        ((0, 6), Frame(-0.5, -0.5, 1.5, 1.5), "upper right"),
    ],
)
def test_a_cell_is_in_a_ninth_of_the_image_whatever_the_network_saw_of_it(cell, frame, place) -> None:
    assert place_of(int(np.ravel_multi_index(cell, (7, 7))), (7, 7), frame) == place
