"""Where a CT slice lies, by the elements of its file or frame."""

import numpy as np
from pydicom.dataset import Dataset

from chest_cancer.imaging.dicom.elements import CURE, name_of, numbers_of, readable_text_of, shown, text_of
from chest_cancer.imaging.pixels import ImagePlane, UnreadableImageError

GEOMETRY = ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "AcquisitionNumber")
"""The elements that say it."""

_TOLERANCE = 0.01
_FARTHEST, _WIDEST = 100_000.0, 100.0  # mm, of a position and of a pixel


def image_plane_of(elements: Dataset) -> ImagePlane:
    """Read where a slice lies.

    Args:
        elements: Those of a file, and of its frame (`functional_groups.of_frame`).

    Raises:
        UnreadableImageError: An element is missing, or says nothing that can be.
    """
    orientation = numbers_of(elements, "ImageOrientationPatient", 6)
    along, down = np.reshape(orientation, (2, 3))
    lengths = np.array([along @ along, down @ down])
    if np.abs(lengths - 1).max() > _TOLERANCE or abs(along @ down) > _TOLERANCE:
        raise _refusal("ImageOrientationPatient", orientation, "two unit vectors at right angles")
    spacing = numbers_of(elements, "PixelSpacing", 2)
    if not 0 < min(spacing) <= max(spacing) <= _WIDEST:
        raise _refusal("PixelSpacing", spacing, f"millimetres above 0, up to {_WIDEST:.0f}")
    corner = numbers_of(elements, "ImagePositionPatient", 3)
    if np.abs(corner).max() > _FARTHEST:
        raise _refusal("ImagePositionPatient", corner, "millimetres of a scanner's room")
    acquisition = text_of(elements, "FrameAcquisitionNumber") or text_of(elements, "AcquisitionNumber")
    return ImagePlane(orientation, spacing, corner, acquisition, shown(readable_text_of(elements, "ImageType")))


def _refusal(keyword: str, values: tuple[float, ...], expected: str) -> UnreadableImageError:
    value = shown("\\".join(f"{value:g}" for value in values))
    return UnreadableImageError(f"DICOM {name_of(keyword)} is {value}: expected {expected}; {CURE}")
