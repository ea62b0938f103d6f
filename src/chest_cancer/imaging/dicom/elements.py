"""Elements of a DICOM file as text and numbers, and as messages name them."""

import contextlib
import math
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from chest_cancer.imaging.pixels import UnreadableImageError

CURE = "correct the element, or save the file as PNG"
_TEXT_VRS = ("DS", "IS", "LO", "SH")
_UNSAID_VRS = (None, "UN")  # of files with implicit VR, and of elements that a device didn't know
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


def readable_text_of(dataset: Dataset, keyword: str) -> str:
    """Return an element's text, or an empty one where it is missing or malformed: no picture is refused for it."""
    with contextlib.suppress(Exception):  # pydicom raises nearly anything on values that are none of their kind
        return text_of(dataset, keyword).strip(" \0")
    return ""


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an element, or None where it is missing or empty.

    Raises:
        UnreadableImageError: It is no finite number.
    """
    text = next(iter(_texts_of(dataset, keyword)), "")
    return _number(keyword, text) if text else None


def numbers_of(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Return all values of an element.

    Raises:
        UnreadableImageError: It is missing, has another number of values, or one that is no finite number.
    """
    texts = _texts_of(dataset, keyword)
    if len(texts) != count:
        value = shown("\\".join(texts)) or "missing"
        raise UnreadableImageError(f"DICOM {name_of(keyword)} is {value}: expected {count} numbers; {CURE}")
    return tuple(_number(keyword, text) for text in texts)


def _texts_of(dataset: Dataset, keyword: str) -> list[str]:
    """Return an element's values, none where it is missing or empty.

    The text is read here: pydicom refuses what some devices write, such as `-1024,`.
    """
    tag = Tag(keyword)
    if tag not in dataset:
        return []
    element: Any = dataset.get_item(tag)
    values: Any
    vr = dictionary_VR(tag) if element.VR in _UNSAID_VRS else element.VR
    if isinstance(element, RawDataElement) and vr in _TEXT_VRS:
        values = (element.value or b"").decode("ascii", "replace").split("\\")
    else:
        values = dataset[tag].value
        if not isinstance(values, MultiValue | list):
            values = [values]
    texts = ["" if value is None else str(value).strip(" \0,;") for value in values]
    return texts if any(texts) else []


def _number(keyword: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnreadableImageError(f"DICOM {name_of(keyword)} is {shown(text)}: expected a number; {CURE}")
    return number
