"""Parts of an image, blacked out: what is left of the network's input."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.chest import Chest
from chest_cancer.imaging.frame import SIDE, Frame
from chest_cancer.imaging.standardise import Standardised

REGIONS = {
    "whole": "whole image",
    "body": "outside of the body blacked out",
    "without lungs": "lungs blacked out, too",
    "lungs": "lungs only",
}
"""What is left of an image, by name."""
BLACKENING_VERSION = 1
"""Changes with every change, here or in `imaging/chest.py`, that blacks out other pixels: stored features go by it."""

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


def blacken(whole: Standardised, chest: Chest) -> dict[str, Pixels]:
    """Black out parts of the network's input.

    Args:
        whole: The input, and where in the image it lies.
        chest: Where body and lungs are in the image.

    Returns:
        What is left, uint8 [224, 224, 3] for each of `REGIONS`.
    """
    body, lungs = (_shown(mask, whole.frame) for mask in chest)
    kept = {"whole": np.ones_like(body), "body": body, "without lungs": body & ~lungs, "lungs": body & lungs}
    return {name: np.where(kept[name][..., None], whole.pixels, np.uint8(0)) for name in REGIONS}


def _shown(mask: Mask, frame: Frame) -> Mask:
    """Show a mask in the network's frame, [224, 224]; what lies beyond the image is False."""
    height, width = mask.shape
    box = frame.left * width, frame.top * height, frame.right * width, frame.bottom * height
    picture = Image.fromarray(mask.astype(np.uint8)).transform((SIDE, SIDE), Image.Transform.EXTENT, box)
    return np.asarray(picture, dtype=bool)
