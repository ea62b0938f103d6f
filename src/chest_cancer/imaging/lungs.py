"""Whether an axial CT slice shows lung, by Hounsfield units and connected regions."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.pixels import DecodedImage
from chest_cancer.imaging.regions import Mask, label_regions, largest_region
from chest_cancer.imaging.thumbnail import shrink_hounsfield

NO_LUNG = "no lung in this slice"
"""Why a slice doesn't count: neither a class nor a refusal, for there is nothing to ask about."""

_AERATED = -400.0
"""Hounsfield units between lung and tissue."""
_GAS = -965.0
"""Hounsfield units below which half of a region is gas in a bowel or windpipe; emphysema stays above."""
_OUTSIDE = -900.0
"""Hounsfield units below which half of a region at the picture's edge is the air around a body; lungs are above."""
_SMALLEST_REGION = 0.003
_LEAST, _LEAST_BESIDE, _LEAST_ALONE = 0.03, 0.005, 0.06


class Lungs(NamedTuple):
    """How much of a body is lung.

    Attributes:
        left: Share of the body that is lung in the left half of the picture (the patient's right), 0..1.
        right: The same in the right half.
    """

    left: float
    right: float

    @property
    def share(self) -> float:
        """Share of the body that is lung, 0..1."""
        return self.left + self.right

    @property
    def seen(self) -> bool:
        """Whether the slice shows lung: on both sides, or on one side so much that it is no bowel."""
        beside = min(self.left, self.right) >= _LEAST_BESIDE
        return self.share >= (_LEAST if beside else _LEAST_ALONE)


def shows_lung(image: DecodedImage) -> bool:
    """Whether an axial CT slice shows lung; a picture, which has no Hounsfield units, is left to the classifier."""
    return image.hounsfield is None or find_lungs(image.hounsfield).seen


def find_lungs(hounsfield: NDArray[Any]) -> Lungs:
    """Measure the lungs of an axial slice.

    The body is the largest connected region denser than lung, with what it encloses. Lungs are the aerated regions
    inside, without the small ones and those that are gas.

    Args:
        hounsfield: `[rows, columns]`, Hounsfield units; what lies outside of the scanner's field is air.

    Returns:
        Their shares of the body; 0 and 0 where there is no body.
    """
    cells = shrink_hounsfield(hounsfield)
    body = _body(cells)
    area = np.count_nonzero(body)
    if not area:
        return Lungs(0.0, 0.0)
    regions = label_regions(body & (cells <= _AERATED))
    lungs = np.zeros(body.shape, bool)
    for number in np.flatnonzero(np.bincount(regions.ravel())[1:] >= _SMALLEST_REGION * area) + 1:
        region = regions == number
        if np.median(cells[region]) > _GAS:
            lungs |= region & (cells > _GAS)
    middle = int(np.flatnonzero(body.any(axis=0)).mean())
    left, right = (float(np.count_nonzero(half) / area) for half in (lungs[:, :middle], lungs[:, middle:]))
    return Lungs(left, right)


def _body(cells: NDArray[np.float32]) -> Mask:
    """Return the largest dense region, what it encloses, and lungs that the edge of the picture cuts open."""
    dense = largest_region(cells > _AERATED)
    if not dense.any():
        return dense
    others = label_regions(~dense)
    edge = np.unique(np.concatenate([others[0], others[-1], others[:, 0], others[:, -1]]))
    outside = [number for number in edge[edge > 0] if np.median(cells[others == number]) <= _OUTSIDE]
    return np.asarray(~np.isin(others, outside))
