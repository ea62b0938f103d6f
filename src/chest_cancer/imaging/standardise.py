"""From decoded pixels to the network's input: the one way in training, evaluation, batch prediction and on the web."""

from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chest_cancer.imaging.body import find_body
from chest_cancer.imaging.frame import SIDE, WHOLE_IMAGE, Frame
from chest_cancer.imaging.pixels import grey_to_rgb, scale
from chest_cancer.parameters.blocks import StandardisationParameters

Pixels = NDArray[np.uint8]

PREPROCESSING_VERSION = 2
"""Changes with every change of decoding or standardising that changes pixels."""

SAME_PIXELS_SINCE = {"8 bits": 1}
"""By `DecodedImage.scaling`: the first version that gave the pixels of today; where none is named, the last."""

_PERCENTILES = (1, 99)


class Standardised(NamedTuple):
    """The network's input, and where in the image it lies.

    Attributes:
        pixels: uint8 [224, 224, 3], RGB 0..255.
        frame: The square (in pixels of the image) that was scaled to it, or the whole image without a crop.
    """

    pixels: Pixels
    frame: Frame


def standardise(pixels: Pixels, parameters: StandardisationParameters) -> Standardised:
    """Make an image the network's input.

    Args:
        pixels: Decoded image through `parameters.window`, uint8 [H, W, 3], RGB 0..255.
        parameters: What is done to frame and brightness.

    Returns:
        The input, by Pillow's bilinear filter, which averages when it shrinks. Without a crop the whole image is
        squeezed into the square; with one its aspect is kept, and what is missing to a square is filled with the
        image's background. Grey where `parameters.brightness` is not `none`.
    """
    square, frame = _body_in_square(pixels) if parameters.crop == "body" else (_squeeze(pixels), WHOLE_IMAGE)
    if parameters.brightness == "none":
        return Standardised(square, frame)
    grey = Image.fromarray(square).convert("L")
    darkest, brightest = grey.getextrema()
    # Where there is no contrast, none is adjusted: CLAHE would draw its tiles.
    adjusted = np.asarray(grey) if darkest == brightest else _ADJUST[parameters.brightness](grey)
    return Standardised(grey_to_rgb(adjusted), frame)


def preprocessing_key(parameters: StandardisationParameters) -> str:
    """Name everything between a file and the network's input, for keys of stored features.

    Args:
        parameters: What is done to frame and brightness.

    Returns:
        E.g. `2-percentile-body` and, through another window than that of the lung, `2-percentile-body-mediastinum`; the
        same exactly where the same file gives the same pixels.
    """
    key = f"{PREPROCESSING_VERSION}-{parameters.brightness}-{parameters.crop}"
    match parameters.window:
        case "lung":
            return key
        case str() as name:
            return f"{key}-{name}"
        case (level, width):
            return f"{key}-{level:g}/{width:g}"


def check_available(parameters: StandardisationParameters) -> None:
    """Raise where a package is missing that this standardisation needs.

    Raises:
        ValueError: CLAHE without scikit-image, which an installation for serving does not have.
    """
    if parameters.brightness == "clahe" and find_spec("skimage") is None:
        raise ValueError(
            "This classifier was trained with `feature_extraction.standardisation.brightness=clahe`: expected "
            "scikit-image to be installed. Received: no such package. Install scikit-image beside chest_cancer, or "
            "train again with another brightness."
        )


def _squeeze(pixels: Pixels) -> Pixels:
    return np.array(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _body_in_square(pixels: Pixels) -> Standardised:
    body = find_body(pixels)
    left, top, right, bottom = body.box
    longest = max(right - left, bottom - top)
    width, height = (max(round(SIDE * length / longest), 1) for length in (right - left, bottom - top))
    # Scaled before it is padded: the square around a long strip would not fit into memory.
    scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box=body.box)
    square = Image.new("RGB", (SIDE, SIDE), body.background)
    square.paste(scaled, ((SIDE - width) // 2, (SIDE - height) // 2))
    return Standardised(np.array(square), _square_around(body.box, pixels.shape[1], pixels.shape[0]))


def _square_around(box: tuple[int, int, int, int], width: int, height: int) -> Frame:
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    across, down = (side - (right - left)) / 2, (side - (bottom - top)) / 2
    return Frame((left - across) / width, (top - down) / height, (right + across) / width, (bottom + down) / height)


def _percentile(grey: Image.Image) -> Pixels:
    values = np.asarray(grey)
    low, high = np.percentile(values, _PERCENTILES)
    return scale(values, float(low), float(high))


def _equalise(grey: Image.Image) -> Pixels:
    return np.asarray(ImageOps.equalize(grey))


def _clahe(grey: Image.Image) -> Pixels:
    """Contrast-limited adaptive histogram equalisation (Pizer et al., 1987), as scikit-image has it by default."""
    # Imported on use: an installation for serving has no scikit-image, see `check_available`.
    from skimage.exposure import equalize_adapthist

    return scale(equalize_adapthist(np.asarray(grey)), 0.0, 1.0)


_ADJUST = {"percentile": _percentile, "equalise": _equalise, "clahe": _clahe}
