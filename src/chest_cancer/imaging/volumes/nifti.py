"""NIfTI-1 and NIfTI-2, with or without gzip, by nibabel; its extensions, which may hold patient data, stay unread."""

import io
import logging
from typing import Any

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.volume import Limits, Volume
from chest_cancer.imaging.volumes.voxels import inflate, make_volume, require_size

# nibabel logs what it repairs, and quotes it: nothing of an uploaded file belongs in our logs.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_LONGEST_HEADER = 544
_MOST_BEFORE_VALUES = 16_000_000
_TO_LPS = np.diag([-1.0, -1.0, 1.0])  # NIfTI's x goes to the right, its y to the front.
_MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}


def read_nifti(data: bytes, limits: Limits) -> Volume:
    """Read one NIfTI file.

    Args:
        data: The whole file, `.nii` or `.nii.gz`.
        limits: What is read.

    Returns:
        Its Hounsfield units, after the header's slope and intercept.

    Raises:
        UnreadableImageError: See `reading.read_volume`.
        Exception: Anything that nibabel raises on damaged headers.
    """
    zipped = data[:2] == b"\x1f\x8b"
    header = _header_of(inflate(data, "gzip", _LONGEST_HEADER) if zipped else data[:_LONGEST_HEADER])
    shape, dtype, offset = header.get_data_shape(), header.get_data_dtype(), int(header.get_data_offset())
    if len(shape) < 3 or any(length != 1 for length in shape[3:]):
        raise UnreadableImageError(f"NIfTI dim is {shape}: expected three dimensions; save each volume as one file")
    if dtype.kind not in "iuf":
        raise UnreadableImageError(f"NIfTI datatype is {dtype}: expected numbers; save Hounsfield units as int16")
    columns, rows, slices = map(int, shape[:3])
    limits.check_stack(slices, rows, columns)
    if not 0 <= offset <= _MOST_BEFORE_VALUES:
        raise UnreadableImageError(f"NIfTI vox_offset is {offset}: expected the end of the header; save the file again")
    if not (header["sform_code"] or header["qform_code"]):
        raise UnreadableImageError(
            "NIfTI sform_code and qform_code are 0, so that nobody knows left from right; save the file with its "
            "orientation"
        )
    if zipped:
        data = inflate(data, "gzip", offset + slices * rows * columns * dtype.itemsize)
    require_size(len(data) - offset, (slices, rows, columns), dtype)
    unit = header.get_xyzt_units()[0]
    affine = header.get_best_affine() * _MILLIMETRES[unit]
    axes = _TO_LPS @ affine[:3]
    values = ArrayProxy(io.BytesIO(data), header)
    return make_volume(_Slices(values), (slices, rows, columns), axes[:, [2, 1, 0]].T, axes[:, 3], limits)


def _header_of(start: bytes) -> Any:
    """Return the header that a file begins with.

    Raises:
        UnreadableImageError: The values are in another file.
    """
    magic = start[344:347] if start[344:346] == b"n+" or start[344:346] == b"ni" else start[4:7]
    if magic in (b"ni1", b"ni2"):
        raise UnreadableImageError(
            "NIfTI header without its values, which are in an .img file; save both as one .nii.gz"
        )
    if magic not in (b"n+1", b"n+2"):
        raise UnreadableImageError("a gzip file without a NIfTI volume inside; unpack it and pass what is inside")
    kind = nibabel.Nifti1Header if magic == b"n+1" else nibabel.Nifti2Header
    return kind(start[: kind.template_dtype.itemsize])


class _Slices:
    """Stored slices by their number, `[rows, columns]`, scaled as the header says."""

    def __init__(self, values: ArrayProxy) -> None:
        self._values = values

    def __getitem__(self, number: int) -> Any:
        return self._values[(slice(None), slice(None), number, *(0,) * (self._values.ndim - 3))].T
