"""Elements of a DICOM file as text and numbers, and as messages name them."""

import math
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from chest_cancer.imaging.pixels import UnreadableImageError

CURE = "correct the element, or save the file as PNG"
_TEXT_VRS = (None, "DS", "IS", "LO", "SH", "UN")
_LONGEST_VALUE = 64


def name_of(keyword: str) -> str:
    """Return an element's keyword and tag: `Modality (0008,0060)`."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{keyword} ({tag.group:04X},{tag.element:04X})"


def shown(value: str) -> str:
    """Return an element's value as one short line."""
    return " ".join(value.split())[:_LONGEST_VALUE]


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return an element's text, several values joined by backslashes, or an empty text where there is none."""
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | list):
        return "\\".join(str(item) for item in value)
    return "" if value is None else str(value)


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an element, or None where it is missing or empty.

    The text is read here: pydicom refuses what some devices write, such as `-1024,`.

    Raises:
        UnreadableImageError: It is no finite number.
    """
    tag = Tag(keyword)
    if tag not in dataset:
        return None
    element: Any = dataset.get_item(tag)
    if isinstance(element, RawDataElement) and element.VR in _TEXT_VRS:
        value: object = (element.value or b"").decode("ascii", "replace").split("\\")[0]
    else:
        value = dataset[tag].value
        if isinstance(value, MultiValue | list):
            value = value[0] if value else None
    text = "" if value is None else str(value).strip(" \0,;")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnreadableImageError(f"DICOM {name_of(keyword)} is {shown(text)}: expected a number; {CURE}")
    return number
