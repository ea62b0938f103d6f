"""A short text that tells whether two files show the same picture, even mirrored, re-encoded, resized or drawn upon.

The network's embedding does not: a drawn line moves it further than another patient's slice. A difference hash does
(Krawetz, 2013, "Kind of like that"), here with three signs instead of two, so that empty background does not count as
agreement.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 17
_STEPS = _SIDE * (_SIDE - 1)
_FLAT = 1
"""Grey levels: a step that small is noise of the compression."""


def perceptual_hash(pixels: NDArray[np.uint8]) -> str:
    """Describe where a picture gets brighter and where darker, on a coarse grid.

    Args:
        pixels: `[H, W, 3]` uint8, RGB 0..255.

    Returns:
        272 hexadecimal digits.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    levels = np.asarray(grey, dtype=np.int16)
    steps = np.concatenate([np.diff(levels, axis=1).ravel(), np.diff(levels, axis=0).ravel()])
    return np.packbits([steps > _FLAT, steps < -_FLAT], axis=1).tobytes().hex()


def hash_vectors(hashes: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn hashes into vectors whose product is the similarity of two pictures: 1 for the same, 0 for unrelated ones.

    Args:
        hashes: n results of `perceptual_hash`.

    Returns:
        Unit vectors of the pictures and of their mirror images, each [n, 544]; zeros for a picture of one colour.
    """
    planes = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), 2, _STEPS // 4)
    brighter, darker = np.unpackbits(planes, axis=2).astype(np.float32).transpose(1, 0, 2)
    signs = brighter - darker
    signs /= np.sqrt(np.maximum(np.count_nonzero(signs, axis=1, keepdims=True), 1))
    across = signs[:, :_STEPS].reshape(-1, _SIDE, _SIDE - 1)
    down = signs[:, _STEPS:].reshape(-1, _SIDE - 1, _SIDE)
    flat = (len(hashes), _STEPS)
    mirrored = np.concatenate([-across[:, :, ::-1].reshape(flat), down[:, :, ::-1].reshape(flat)], axis=1)
    return signs, mirrored
