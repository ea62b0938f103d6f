"""A short text that tells what a file shows, so that the same picture is found again in another dress.

The network's embedding does not: a drawn line moves it further than another patient's slice. The text is a small grey
picture without its bright frame; `imaging/same_picture.py` compares two of them.
"""

import base64
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.body import find_inside

SIDE = 32
"""Cells on each side."""
_DIGITS = len(base64.b64encode(bytes(SIDE * SIDE)))


def perceptual_hash(pixels: NDArray[np.uint8]) -> str:
    """Describe what a picture shows on a coarse grid, whatever its size and shape.

    Args:
        pixels: `[H, W, 3]` uint8, RGB 0..255.

    Returns:
        1,368 characters: 32 x 32 grey levels in base 64.
    """
    grey = Image.fromarray(pixels).convert("L")
    # Unlike a box filter, this one gives mirrored pictures mirrored, at any size.
    small = grey.resize((SIDE, SIDE), Image.Resampling.HAMMING, box=find_inside(grey))
    return base64.b64encode(small.tobytes()).decode()


def pictures_of(hashes: Collection[str]) -> NDArray[np.uint8]:
    """Turn hashes back into small grey pictures.

    Args:
        hashes: n results of `perceptual_hash`.

    Returns:
        Grey levels 0..255, [n, 32, 32].

    Raises:
        ValueError: A text is no such hash.
    """
    pictures = np.empty((len(hashes), SIDE * SIDE), dtype=np.uint8)
    for picture, text in zip(pictures, hashes, strict=True):
        if len(text) != _DIGITS:
            raise ValueError(
                f"Perceptual hash: expected {_DIGITS} characters. Received: {len(text)} (`{text[:16]}`), as an older "
                "version wrote. Run `data_ingestion` again."
            )
        picture[:] = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return pictures.reshape(-1, SIDE, SIDE)
