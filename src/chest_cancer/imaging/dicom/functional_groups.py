"""Functional groups of multi-frame DICOM: what single-frame files say outside of any group."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from chest_cancer.imaging.dicom.elements import CURE, name_of
from chest_cancer.imaging.pixels import UnreadableImageError

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
_KINDS = (Tag(_SHARED), Tag(_PER_FRAME))
_GROUPS = (
    "FrameContentSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
)


def of_frame(dataset: Dataset, frame: int) -> Dataset:
    """Put what functional groups say of a frame beside the other elements.

    Args:
        dataset: A file's elements.
        frame: Number of the frame, from 0.

    Returns:
        The same elements without the groups, and what shared groups and the frame's own hold in place of what stood
        there. A file without groups keeps its elements.

    Raises:
        UnreadableImageError: Groups are no sequence.
    """
    elements = Dataset()
    elements.update({tag: element for tag, element in dataset.items() if tag not in _KINDS})
    elements.set_original_encoding(*dataset.original_encoding)
    for kind, index in ((_SHARED, 0), (_PER_FRAME, frame)):
        for groups in _items(dataset, kind)[index : index + 1]:
            for name in _GROUPS:
                for group in _items(groups, name)[:1]:
                    elements.update(group)
    return elements


def _items(dataset: Dataset, keyword: str) -> Sequence:
    items = dataset.get(keyword) or Sequence()
    if not isinstance(items, Sequence):
        raise UnreadableImageError(f"DICOM {name_of(keyword)} is no sequence; {CURE}")
    return items
