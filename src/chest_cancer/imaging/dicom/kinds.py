"""Which DICOM images are slices to train on or to classify: CT slices and radiographs, and nothing beside them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from chest_cancer.imaging.dicom.elements import name_of, numbers_of, readable_text_of, shown, text_of
from chest_cancer.imaging.lungs import find_lungs
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.planes import Side, left_edge_of, plane_of

_MODALITIES = ("CT", "CR", "DX")
_SOP_CLASSES = (
    uid.CTImageStorage,
    uid.EnhancedCTImageStorage,
    uid.LegacyConvertedEnhancedCTImageStorage,
    uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
)
# Images that scanners write beside the slices, under the same modality and SOP class.
_NO_SLICES = ("LOCALIZER", "SCOUT", "DOSE_INFO", "DOSE", "SCREEN SAVE", "PATIENT PROTOCOL")
# Other quantities than Hounsfield units. Not the other way round: scanners write "Houndsfield Unit", too.
_OTHER_QUANTITIES = ("OD", "HGML", "PCT", "MGML", "Z_EFF", "ED", "EDW")
_ORIENTATION = "ImageOrientationPatient"
# What BodyPartExamined may name beside others: `CHESTABDPELVIS`, `WHOLEBODY`.
_CHEST = ("CHEST", "THORA", "LUNG", "HEART", "MEDIASTIN", "TRUNK", "TORSO", "BODY")
_CURE = "leave it out, or save it as PNG if it is meant"


def require_image(dataset: Dataset) -> None:
    """Raise `UnreadableImageError` where a file holds no image; `dataset` has SOPClassUID, where the file has it."""
    if missing := [keyword for keyword in ("PixelData", "Rows", "Columns") if keyword not in dataset]:
        kind = uid.UID(text_of(dataset, "SOPClassUID")[:64]).name or "of no SOP class"
        raise UnreadableImageError(
            f"DICOM file without an image ({kind}, no {', '.join(missing)}); expected a CT slice"
        )


def require_slice(dataset: Dataset) -> None:
    """Raise `UnreadableImageError` unless an image is a CT slice or a radiograph, as far as its elements say.

    Args:
        dataset: With Modality, SOPClassUID, ImageType, PhotometricInterpretation and RescaleType, where the file has
            them; what is missing says nothing.
    """
    modality = text_of(dataset, "Modality")
    if modality and modality not in _MODALITIES:
        raise _refusal("Modality", modality, "one of " + ", ".join(_MODALITIES))
    sop_class = text_of(dataset, "SOPClassUID")
    if sop_class and sop_class not in _SOP_CLASSES:
        raise _refusal("SOPClassUID", uid.UID(sop_class).name, "a CT or X-ray image")
    image_type = text_of(dataset, "ImageType")
    if any(value.strip().upper() in _NO_SLICES for value in image_type.split("\\")):
        raise _refusal("ImageType", image_type, "a slice")
    if modality != "CT":
        return
    photometric = text_of(dataset, "PhotometricInterpretation")
    if not photometric.startswith("MONOCHROME"):
        raise _refusal("PhotometricInterpretation", photometric, "grey values of a CT slice, no screen picture")
    rescale_type = text_of(dataset, "RescaleType")
    if rescale_type in _OTHER_QUANTITIES:
        raise _refusal("RescaleType", rescale_type, "Hounsfield units (HU)")


def require_axial(dataset: Dataset) -> None:
    """Raise `UnreadableImageError` for a slice that lies in another plane.

    Args:
        dataset: With ImageOrientationPatient, where the file has it; what is missing or none says nothing.
    """
    directions = _directions(dataset)
    if directions is None:
        return
    normal = np.cross(*directions)
    length = np.linalg.norm(normal)
    if length > 0 and (plane := plane_of(normal / length)) != "axial":
        raise _refusal(_ORIENTATION, f"{plane}, {text_of(dataset, _ORIENTATION)}", "an axial slice")


def left_edge(dataset: Dataset) -> Side | None:
    """Say which side of the patient is at the left edge of an axial slice; None where the file doesn't say."""
    directions = _directions(dataset)
    return None if directions is None else left_edge_of(directions[0])


def _directions(dataset: Dataset) -> NDArray[np.float64] | None:
    """Vectors along a row and along a column, [2, 3]; None where the file has none, or none that can be read."""
    try:
        return np.reshape(numbers_of(dataset, _ORIENTATION, 6), (2, 3))
    except UnreadableImageError:
        return None


def require_chest(dataset: Dataset, hounsfield: NDArray[Any] | None) -> None:
    """Raise `UnreadableImageError` for a picture of another part of the body.

    The element is set by hand, or by the scanner's programme: a slice that shows lung is one, whatever it says.

    Args:
        dataset: With BodyPartExamined, where the file has it; what is missing or malformed says nothing.
        hounsfield: `[H, W]`, of a CT slice.
    """
    keyword = "BodyPartExamined"
    part = readable_text_of(dataset, keyword).upper()
    if not part or any(name in part for name in _CHEST):
        return
    if hounsfield is None or not find_lungs(hounsfield).seen:
        without = "" if hounsfield is None else ", and the slice shows no lung"
        raise _refusal(keyword, part + without, "the chest")


def _refusal(keyword: str, value: str, expected: str) -> UnreadableImageError:
    return UnreadableImageError(f"DICOM {name_of(keyword)} is {shown(value)}: expected {expected}; {_CURE}")
