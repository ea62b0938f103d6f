"""MetaImage: .mha, and .mhd with its values in a file beside it. Keys as in MetaIO's documentation."""

import numpy as np

from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.volume import Limits, Volume
from chest_cancer.imaging.volumes.voxels import (
    Beside,
    detached,
    finite_numbers,
    inflate,
    make_volume,
    require_size,
)

_LONGEST_HEADER = 65_536
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
# Older names of the same keys, which MetaIO reads as well.
_SYNONYMS = {
    "Position": "Offset",
    "Origin": "Offset",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "BinaryDataByteOrderMSB": "ElementByteOrderMSB",
}
# What would change the values, and is written as said here by whatever writes CT.
_ONLY = {"BinaryData": "TRUE", "NDims": "3", "ElementNumberOfChannels": "1", "HeaderSize": "0", "DistanceUnits": "MM"}
_CURE = "correct it, or save the volume as .nii.gz"


def read_metaimage(data: bytes, limits: Limits, beside: Beside | None) -> Volume:
    """Read one MetaImage.

    Args:
        data: The whole `.mha`, or an `.mhd`, which is its header alone.
        limits: What is read.
        beside: Returns the file of a name that lies beside an `.mhd`; None where nothing may.

    Returns:
        Its Hounsfield units.

    Raises:
        UnreadableImageError: See `reading.read_volume`.
        Exception: Of zlib, on damaged values.
    """
    header, end = _read_header(data)
    for key, value in _ONLY.items():
        if (found := header.get(key, value)).upper() != value:
            raise _refusal(key, found, value)
    columns, rows, slices = (int(length) for length in _numbers(header, "DimSize", 3))
    limits.check_stack(slices, rows, columns)
    shape = (slices, rows, columns)
    kind = header.get("ElementType", "")
    if kind not in _TYPES:
        raise _refusal("ElementType", kind, "one of " + ", ".join(_TYPES))
    dtype = np.dtype((">" if _is_true(header, "ElementByteOrderMSB") else "<") + _TYPES[kind])
    # ITK's axes are those of DICOM, a row of the matrix for each stored axis.
    directions = np.reshape(_numbers(header, "TransformMatrix", 9), (3, 3))
    steps = directions * np.reshape(_numbers(header, "ElementSpacing", 3), (3, 1))
    corner = np.array(_numbers(header, "Offset", 3))
    name = header["ElementDataFile"]
    values = data[end:] if name.upper() == "LOCAL" else detached(name, beside)
    if _is_true(header, "CompressedData"):
        values = inflate(values, "zlib", slices * rows * columns * dtype.itemsize)
    require_size(len(values), shape, dtype)
    stack = np.frombuffer(values, dtype, slices * rows * columns).reshape(shape)
    return make_volume(stack, shape, steps[::-1], corner, limits)


def _read_header(data: bytes) -> tuple[dict[str, str], int]:
    """Return keys and values, and where the header ends: after ElementDataFile, which is its last line."""
    header: dict[str, str] = {}
    start, end = data[:_LONGEST_HEADER], 0
    while "ElementDataFile" not in header:
        line = start[end:].split(b"\n", 1)[0]
        key, equals, value = (part.decode("latin-1").strip() for part in line.partition(b"="))
        if not equals:
            raise _refusal("ElementDataFile", "", "it as the last line of the header")
        header[_SYNONYMS.get(key, key)] = value
        end += len(line) + 1
    return header, end


def _numbers(header: dict[str, str], key: str, count: int) -> list[float]:
    words = header.get(key, "").split()
    numbers = finite_numbers(words, count)
    if numbers is None:
        raise _refusal(key, " ".join(words), f"{count} numbers")
    return numbers


def _is_true(header: dict[str, str], key: str) -> bool:
    return header.get(key, "False").upper() == "TRUE"


def _refusal(key: str, value: str, expected: str) -> UnreadableImageError:
    return UnreadableImageError(f"MetaImage {key} is {value[:64] or 'missing'}: expected {expected}; {_CURE}")
