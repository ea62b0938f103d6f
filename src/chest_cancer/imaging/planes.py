"""In which plane slices lie, by the unit vector across them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Plane = Literal["axial", "coronal", "sagittal", "oblique"]

Side = Literal["left", "right"]

LARGEST_TILT = 35.0
"""Degrees by which slices may lean out of their plane: gantries tilt by up to 30."""
_PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")  # By the axis that their normal is nearest to: x, y or z.


def plane_of(normal: NDArray[np.float64]) -> Plane:
    """Say in which plane slices lie.

    Args:
        normal: Unit vector across them: x to the patient's left, y to the back, z to the head.
    """
    nearest = int(np.abs(normal).argmax())
    return _PLANES[nearest] if degrees_off(normal, nearest) <= LARGEST_TILT else "oblique"


def left_edge_of(along: NDArray[np.float64]) -> Side | None:
    """Say which side of the patient is at the left edge of axial slices.

    Args:
        along: Vector along a row, from the left of the picture to its right, in the directions of `plane_of`.

    Returns:
        The side, as radiologists look the patient's right; None where rows run from front to back or have no length.
    """
    across = float(along[0])
    # Negated, so that what is not a number says nothing.
    if not abs(across) > np.linalg.norm(along) * np.cos(np.radians(LARGEST_TILT)):
        return None
    return "right" if across > 0 else "left"


def degrees_off(normal: NDArray[np.float64], axis: int) -> float:
    """Measure the angle between a unit vector and an axis, in degrees."""
    return float(np.degrees(np.arccos(min(abs(normal[axis]), 1.0))))
