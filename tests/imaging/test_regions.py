"""Connected regions, compared with SciPy's."""

import numpy as np
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from chest_cancer.imaging.regions import label_regions, largest_region
from properties import examples

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=16), elements=st.booleans())


@examples(30, 300)
@given(masks)
def test_regions_are_those_of_scipy(mask: NDArray[np.bool_]) -> None:
    labels, (expected, count) = label_regions(mask), scipy.ndimage.label(mask)

    np.testing.assert_array_equal(labels > 0, mask)
    pairs = {(int(one), int(other)) for one, other in zip(labels[mask], expected[mask], strict=True)}
    assert len(pairs) == len({one for one, _ in pairs}) == count


@examples(30, 300)
@given(masks)
def test_the_largest_region_is_one_of_the_most_cells(mask: NDArray[np.bool_]) -> None:
    expected, _ = scipy.ndimage.label(mask)
    largest = largest_region(mask)

    assert largest.sum() == max(np.bincount(expected[mask]), default=0)
    assert len(set(expected[largest])) == mask.any()
