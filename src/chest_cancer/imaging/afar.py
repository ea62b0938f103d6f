"""How an image looks from so far away that no anatomy can be seen."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Looks = dict[str, NDArray[np.float32]]

_BINS = 16
_THUMBNAIL = 8
_FRAME, _BORDER = 32, 2


def look_from_afar(grey: Image.Image) -> Looks:
    """Describe an image from afar.

    Args:
        grey: Of mode L, of any size.

    Returns:
        `brightness`, shares of 16 grey levels [16]; `thumbnail`, grey [64]; `border`, grey pixels 0..255 of a frame 2
        pixels wide around the image at 32 x 32, [240].
    """
    frame = np.asarray(grey.resize((_FRAME, _FRAME), Image.Resampling.BOX))
    inside = np.zeros_like(frame, dtype=bool)
    inside[_BORDER:-_BORDER, _BORDER:-_BORDER] = True
    counts = np.array(grey.histogram()).reshape(_BINS, -1).sum(axis=1)
    thumbnail = np.asarray(grey.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)).ravel()
    looks = {"brightness": counts / counts.sum(), "thumbnail": thumbnail, "border": frame[~inside]}
    return {name: look.astype(np.float32) for name, look in looks.items()}
