"""What names alone say: of a folder a split, masks, a mere wrapper, a copy, a patient; of a file a mask."""

import re
import unicodedata
from collections.abc import Sequence

from chest_cancer.sources.foreign import holds_no_images, without_image_suffix
from chest_cancer.sources.split_names import words

_MASKS = ("mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "groundtruth", "contours")
_MASKS_ALONE = {"labels", "gt", "bboxes", "boundingboxes", "xmls"}
_MASK_AT_END = re.compile(
    r"[-_. ]+(?:masks?|seg|segmentation|annotations?|gt|ground[-_ ]?truth|contours?|label)(?:[-_ ]?\d+)?$",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"[-_ ][a-z]+$", re.IGNORECASE)
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


def is_fold(name: str) -> bool:
    """Whether the name is that of one fold of a cross-validation."""
    return _FOLD.fullmatch("".join(words(name))) is not None


def is_mask(name: str) -> bool:
    """Whether a folder of this name holds masks or annotations, not slices."""
    joined = "".join(words(name))
    return joined in _MASKS_ALONE or joined.endswith(_MASKS)


def masks_beside(paths: Sequence[str]) -> dict[str, str]:
    """Find masks that lie beside their images: `1_mask.png` beside `1.png`.

    Args:
        paths: Of files.

    Returns:
        Path of each mask to that of its image.
    """
    bare = {path: without_image_suffix(path) for path in paths if not holds_no_images(path)}
    images = {name: path for path, name in bare.items()}
    found = {}
    for path, name in bare.items():
        image = _MASK_AT_END.sub("", name)
        if image == name:
            continue
        # Of `1_lung_mask` both `1_lung` and `1` may be the image.
        for candidate in (image, _LAST_WORD.sub("", image)):
            if candidate in images:
                found[path] = images[candidate]
                break
    return found


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
