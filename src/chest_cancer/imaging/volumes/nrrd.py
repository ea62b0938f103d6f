"""NRRD, and .nhdr with its values in a file beside it. Fields as in https://teem.sourceforge.net/nrrd/format.html."""

import re

import numpy as np

from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.header import CURE, LONGEST_HEADER, Header
from chest_cancer.imaging.volumes.volume import Limits, Volume
from chest_cancer.imaging.volumes.voxels import Beside, Compression, detached, make_volume, stored_values

_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(r"([a-z ]+):\s+(\S.*)", re.IGNORECASE)  # `key:=value` is of the user, and says nothing here.
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_ENCODINGS: dict[str, Compression | None] = {
    "raw": None,
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
}
_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
# What would change the values, and is written as said here by whatever writes CT.
_ONLY = {"dimension": "3", "line skip": "0", "byte skip": "0"}


def read_nrrd(data: bytes, limits: Limits, beside: Beside | None) -> Volume:
    """Read one NRRD file.

    Args:
        data: The whole `.nrrd`, or an `.nhdr`, which is its header alone.
        limits: What is read.
        beside: Returns the file of a name that lies beside an `.nhdr`; None where nothing may.

    Returns:
        Its Hounsfield units.

    Raises:
        UnreadableImageError: See `reading.read_volume`.
        Exception: Of gzip, zlib or bz2, on damaged values.
    """
    header, end = _read_header(data)
    header.require(_ONLY)
    columns, rows, slices = (int(length) for length in header.numbers("sizes", 3))
    limits.check_stack(slices, rows, columns)
    dtype = _dtype(header)
    encoding = header.get("encoding").lower()
    if encoding not in _ENCODINGS:
        raise header.refusal("encoding", "one of " + ", ".join(_ENCODINGS))
    signs = _SPACES.get(header.get("space").lower())
    if signs is None:
        raise header.refusal("space", "left-posterior-superior, or another of which left is known")
    if header.get("space units").replace('"mm"', "").strip():
        raise header.refusal("space units", '"mm" for each axis')
    steps = np.reshape(header.numbers("space directions", 9), (3, 3)) * signs
    corner = np.array(header.numbers("space origin", 3)) * signs
    file = header.get("data file") or header.get("datafile")
    values = detached(file, beside) if file else data[end:]
    stack = stored_values(values, _ENCODINGS[encoding], (slices, rows, columns), dtype)
    return make_volume(stack, stack.shape, steps[::-1], corner, limits)


def _read_header(data: bytes) -> tuple[Header, int]:
    """Return the fields, and where the header ends."""
    start = data[:LONGEST_HEADER]
    blank = _END.search(start)
    if blank is None and len(data) >= LONGEST_HEADER:
        raise UnreadableImageError(f"the NRRD header has no end: expected an empty line; {CURE}")
    lines = start[: blank.start() if blank else None].decode("latin-1").splitlines()[1:]
    fields = (match for line in lines if (match := _FIELD.fullmatch(line.rstrip())))
    # `none`, of an axis that is not in space, is no number either.
    header = Header("NRRD", {field[1].lower(): field[2] for field in fields}, between_numbers=r"[\s(),]+")
    return header, blank.end() if blank else len(data)


def _dtype(header: Header) -> np.dtype[np.generic]:
    name, order = header.get("type").lower(), header.get("endian").lower()
    kind = next((kind for kind, names in _TYPES.items() if name in names), None)
    if kind is None:
        raise header.refusal("type", "whole numbers of up to 32 bits, float or double")
    if order not in ("little", "big") and kind[1] != "1":
        raise header.refusal("endian", "little or big")
    return np.dtype((">" if order == "big" else "<") + kind)
