"""The evidence map as a picture to lay over the slice."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.frame import SIDE, Frame

Cells = NDArray[np.float64]

_FOR = (255, 122, 0)  # orange and blue differ for the colour-blind too; app.css has the same two in the legend
_AGAINST = (47, 123, 255)
_OPAQUE = 230.0


def draw_evidence(cells: Cells, frame: Frame) -> NDArray[np.uint8]:
    """Draw where in the image the log-odds of a class come from.

    Args:
        cells: What each cell of what the network saw adds to the log-odds of the class, [h, w].
        frame: The part of the image that the network saw.

    Returns:
        `[224, 224, 4]` uint8 RGBA, to be stretched over the whole image: orange speaks for the class, blue against it;
        opaque at the image's strongest cell, transparent where there is no evidence.
    """
    strongest = np.abs(cells).max()
    shares = cells / strongest if strongest > 0 else cells
    seen = Image.fromarray(shares.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    smooth = np.asarray(_lay_over_image(seen, frame)).clip(-1, 1)
    picture = np.empty((SIDE, SIDE, 4), np.uint8)
    picture[..., :3] = np.where(smooth[..., np.newaxis] > 0, _FOR, _AGAINST)
    picture[..., 3] = np.abs(smooth) * _OPAQUE
    return picture


def cover(picture: Image.Image, evidence: NDArray[np.uint8]) -> Image.Image:
    """Lay a drawn map over a picture of any size.

    Args:
        picture: The slice, RGB.
        evidence: What `draw_evidence` gave.

    Returns:
        Both, RGB, as large as the picture.
    """
    covered = picture.convert("RGBA")
    covered.alpha_composite(Image.fromarray(evidence).resize(picture.size))
    return covered.convert("RGB")


def place_of(number: int, shape: tuple[int, ...], frame: Frame) -> str:
    """Say in which ninth of an image a cell lies, by its middle.

    Args:
        number: Of the cell, row by row.
        shape: Rows and columns of cells.
        frame: The part of the image that they cover.

    Returns:
        E.g. "upper left", "middle right", "lower centre" or "centre"; left and right are those of the picture.
    """
    row, column = np.unravel_index(number, shape)
    down = frame.top + (row + 0.5) / shape[0] * (frame.bottom - frame.top)
    across = frame.left + (column + 0.5) / shape[1] * (frame.right - frame.left)
    words = (
        names[int(np.clip(position * 3, 0, 2))]
        for names, position in ((("upper", "middle", "lower"), down), (("left", "centre", "right"), across))
    )
    return " ".join(words).replace("middle centre", "centre")


def _lay_over_image(seen: Image.Image, frame: Frame) -> Image.Image:
    """Move what was drawn over the network's input to where that lies in the image; 0 outside of it."""
    width, height = frame.right - frame.left, frame.bottom - frame.top
    corners = -frame.left / width, -frame.top / height, (1 - frame.left) / width, (1 - frame.top) / height
    extent = tuple(corner * SIDE for corner in corners)
    return seen.transform((SIDE, SIDE), Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR)
