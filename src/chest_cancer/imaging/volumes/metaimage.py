"""MetaImage: .mha, and .mhd with its values in a file beside it. Keys as in MetaIO's documentation."""

import numpy as np

from chest_cancer.imaging.volumes.header import LONGEST_HEADER, Header
from chest_cancer.imaging.volumes.volume import Limits, Volume
from chest_cancer.imaging.volumes.voxels import Beside, Compression, detached, make_volume, stored_values

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
    header.require(_ONLY)
    columns, rows, slices = (int(length) for length in header.numbers("DimSize", 3))
    limits.check_stack(slices, rows, columns)
    kind = header.get("ElementType")
    if kind not in _TYPES:
        raise header.refusal("ElementType", "one of " + ", ".join(_TYPES))
    dtype = np.dtype((">" if _is_true(header, "ElementByteOrderMSB") else "<") + _TYPES[kind])
    # ITK's axes are those of DICOM, a row of the matrix for each stored axis.
    directions = np.reshape(header.numbers("TransformMatrix", 9), (3, 3))
    steps = directions * np.reshape(header.numbers("ElementSpacing", 3), (3, 1))
    corner = np.array(header.numbers("Offset", 3))
    name = header.get("ElementDataFile")
    values = data[end:] if name.upper() == "LOCAL" else detached(name, beside)
    compression: Compression | None = "zlib" if _is_true(header, "CompressedData") else None
    stack = stored_values(values, compression, (slices, rows, columns), dtype)
    return make_volume(stack, stack.shape, steps[::-1], corner, limits)


def _read_header(data: bytes) -> tuple[Header, int]:
    """Return keys and values, and where the header ends: after ElementDataFile, which is its last line."""
    values: dict[str, str] = {}
    header = Header("MetaImage", values, between_numbers=r"\s+")
    start, end = data[:LONGEST_HEADER], 0
    while "ElementDataFile" not in values:
        line = start[end:].split(b"\n", 1)[0]
        key, equals, value = (part.decode("latin-1").strip() for part in line.partition(b"="))
        if not equals:
            raise header.refusal("ElementDataFile", "it as the last line of the header")
        values[_SYNONYMS.get(key, key)] = value
        end += len(line) + 1
    return header, end


def _is_true(header: Header, key: str) -> bool:
    return header.get(key).upper() == "TRUE"
