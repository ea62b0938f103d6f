"""What the readers of whole volumes share: stored bytes, within limits, to Hounsfield units."""

import bz2
import gzip
import io
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.grey import holds_hounsfield
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.volume import Limits, Volume, make_axial, make_int16

Compression = Literal["zlib", "gzip", "bzip2"]
Beside = Callable[[str], bytes]
"""Returns the bytes of a file of this name that lies beside the header; for uploads there is none."""

_VALUES = (".raw", ".zraw", ".raw.gz", ".raw.bz2")
_LOOKED_AT = 1_000_000
_PLAIN_NAME = re.compile(r"[\w\- ()+,=][\w\- ()+,=.]{0,250}")


def finite_numbers(words: Sequence[str], count: int) -> list[float] | None:
    """Read so many finite numbers off a header; None where the words are something else."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return numbers if len(numbers) == count and bool(np.isfinite(numbers).all()) else None


def inflate(data: bytes, kind: Compression, most: int) -> bytes:
    """Decompress at most `most` bytes.

    Raises:
        Exception: Of zlib, gzip or bz2, on damaged bytes.
    """
    more = most + 1  # The checksum follows the last byte.
    if kind == "gzip":
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read(more)[:most]
    decompress = bz2.BZ2Decompressor().decompress if kind == "bzip2" else zlib.decompressobj().decompress
    return decompress(data, more)[:most]


def detached(name: str, beside: Beside | None) -> bytes:
    """Return the bytes of the file that a header names, if it is a plain name of a file beside it.

    Raises:
        UnreadableImageError: It is a path, a pattern or a list, or nothing may lie beside.
    """
    if beside is None:
        raise UnreadableImageError(
            "the header keeps its values in another file; save header and values as one file: .mha, .nrrd or .nii.gz"
        )
    if not _PLAIN_NAME.fullmatch(name) or name.upper() in ("LIST", "LOCAL"):
        raise UnreadableImageError(
            f"the header names {name[:64]!r} for its values: expected the plain name of one file beside it; save both "
            "as one file: .mha, .nrrd or .nii.gz"
        )
    return beside(name)


def names_of_values(header: str) -> list[str]:
    """Name the files beside a header, `x.mhd` or `x.nhdr`, that may hold its values: `x.raw` and the like."""
    return [str(PurePosixPath(header).with_suffix(suffix)) for suffix in _VALUES]


def require_size(found: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise `UnreadableImageError` where there are fewer bytes than a header announces."""
    expected = int(np.prod(shape)) * dtype.itemsize
    if found < expected:
        raise UnreadableImageError(
            f"{found:,} bytes of values: expected {expected:,}, as the header says; fetch the file again"
        )


def stored_values(
    data: bytes, compression: Compression | None, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Read stored values, not copied where they are not compressed.

    Args:
        data: The bytes that hold them; what follows the last value counts for nothing.
        compression: How the bytes are compressed, or None.
        shape: Slices, rows and columns; within the limits.
        dtype: Type of a stored value.

    Returns:
        The values, `[slices, rows, columns]`, read-only.

    Raises:
        UnreadableImageError: There are fewer values than the header announces.
        Exception: As `inflate`.
    """
    count = int(np.prod(shape))
    if compression:
        data = inflate(data, compression, count * dtype.itemsize)
    require_size(len(data), shape, dtype)
    return np.frombuffer(data, dtype, count).reshape(shape)


def make_volume(
    stack: Any, shape: tuple[int, int, int], steps: NDArray[np.float64], corner: NDArray[np.float64], limits: Limits
) -> Volume:
    """Make stored values a volume.

    Args:
        stack: Gives the values of a stored slice `[rows, columns]` when it is indexed by the slice's number.
        shape: Slices, rows and columns; within the limits.
        steps: As in `make_axial`.
        corner: As in `make_axial`.
        limits: Of the axial slices.

    Raises:
        UnreadableImageError: The values are no Hounsfield units, or the slices are not axial or too small.
    """
    hounsfield = np.empty(shape, np.int16)
    every = int(np.ceil(np.sqrt(np.prod(shape) / _LOOKED_AT)))
    seen = []
    for number in range(shape[0]):
        values = np.asarray(stack[number])
        seen.append(values[::every, ::every].ravel())
        hounsfield[number] = make_int16(values)
    sample = np.concatenate(seen)
    if not holds_hounsfield(sample):
        raise UnreadableImageError(
            f"the values, {sample.min():g} to {sample.max():g}, are no Hounsfield units of a body in air; pass the CT "
            "itself, neither a mask nor a windowed copy"
        )
    volume = make_axial(hounsfield, steps, corner)
    limits.check_slices(*volume.hounsfield.shape[1:])
    return volume
