"""What a file is that is no image, by its name, in words that name it and the cure."""

import posixpath
from pathlib import PurePosixPath

from chest_cancer.imaging.signatures import GZIP, begins_like_an_image, foreign_by_content, kind_of_volume

_TABLE = (
    "a table ({suffix}), no image: to read classes, patients or splits off it, name it in `data_ingestion.table.path`"
)
_ARCHIVE = (
    "an archive ({suffix}) inside the source, which is not opened: unpack it in its place, or pass it as the source"
)
_ARRAYS = (
    "an array file ({suffix}), which is not read: write each slice as a PNG or DICOM file into a folder for each class"
)
_TEXT = "text ({suffix}), no image"
_PROGRAM = "a program or page ({suffix}), no image"
_POINTER = "a pointer of DVC ({suffix}), not the file itself: run `dvc pull` in the source"
_MODEL = "a model or its weights ({suffix}), no image"
_KINDS = {
    _TABLE: "csv tsv xls xlsx ods json jsonl parquet xml",
    _ARCHIVE: "zip tar tgz gz bz2 xz 7z rar zst",
    _ARRAYS: "npz npy h5 hdf5 mat pkl pickle tfrecord tfrecords pt",
    _TEXT: "txt md pdf doc docx rtf log yml yaml toml ini",
    _PROGRAM: "py ipynb m r js html htm exe sh bat",
    _POINTER: "dvc",
    _MODEL: "onnx keras pth ckpt safetensors",
}
_HOLDS_IMAGES = tuple(kind.partition(" (")[0] for kind in (_ARCHIVE, _ARRAYS, _POINTER))
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_TEXTS_WITHOUT_SUFFIX = {"readme", "license", "licence", "copying", "dicomdir", "citation", "makefile"}
_PACKED_VOLUME = ".nii.gz"
_IMAGE_SUFFIXES = {
    *("png", "jpg", "jpeg", "jpe", "tif", "tiff", "bmp", "gif", "webp"),
    *("dcm", "dicom", "ima", "jp2", "j2k", "jpx", "heic", "heif", "avif", "nii", "mha", "mhd", "nrrd", "nhdr"),
}


def foreign_by_name(path: str) -> str | None:
    """Say what a file is, where its name says that it is no image.

    Args:
        path: Path of the file, with `/`.

    Returns:
        What it is and what to do about it; None where it may be an image.
    """
    name = posixpath.basename(path)
    suffix = posixpath.splitext(name.lower())[1].removeprefix(".")
    if name.lower().endswith(_PACKED_VOLUME):
        return None
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix].format(suffix=f".{suffix}")
    if not suffix and name.lower() in _TEXTS_WITHOUT_SUFFIX:
        return _TEXT.format(suffix=name)
    return None


def holds_no_images(path: str) -> bool:
    """Whether a file's name says that no image is lost with it: a table, text, a program; no archive, no arrays."""
    kind = foreign_by_name(path)
    return kind is not None and not kind.startswith(_HOLDS_IMAGES)


def is_table_by_name(path: str) -> bool:
    """Whether a file's name says that it is a table."""
    return (foreign_by_name(path) or "").startswith(_TABLE.partition(" (")[0])


def without_image_suffix(path: str) -> str:
    """A path without the suffix of a format of images, such as `.png` or `.nii.gz`; another path as it is."""
    unpacked = path[: -len(".gz")] if path.lower().endswith(_PACKED_VOLUME) else path
    bare, _, suffix = unpacked.rpartition(".")
    return bare if suffix.lower() in _IMAGE_SUFFIXES and bare and not bare.endswith("/") else path


def may_be_image(path: str, start: bytes) -> bool:
    """Whether a file is an image or a volume by its first bytes or by its name."""
    if start.startswith(GZIP):
        return path.lower().endswith(_PACKED_VOLUME)
    if begins_like_an_image(start) or kind_of_volume(start):
        return True
    return PurePosixPath(path).suffix.lower().removeprefix(".") in _IMAGE_SUFFIXES and not foreign_by_content(start)
