"""Where body and lungs are in an axial slice, in Hounsfield units or in grey whose window nobody knows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import binary_dilation
from skimage.morphology import convex_hull_image

from chest_cancer.imaging.body import measure_black, otsu_threshold, without_bright_margin
from chest_cancer.imaging.pixels import DecodedImage
from chest_cancer.imaging.regions import Mask, label_regions, largest_region
from chest_cancer.imaging.thumbnail import SIDE, shrink, shrink_hounsfield

_AERATED = -250.0
"""Hounsfield units up to which something is lung: dense lung is not to be missed, and fat is above."""
_BLACK_LUNGS, _NEARLY_BLACK = 0.2, 16
"""Of a picture: share of the body that is black where a window cuts lungs off, and the grey up to which they are so."""
_SLIT = 2
"""Cells: what is no wider than twice that is no region of its own."""
_LEAST, _LEAST_OF_THE_OTHER = 0.01, 0.15
"""Of a lung: share of the body, and of the lung on the other side."""
_PART_OF_A_LUNG = 0.1
"""Of the largest region on its side; smaller ones are the windpipe, or gas below the lungs."""
_RIM = 2
"""Cells around the hulls: where lung and wall share a pixel."""


class Chest(NamedTuple):
    """Where body and lungs are, in a thumbnail of 128 x 128 cells.

    Attributes:
        body: True inside of the body, lungs included.
        lungs: True inside of the convex hull of what is aerated on either side: vessels and tumours in a lung, or at
            its wall, count as lung, and the hull says less of their size than the aerated region would. False
            everywhere where lungs are not found on both sides.
    """

    body: Mask
    lungs: Mask


def find_chest(image: DecodedImage) -> Chest:
    """Find body and lungs.

    Tissue is above -250 HU or, in a picture, halfway from the threshold of Otsu to usual tissue; where lungs are black,
    whatever isn't: fat is darker than other tissue there. What is aerated and reaches the upper or lower edge is
    outside, other regions are lungs; neither a drawn line through the wall nor a gap along the edge joins the two.

    Args:
        image: A slice.
    """
    hounsfield = image.hounsfield
    cells, tissue = (shrink_hounsfield(hounsfield), _AERATED) if hounsfield is not None else _grey(image.pixels)
    air = label_regions(_without_slits(~largest_region(cells > tissue)))
    body = ~(np.isin(air, np.unique(air[[0, -1]])) & (air > 0))
    aerated, lungs = body & (air > 0) & (cells <= tissue), np.zeros_like(body)
    middle = int(np.flatnonzero(body.any(axis=0)).mean()) if body.any() else 0
    sides = np.s_[:, :middle], np.s_[:, middle:]
    smaller, larger = sorted(np.count_nonzero(aerated[side]) for side in sides)
    if smaller and smaller >= max(_LEAST * np.count_nonzero(body), _LEAST_OF_THE_OTHER * larger):
        for side in sides:
            lungs[side] = _hull(aerated[side])
    return Chest(body, np.asarray(binary_dilation(lungs, iterations=_RIM) & body))


def _grey(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """A thumbnail, its bright frame painted over as the edge inside goes on, and the value above which it is tissue."""
    picture = Image.fromarray(pixels)
    grey = np.asarray(shrink(picture).convert("L"))
    inside = without_bright_margin(grey)
    margins = [(start, SIDE - stop) for start, stop, _ in (part.indices(SIDE) for part in inside)]
    cells = np.pad(grey[inside], margins, mode="edge")
    if measure_black(picture.convert("L")) >= _BLACK_LUNGS:
        return cells.astype(np.float32), float(_NEARLY_BLACK)
    middle = otsu_threshold(cells)
    bright = cells[cells > middle]
    return cells.astype(np.float32), (middle + float(np.median(bright))) / 2 if bright.size else float(middle)


def _without_slits(mask: Mask) -> Mask:
    """Take out what is narrow, at the edge of the picture too (a morphological opening)."""
    picture = Image.fromarray(np.pad(mask, _SLIT).astype(np.uint8))
    opened = picture.filter(ImageFilter.MinFilter(2 * _SLIT + 1)).filter(ImageFilter.MaxFilter(2 * _SLIT + 1))
    return np.asarray(opened, dtype=bool)[_SLIT:-_SLIT, _SLIT:-_SLIT]


def _hull(aerated: Mask) -> Mask:
    regions = label_regions(aerated)
    sizes = np.bincount(regions.ravel())[1:]
    return np.asarray(convex_hull_image(np.isin(regions, np.flatnonzero(sizes >= _PART_OF_A_LUNG * sizes.max()) + 1)))
