"""DICOM slices: where each lies and to which series it belongs, and their Hounsfield units."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from chest_cancer.imaging.dicom.deidentify import DESCRIBING
from chest_cancer.imaging.dicom.elements import name_of, number_of, shown, text_of
from chest_cancer.imaging.dicom.frames import decode_frames, frame_bytes
from chest_cancer.imaging.dicom.functional_groups import of_frame
from chest_cancer.imaging.dicom.grey import make_hounsfield, own_window
from chest_cancer.imaging.dicom.image_plane import GEOMETRY, image_plane_of
from chest_cancer.imaging.dicom.kinds import require_image, require_slice
from chest_cancer.imaging.dicom.read import ELEMENTS, IDENTIFIERS, identifiers_of, read_elements
from chest_cancer.imaging.dicom.write import write_file
from chest_cancer.imaging.pixels import Identifiers, UnreadableImageError
from chest_cancer.imaging.volumes.series import Slice
from chest_cancer.imaging.volumes.volume import Limits, make_int16

_TAGS = [*ELEMENTS, *map(Tag, (*IDENTIFIERS, *GEOMETRY, "DirectoryRecordSequence"))]
# What a slice keeps of the file that it is taken out of; all else describes pixels as they were stored there.
_KEPT = (
    *("ImageType", "WindowCenter", "WindowWidth", "InstitutionName", *IDENTIFIERS, *DESCRIBING),
    *("PatientIdentityRemoved", "DeidentificationMethod"),
)


class DirectoryError(UnreadableImageError):
    """A DICOMDIR: it lists files, and holds no image."""


class _File(NamedTuple):
    dataset: Dataset
    syntax: UID
    frames: int

    def elements(self) -> list[Dataset]:
        """What the file says of each frame."""
        return [of_frame(self.dataset, index) for index in range(self.frames)]


def read_slices(file: str, data: bytes, limits: Limits) -> list[Slice]:
    """Read where the slices of a DICOM file lie.

    Args:
        file: Its name.
        data: The whole file.
        limits: What is read.

    Returns:
        One for each frame.

    Raises:
        DirectoryError: It is a DICOMDIR.
        UnreadableImageError: See `reading.survey`.
        Exception: Anything that pydicom raises on damaged files.
    """
    read = _read(data, limits)
    return _locate(file, read, read.elements())


def decode_slices(data: bytes, limits: Limits) -> Iterator[NDArray[np.int16]]:
    """Yield the Hounsfield units of each frame of a DICOM file, `[rows, columns]`.

    Raises:
        UnreadableImageError: See `reading.read_series`.
        Exception: Anything that pydicom raises on damaged files.
    """
    read = _read(data, limits)
    return _decode(read, read.elements())


def read_whole(file: str, data: bytes, limits: Limits) -> tuple[list[Slice], list[NDArray[np.int16]]]:
    """Read where the slices of a DICOM file lie and their Hounsfield units, as `read_slices` and `decode_slices` do.

    Args:
        file: Its name.
        data: The whole file.
        limits: What is read.

    Raises:
        DirectoryError: It is a DICOMDIR.
        UnreadableImageError: See `reading.survey` and `reading.read_series`.
        Exception: Anything that pydicom raises on damaged files.
    """
    read = _read(data, limits)
    elements = read.elements()
    return _locate(file, read, elements), list(_decode(read, elements))


def _locate(file: str, read: _File, elements: Sequence[Dataset]) -> list[Slice]:
    identifiers = identifiers_of(read.dataset)
    stored = enumerate(frame_bytes(*read))
    return [_slice_of(elements[index], file, index, identifiers, pixels) for index, pixels in stored]


def _decode(read: _File, elements: Sequence[Dataset]) -> Iterator[NDArray[np.int16]]:
    for groups, frame in zip(elements, decode_frames(*read), strict=True):
        yield make_int16(make_hounsfield(frame.values, groups))


def split_frames(data: bytes, limits: Limits) -> Iterator[bytes] | None:
    """Make each frame of a multi-frame CT a file.

    Args:
        data: The whole file, without identifiers.
        limits: What is read.

    Returns:
        A single-frame CT file for each, in the order of the frames, with what file and frame say of it; None where
        the file holds one frame.

    Raises:
        UnreadableImageError: See `reading.survey` and `reading.read_series`; also while it goes on.
        Exception: Anything that pydicom raises on damaged files; likewise.
    """
    elements, _ = read_elements(data, 4 * limits.voxels, [Tag("NumberOfFrames")])
    return _frames_of(data, limits) if (number_of(elements, "NumberOfFrames") or 1) > 1 else None


def _frames_of(data: bytes, limits: Limits) -> Iterator[bytes]:
    read = _read(data, limits, [*_TAGS, *map(Tag, _KEPT)])
    for groups, frame in zip(read.elements(), decode_frames(*read), strict=True):
        acquisition = image_plane_of(groups).acquisition  # Here the whole file can be refused.
        said = Dataset()
        for keyword in _KEPT:
            with contextlib.suppress(Exception):  # pydicom raises nearly anything on values that are none of their kind
                if keyword in groups:
                    said.add(groups[keyword])
        if acquisition:
            said.AcquisitionNumber = acquisition
        yield write_slice(make_int16(make_hounsfield(frame.values, groups)), said)


def write_slice(hounsfield: NDArray[np.int16], said: Dataset) -> bytes:
    """Write a CT slice, uncompressed.

    Args:
        hounsfield: `[rows, columns]`.
        said: All other elements; those that describe the pixels are added.
    """
    said.SOPClassUID = CTImageStorage
    said.Modality = "CT"
    said.SamplesPerPixel = 1
    said.PhotometricInterpretation = "MONOCHROME2"
    said.Rows, said.Columns = hounsfield.shape
    said.BitsAllocated = said.BitsStored = 16
    said.HighBit = 15
    said.PixelRepresentation = 1
    said.RescaleIntercept, said.RescaleSlope, said.RescaleType = 0, 1, "HU"
    said.add_new("PixelData", "OW", hounsfield.astype("<i2").tobytes())
    return write_file(said, ExplicitVRLittleEndian)


def _read(data: bytes, limits: Limits, tags: Sequence[BaseTag | int] = _TAGS) -> _File:
    dataset, syntax = read_elements(data, 4 * limits.voxels, list(tags))
    if "DirectoryRecordSequence" in dataset:
        raise DirectoryError("a DICOMDIR, which only lists files; pass the files themselves")
    require_image(dataset)
    modality = text_of(dataset, "Modality")
    if modality not in ("", "CT"):
        raise UnreadableImageError(f"DICOM {name_of('Modality')} is {shown(modality)}: expected CT; leave it out")
    require_slice(of_frame(dataset, 0))
    samples = int(number_of(dataset, "SamplesPerPixel") or 1)
    if samples != 1:
        raise UnreadableImageError(f"DICOM {name_of('SamplesPerPixel')} is {samples}: expected 1, grey; leave it out")
    frames = int(number_of(dataset, "NumberOfFrames") or 1)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    limits.check_stack(frames, rows, columns)
    if frames > 1 and len(dataset.get("PerFrameFunctionalGroupsSequence") or []) != frames:
        raise UnreadableImageError(
            f"DICOM {name_of('PerFrameFunctionalGroupsSequence')} has not the {frames} items of "
            f"{name_of('NumberOfFrames')}, which say where the frames lie; export the series as single slices"
        )
    return _File(dataset, syntax, frames)


def _slice_of(elements: Dataset, file: str, frame: int, identifiers: Identifiers, pixels: bytes) -> Slice:
    plane = image_plane_of(elements)
    digest = hashlib.sha256(pixels)
    digest.update("\n".join(text_of(elements, keyword) for keyword in ("RescaleSlope", "RescaleIntercept")).encode())
    return Slice(
        file=file,
        frame=frame,
        identifiers=identifiers,
        rows=int(elements.Rows),
        columns=int(elements.Columns),
        **plane._asdict(),
        digest=digest.digest(),
        own_window=own_window(elements),
    )
