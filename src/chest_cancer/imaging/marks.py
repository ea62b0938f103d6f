"""What somebody drew into an image of a CT slice: colours, and letters beside the body."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.body import find_outside
from chest_cancer.imaging.regions import label_regions

COLOURED = 1e-4
"""Share of pixels from which on an image carries colour; a dozen pixels of a line, and more than JPEG makes of grey."""
WHOLLY_COLOURED = 0.5
"""Share from which on it is a picture in colour, and no drawing on a grey one."""

_COLOUR = 40
"""Difference between the channels of a coloured pixel, 0..255."""
_BRIGHT, _BRIGHTER = 130, 60
"""Grey level of letters, 0..255, and how much above what is usual beside the body: air may be grey, and noisy."""
_SMALLEST, _LARGEST = 0.012, 0.06
"""Height of letters, as shares of the image's shorter side; at least five pixels."""
_FEWEST = 3
"""Letters of a line: fewer happen by chance."""

Mask = NDArray[np.bool_]


class Marks(NamedTuple):
    """What was drawn into an image.

    Attributes:
        coloured: Share of the pixels that are coloured, 0..1.
        letters: Number of letters beside the body, in lines of three or more.
    """

    coloured: float
    letters: int

    @property
    def is_coloured(self) -> bool:
        """Whether there are coloured marks on what is grey else."""
        return COLOURED <= self.coloured < WHOLLY_COLOURED


def find_marks(pixels: NDArray[np.uint8]) -> Marks:
    """Look for coloured pixels, and for letters that are bright on what is dark beside the body.

    Letters are regions of bright pixels, of the height of letters and not much wider, of which at least three of about
    the same height stand in a line.

    Args:
        pixels: uint8 [H, W, 3], RGB 0..255, of any size.
    """
    red, green, blue = pixels.transpose(2, 0, 1)  # many times faster than extremes along the last axis
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    coloured = float((highest - lowest > _COLOUR).mean())
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    outside = find_outside(grey)
    level = max(_BRIGHT, float(np.median(grey[outside])) + _BRIGHTER) if outside.any() else _BRIGHT
    return Marks(coloured, _count_letters((grey >= level) & outside))


def _count_letters(bright: Mask) -> int:
    shorter = min(bright.shape)
    if not bright.any():
        return 0
    labels = label_regions(bright)
    rows, columns = np.nonzero(labels)
    _, region = np.unique(labels[rows, columns], return_inverse=True)
    count = int(region.max()) + 1
    top, left = np.full(count, bright.shape[0]), np.full(count, bright.shape[1])
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, region, rows)
    np.minimum.at(left, region, columns)
    np.maximum.at(bottom, region, rows)
    np.maximum.at(right, region, columns)
    height, width = bottom - top + 1, right - left + 1
    fill = np.bincount(region) / (height * width)
    like = (height >= max(5, _SMALLEST * shorter)) & (height <= _LARGEST * shorter)
    like &= (width <= 1.6 * height) & ((fill < 0.9) | (width < height / 2))
    top, left, bottom, right, height = (each[like] for each in (top, left, bottom, right, height))
    # Neighbours in a line: about as high, on one baseline, and no more than a letter apart.
    higher = np.maximum(height[:, None], height)
    gaps = left[None] - right[:, None]
    gaps = np.maximum(gaps, gaps.T)
    beside = (np.abs(bottom[:, None] - bottom) <= 0.3 * higher) & (np.abs(height[:, None] - height) <= 0.4 * higher)
    beside &= (gaps >= 0) & (gaps <= 1.2 * higher)
    np.fill_diagonal(beside, val=True)
    return _in_lines(beside)


def _in_lines(beside: Mask) -> int:
    """Number of letters that stand in lines of at least three."""
    line = np.arange(len(beside))
    while (joined := np.where(beside, line, line[:, None]).min(axis=1, initial=len(beside))).tolist() != line.tolist():
        line = joined
    sizes = np.bincount(line, minlength=1)
    return int(sizes[sizes >= _FEWEST].sum())
