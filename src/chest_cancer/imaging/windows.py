"""Windows: which Hounsfield units are black and which are white.

The usual window of a file is that of soft tissue, in which lungs are black. So a slice keeps its Hounsfield units until
the window is chosen, and that is the same for all: by `feature_extraction.standardisation.window`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.grey import fill_with_air
from chest_cancer.imaging.pixels import DecodedImage, grey_to_rgb, scale
from chest_cancer.parameters.values import Window

WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"lung": (-600.0, 1500.0), "mediastinum": (40.0, 400.0), "bone": (400.0, 1800.0)}
)
"""Level and width by name, in Hounsfield units."""


def see(image: DecodedImage, chosen: Window) -> NDArray[np.uint8]:
    """Take what is to be seen of an image.

    Args:
        image: As it was decoded.
        chosen: For Hounsfield units: a name of `WINDOWS`; `three` for all of them, each in a channel; `file` for the
            window that the file names, and that of the lung where it names none; or level and width.

    Returns:
        RGB 0..255, uint8 [H, W, 3]. A picture as it is.
    """
    if image.hounsfield is None or chosen == "lung":
        return image.pixels
    if chosen == "three":
        return np.stack([through(image.hounsfield, *each) for each in WINDOWS.values()], axis=2)
    if chosen == "file":
        chosen = image.own_window or "lung"
    return grey_to_rgb(through(image.hounsfield, *(WINDOWS[chosen] if isinstance(chosen, str) else chosen)))


def through(hounsfield: NDArray[Any], level: float, width: float) -> NDArray[np.uint8]:
    """Map Hounsfield units to 0..255: those up to half the width below the level to 0, those as far above it to 255.

    Args:
        hounsfield: Of any shape; below -1024 and NaN count as air.
        level: Hounsfield units in the middle of the window.
        width: Hounsfield units from black to white, above 0.
    """
    return scale(fill_with_air(hounsfield), level - width / 2, level + width / 2)


def see_lungs(hounsfield: NDArray[Any]) -> NDArray[np.uint8]:
    """Show Hounsfield units [H, W] through the lung window, as RGB."""
    return grey_to_rgb(through(hounsfield, *WINDOWS["lung"]))
