"""NRRD, and .nhdr with its values in a file beside it. Fields as in https://teem.sourceforge.net/nrrd/format.html."""

import re

import numpy as np

from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.volume import Limits, Volume
from chest_cancer.imaging.volumes.voxels import (
    Beside,
    Compression,
    detached,
    finite_numbers,
    inflate,
    make_volume,
    require_size,
)

_LONGEST_HEADER = 65_536
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
_CURE = "correct it, or save the volume as .nii.gz"


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
    fields, end = _read_header(data)
    for name, value in _ONLY.items():
        if fields.get(name, value) != value:
            raise _refusal(name, fields[name], value)
    columns, rows, slices = (int(length) for length in _numbers(fields, "sizes", 3))
    limits.check_stack(slices, rows, columns)
    shape = (slices, rows, columns)
    dtype = _dtype(fields)
    encoding = fields.get("encoding", "").lower()
    if encoding not in _ENCODINGS:
        raise _refusal("encoding", encoding, "one of " + ", ".join(_ENCODINGS))
    signs = _SPACES.get(fields.get("space", "").lower())
    if signs is None:
        raise _refusal("space", fields.get("space", ""), "left-posterior-superior, or another of which left is known")
    if (units := fields.get("space units", "")).replace('"mm"', "").strip():
        raise _refusal("space units", units, '"mm" for each axis')
    steps = np.reshape(_numbers(fields, "space directions", 9), (3, 3)) * signs
    corner = np.array(_numbers(fields, "space origin", 3)) * signs
    file = fields.get("data file") or fields.get("datafile")
    values = data[end:] if file is None else detached(file, beside)
    if kind := _ENCODINGS[encoding]:
        values = inflate(values, kind, slices * rows * columns * dtype.itemsize)
    require_size(len(values), shape, dtype)
    stack = np.frombuffer(values, dtype, slices * rows * columns).reshape(shape)
    return make_volume(stack, shape, steps[::-1], corner, limits)


def _read_header(data: bytes) -> tuple[dict[str, str], int]:
    """Return the fields, and where the header ends."""
    start = data[:_LONGEST_HEADER]
    blank = _END.search(start)
    if blank is None and len(data) >= _LONGEST_HEADER:
        raise UnreadableImageError(f"the NRRD header has no end: expected an empty line; {_CURE}")
    lines = start[: blank.start() if blank else None].decode("latin-1").splitlines()[1:]
    fields = (match for line in lines if (match := _FIELD.fullmatch(line.rstrip())))
    return {field[1].lower(): field[2] for field in fields}, blank.end() if blank else len(data)


def _dtype(fields: dict[str, str]) -> np.dtype[np.generic]:
    name, order = fields.get("type", "").lower(), fields.get("endian", "").lower()
    kind = next((kind for kind, names in _TYPES.items() if name in names), None)
    if kind is None:
        raise _refusal("type", name, "whole numbers of up to 32 bits, float or double")
    if order not in ("little", "big") and kind[1] != "1":
        raise _refusal("endian", order, "little or big")
    return np.dtype((">" if order == "big" else "<") + kind)


def _numbers(fields: dict[str, str], name: str, count: int) -> list[float]:
    text = fields.get(name, "")
    # `none`, of an axis that is not in space, is no number either.
    numbers = finite_numbers([word for word in re.split(r"[\s(),]+", text) if word], count)
    if numbers is None:
        raise _refusal(name, text, f"{count} numbers")
    return numbers


def _refusal(name: str, value: str, expected: str) -> UnreadableImageError:
    return UnreadableImageError(f"NRRD {name} is {value[:64] or 'missing'}: expected {expected}; {_CURE}")
