"""The thumbnail in which body and lungs are looked for: thin lines, small letters, vessels and noise fade in it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.grey import fill_with_air

SIDE = 128
"""Cells along either side."""


def shrink(picture: Image.Image) -> Image.Image:
    """Make a picture, of any size, 128 x 128 cells: each the mean of what it covers."""
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


def shrink_hounsfield(hounsfield: NDArray[Any]) -> NDArray[np.float32]:
    """Make a slice 128 x 128 cells.

    Args:
        hounsfield: `[rows, columns]`, Hounsfield units; what lies outside of the scanner's field is air.

    Returns:
        `[128, 128]`, Hounsfield units.
    """
    return np.asarray(shrink(Image.fromarray(fill_with_air(hounsfield).astype(np.float32))))
