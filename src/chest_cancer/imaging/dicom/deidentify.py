"""DICOM files without whom they show: only the elements that are read, and hashes in place of identifiers.

A list of what is kept, not of what is taken out: PS3.15, annex E, has hundreds of elements that may identify, and
private ones may as well. What is burnt into the pixels stays.
"""

from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from chest_cancer.imaging.dicom.elements import CURE, name_of, text_of
from chest_cancer.imaging.dicom.read import ELEMENTS, read_elements
from chest_cancer.imaging.dicom.write import write_file
from chest_cancer.imaging.pixels import UnreadableImageError

_HASHED = {
    "PatientID": "patient",
    "StudyInstanceUID": "study",
    "SeriesInstanceUID": "series",
    "InstitutionName": "site",
}
# What describes the scan and groups of patients, beside what the decoder reads.
DESCRIBING = (
    *("PatientSex", "PatientAge", "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "ConvolutionKernel"),
    *("KVP", "SliceThickness", "SpacingBetweenSlices", "PixelSpacing", "GantryDetectorTilt"),
    *("ImageOrientationPatient", "ImagePositionPatient", "AcquisitionNumber", "InstanceNumber"),
)
_SEQUENCES = [
    *("ModalityLUTSequence", "VOILUTSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
]
_INSIDE_SEQUENCES = (
    *("PixelValueTransformationSequence", "FrameVOILUTSequence", "PixelMeasuresSequence", "PlanePositionSequence"),
    *("PlaneOrientationSequence", "FrameContentSequence", "FrameAcquisitionNumber"),
    *("LUTDescriptor", "ModalityLUTType", "LUTData"),
)
_KEPT = [*ELEMENTS, *map(Tag, DESCRIBING)]
_KEPT_INSIDE = {*_KEPT, *map(Tag, _INSIDE_SEQUENCES)}


def hide_identifiers(data: bytes, max_bytes: int, hashed: Callable[[str, str], str]) -> bytes:
    """Write one DICOM file anew, without whom it shows.

    Args:
        data: The whole file.
        max_bytes: Most bytes that a deflated file may inflate to.
        hashed: Takes `patient`, `study`, `series` or `site` and an identifier, and returns what is kept in its place.

    Returns:
        A file with the same pixels and the same elements, of those that are read.

    Raises:
        UnreadableImageError: A transfer syntax that nobody knows, too many bytes, or no sequence where one belongs.
        Exception: Anything that pydicom raises on damaged files.
    """
    dataset, syntax = read_elements(data, max_bytes, [*_KEPT, *map(Tag, _HASHED)])
    for keyword in _SEQUENCES:
        if keyword in dataset:
            _clear_items(dataset, keyword)
    for keyword, kind in _HASHED.items():
        if identifier := text_of(dataset, keyword).strip(" \0"):
            setattr(dataset, keyword, hashed(kind, identifier))
    say_identity_is_removed(dataset)
    # As it was read, whatever the transfer syntax claims: elements that nobody touched are written byte by byte.
    is_implicit, is_little_endian = dataset.original_encoding
    named = ExplicitVRLittleEndian if syntax == DeflatedExplicitVRLittleEndian else syntax
    return write_file(dataset, named, is_implicit=bool(is_implicit), is_little_endian=bool(is_little_endian))


def say_identity_is_removed(dataset: Dataset) -> None:
    """Put into a file that it says no longer whom it shows."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "only elements that are read, identifiers as keyed hashes"


def _clear_items(dataset: Dataset, keyword: str) -> None:
    """Take out of the items of a sequence, at any depth, what is not listed."""
    items = dataset[keyword].value
    if not isinstance(items, Sequence):
        raise UnreadableImageError(f"DICOM {name_of(keyword)} is no sequence; {CURE}")
    for item in items:
        for tag in list(item.keys()):
            if tag not in _KEPT_INSIDE:
                del item[tag]
            elif item[tag].VR == "SQ":
                _clear_items(item, item[tag].keyword)
