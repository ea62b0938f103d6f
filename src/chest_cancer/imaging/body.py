"""Where in an image of a CT slice the body is."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.regions import Mask, largest_region
from chest_cancer.imaging.thumbnail import SIDE, shrink

_MARGIN_LEVEL = 128
_MARGIN_TOLERANCE = 16
_MARGIN_SHARE = 0.95
_SMALLEST_AREA = 0.1
_SMALLEST_SIDE = 0.3
_BLACK = 8
"""Grey level up to which nothing is seen: in a lung window lungs are brighter, in a mediastinal one they are not."""

Grey = NDArray[np.uint8]


class Body(NamedTuple):
    """Where a body is, and what lies around it.

    Attributes:
        box: Left, top, right and bottom edge, in pixels; the whole image where no body was found.
        background: Colour of the air around it, RGB 0..255.
    """

    box: tuple[int, int, int, int]
    background: tuple[int, int, int]


def find_body(pixels: NDArray[np.uint8]) -> Body:
    """Find the largest connected bright region; a bright margin, the table, lines and letters are left out.

    Bright is what lies above the threshold of Otsu (1979, A threshold selection method from gray-level histograms).

    Args:
        pixels: uint8 [H, W, 3], RGB 0..255, of any size.

    Returns:
        Its box, to about 1/128 of the image's sides, when it covers a tenth of the image and 0.3 of both sides, else
        the box of the whole image.
    """
    height, width = pixels.shape[:2]
    picture = shrink(Image.fromarray(pixels))
    grey, colours = np.asarray(picture.convert("L")), np.asarray(picture)
    inside = without_bright_margin(grey)
    bright = grey[inside] > otsu_threshold(grey[inside])
    background = _dark_edge(colours[inside], bright)
    region = np.zeros(grey.shape, dtype=bool)
    region[inside] = largest_region(bright)
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if region.mean() < _SMALLEST_AREA or min(np.ptp(rows), np.ptp(columns)) + 1 < _SMALLEST_SIDE * SIDE:
        return Body((0, 0, width, height), background)
    box = (
        int(columns[0]) * width // SIDE,
        int(rows[0]) * height // SIDE,
        -(-(int(columns[-1]) + 1) * width // SIDE),
        -(-(int(rows[-1]) + 1) * height // SIDE),
    )
    return Body(box, background)


def find_inside(grey: Image.Image) -> tuple[int, int, int, int]:
    """Find what lies inside of a bright frame of one level.

    Args:
        grey: Of mode L, of any size.

    Returns:
        Left, top, right and bottom edge, in pixels; those of the whole image where there is no frame, or nothing in it.
    """
    rows, columns = without_bright_margin(np.asarray(shrink(grey)))
    left, right, _ = columns.indices(SIDE)
    top, bottom, _ = rows.indices(SIDE)
    across, down = grey.width / SIDE, grey.height / SIDE
    box = math.ceil(left * across), math.ceil(top * down), math.floor(right * across), math.floor(bottom * down)
    return box if box[0] < box[2] and box[1] < box[3] else (0, 0, *grey.size)


def measure_black(grey: Image.Image) -> float:
    """Measure how much of a body is black: in a chest, where lungs that a window cut off are.

    Args:
        grey: Of mode L, of any size.

    Returns:
        Share of the area between the edges of the largest bright region, 0..1; 0 where there is none.
    """
    small = np.asarray(shrink(grey))
    small = small[without_bright_margin(small)]
    region = largest_region(small > otsu_threshold(small))
    body = _between(region) & _between(region.T).T
    return float((small[body] <= _BLACK).mean()) if body.any() else 0.0


def find_outside(grey: Grey) -> Mask:
    """Find what lies beside the body: not both between its edges in a row and between those in a column.

    Args:
        grey: uint8 [H, W], of any size.

    Returns:
        [H, W]; everything where no bright region is as large as a body.
    """
    height, width = grey.shape
    small = np.asarray(shrink(Image.fromarray(grey)))
    region = largest_region(small > otsu_threshold(small))
    if region.mean() < _SMALLEST_AREA:
        return np.ones((height, width), dtype=bool)
    body = Image.fromarray(_between(region) & _between(region.T).T)
    return ~np.asarray(body.resize((width, height), Image.Resampling.NEAREST))


def _between(mask: Mask) -> Mask:
    """What lies between the first and the last true cell of each row, both included."""
    return np.asarray(np.maximum.accumulate(mask, axis=1) & np.maximum.accumulate(mask[:, ::-1], axis=1)[:, ::-1])


def without_bright_margin(grey: Grey) -> tuple[slice, slice]:
    """The rows and columns inside of a bright frame of one level; all of them where there is none."""
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    level = float(np.median(edge))
    if level < _MARGIN_LEVEL:
        return np.s_[:, :]
    like_edge = np.abs(grey - level) <= _MARGIN_TOLERANCE
    rows = np.flatnonzero(like_edge.mean(axis=1) < _MARGIN_SHARE)
    columns = np.flatnonzero(like_edge.mean(axis=0) < _MARGIN_SHARE)
    if not len(rows) or not len(columns):
        return np.s_[:, :]
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _dark_edge(colours: Grey, bright: Mask) -> tuple[int, int, int]:
    """The usual colour of what is not bright: along the edge, or else anywhere, or else black, as air mostly is."""
    edge = np.ones_like(bright)
    edge[1:-1, 1:-1] = False
    for dark in (edge & ~bright, ~bright):
        if dark.any():
            red, green, blue = (int(level) for level in np.median(colours[dark], axis=0))
            return red, green, blue
    return 0, 0, 0


def otsu_threshold(grey: Grey) -> int:
    """Return the level, 0..255, that parts grey best in two (Otsu, 1979); what is above it is bright."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    apart = (sums * below[-1] - sums[-1] * below) ** 2
    return int(np.divide(apart, below * above, out=np.zeros_like(apart), where=below * above > 0).argmax())
