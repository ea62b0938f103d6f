"""Pictures inside pages, which then load nothing from elsewhere."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture_url(picture: Image.Image, *, lossless: bool) -> str:
    """Write a picture into a data URL.

    Args:
        picture: Grey, RGB or, where it is lossless, RGBA.
        lossless: Write a PNG, fast; else a JPEG, which is smaller.
    """
    file = io.BytesIO()
    if lossless:
        picture.save(file, "PNG", compress_level=3)
    else:
        picture.save(file, "JPEG", quality=85)
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def thumbnail_url(pixels: NDArray[np.uint8], side: int = 96) -> str:
    """Make a small picture in a data URL.

    Args:
        pixels: RGB, uint8 [H, W, 3].
        side: Largest width and height, in pixels.
    """
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    return picture_url(picture, lossless=False)
