"""What a folder's name alone says: a split, masks, a mere wrapper, a copy, a patient."""

import re
import unicodedata

_SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_FILLERS = {"set", "data", "dataset", "images", "image", "imgs", "split", "folder"}
_MASKS = ("mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "groundtruth", "contours")
_MASKS_ALONE = {"labels", "gt", "bboxes", "boundingboxes", "xmls"}
_WRAPPERS = {
    *("images", "image", "imgs", "img", "pictures", "slices", "scans", "frames", "files", "data"),
    *("png", "pngs", "jpg", "jpgs", "jpeg", "jpegs", "dicom", "dicoms", "dcm", "tif", "tiff"),
}
_FOLD = re.compile(r"(?:fold|cv|k|split|part|subset|batch)\d+|\d+(?:st|nd|rd|th)?fold")
_COPY = re.compile(
    r"(?:(?:copy of|kopie von) )?(?P<name>.+?)(?:[ _-]+(?:copy|kopie)(?: ?\(?\d+\)?)?| ?\(\d+\))?", re.IGNORECASE
)
_PATIENT = re.compile(
    r"(?:patients?|pat|pt|cases?|subjects?|subj|sub|pid|series|study|scans?|exam)[\s_-]*\d+"
    r"|[a-z]{0,6}[-_ ]?\d{3,}|[a-z]+(?:-[a-z]+)+-\d{3,}|[\d.]{10,}"
)


def normal_form(name: str) -> str:
    """Spell accented letters with one character: archives made on macOS use two."""
    return unicodedata.normalize("NFC", name)


def last_part(folder: str) -> str:
    """Name of a folder without the folders above it."""
    return normal_form(folder.rpartition("/")[2])


def words(name: str) -> list[str]:
    """Words of a name in lower case, whatever stands between them."""
    return [word for word in re.split(r"[\W_]+", name.casefold()) if word]


def split_of(name: str) -> str | None:
    """Tell which split a folder of this name holds, in any case, with or without `set` or `data`; None: no split."""
    word = "".join(word for word in words(name) if word not in _FILLERS)
    return _SPLITS.get(word) or _SPLITS.get(re.sub(r"(?:data)?set$|data$", "", word))


def is_fold(name: str) -> bool:
    """Whether the name is that of one fold of a cross-validation."""
    return _FOLD.fullmatch("".join(words(name))) is not None


def is_mask(name: str) -> bool:
    """Whether a folder of this name holds masks or annotations, not slices."""
    joined = "".join(words(name))
    return joined in _MASKS_ALONE or joined.endswith(_MASKS)


def is_wrapper(name: str) -> bool:
    """Whether the name says only that images are inside."""
    return "".join(words(name)) in _WRAPPERS


def original_of(name: str) -> str | None:
    """Name of what `name` is a copy of, such as `Data` of `Data - Copy`; None where it is no copy by its name."""
    match = _COPY.fullmatch(name)
    return match["name"] if match and match["name"] != name else None


def is_patient(name: str) -> bool:
    """Whether the name is that of a patient or a series, such as `patient 3` or `A002304`."""
    return _PATIENT.fullmatch(name.casefold()) is not None
