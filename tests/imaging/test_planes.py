"""Where slices lie."""

import numpy as np
import pytest

from chest_cancer.imaging.planes import left_edge_of


@pytest.mark.parametrize(
    ("along", "side"),
    [
        ((1, 0, 0), "right"),
        ((-1, 0, 0), "left"),
        ((0.9, 0.3, 0), "right"),
        ((0.7, 0.7, 0), None),
        ((0, 1, 0), None),
        ((0, 0, 0), None),
        ((float("nan"), 0, 0), None),
    ],
)
def test_the_side_at_the_left_edge_is_named_where_rows_run_from_side_to_side(along, side) -> None:
    assert left_edge_of(np.array(along, dtype=float)) == side
