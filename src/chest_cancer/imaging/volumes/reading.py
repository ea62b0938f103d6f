"""The ways in: files of a study to series and volumes, whatever keeps them.

Files may be hostile. A format is known by how its bytes begin, sizes are checked before anything is allocated, no
header opens a file that wasn't passed, and whatever goes wrong comes out as `UnreadableImageError` with a reason.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.boundary import as_unreadable
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.signatures import kind_of_volume, require_dicom
from chest_cancer.imaging.volumes.metaimage import read_metaimage
from chest_cancer.imaging.volumes.nrrd import read_nrrd
from chest_cancer.imaging.volumes.series import Refusal, Series, Slice, sort_slices
from chest_cancer.imaging.volumes.volume import Limits, Note, Origin, Volume, make_axial
from chest_cancer.imaging.volumes.voxels import Beside, names_of_values

OpenFile = Callable[[str], bytes]

_LIMITS = Limits()


@dataclass(frozen=True)
class Survey:
    """What files hold, before their pixels are decoded.

    Attributes:
        series: Of DICOM files.
        volumes: Names of files that hold a volume each: NIfTI, MetaImage, NRRD.
        notes: What was odd about the files; each series has its own.
        refused: What isn't used, and why.
    """

    series: tuple[Series, ...]
    volumes: tuple[str, ...]
    notes: tuple[Note, ...]
    refused: tuple[Refusal, ...]


def read_one_by_one(
    found: Survey, files: Collection[str], open_file: OpenFile, *, limits: Limits = _LIMITS
) -> Iterator[Volume | Refusal]:
    """Read all volumes that some files hold, one after the other, so that memory need not hold them all.

    Args:
        found: What `survey` found in them.
        files: Their names.
        open_file: Returns the bytes of one of them.
        limits: What is read.

    Yields:
        Each volume, and at the end what was refused.
    """
    refused = list(found.refused)
    for series in found.series:
        try:
            yield read_series(series, open_file, limits=limits)
        except UnreadableImageError as error:
            refused.append(Refusal(series.files, str(error)))
    used: set[str] = set()
    for name in found.volumes:
        beside = partial(open_beside, name, files, open_file, used)
        try:
            yield replace(read_volume(open_file(name), beside=beside, limits=limits), files=(name,))
        except UnreadableImageError as error:
            refused.append(Refusal((name,), str(error)))
    yield from (refusal for refusal in refused if not used.issuperset(refusal.files))


def open_beside(header: str, files: Collection[str], open_file: OpenFile, used: set[str], name: str) -> bytes:
    """Open the file that a header names for its values, if it is one of those passed and is called as is usual.

    Args:
        header: Path of the header, with `/`.
        files: Paths of the files that were passed.
        open_file: Returns the bytes of one of them.
        used: Takes the path.
        name: What the header says.

    Raises:
        UnreadableImageError: It is another file: a header could name any.
    """
    path = str(PurePosixPath(header).with_name(name))
    usual = names_of_values(header)
    if path not in usual:
        raise UnreadableImageError(
            f"the header names {name[:64]!r} for its values: expected {PurePosixPath(usual[0]).name!r}, as it is "
            "called itself; save both as one file: .mha, .nrrd or .nii.gz"
        )
    if path not in files:
        raise UnreadableImageError(f"the header names {name!r} for its values, which isn't beside it; pass both")
    used.add(path)
    return open_file(path)


def survey(files: Iterable[str], open_file: OpenFile, *, limits: Limits = _LIMITS) -> Survey:
    """Find series and volumes, without decoding pixels; of many files only one at a time is in memory.

    Args:
        files: Their names, with `/` between folders, in any order.
        open_file: Returns the bytes of one of them.
        limits: What is read.
    """
    slices: list[Slice] = []
    volumes: list[str] = []
    directories: list[str] = []
    refused: list[Refusal] = []
    for name in files:
        data = open_file(name)
        if kind_of_volume(data):
            volumes.append(name)
            continue
        try:
            found = _slices_of(name, data, limits)
        except UnreadableImageError as error:
            refused.append(Refusal((name,), str(error)))
            continue
        if found is None:
            directories.append(name)
        else:
            slices += found
    series, not_axial = sort_slices(slices)
    notes = (Note("directory", f"left out, as it only lists files: DICOMDIR ({len(directories)})"),)
    return Survey(tuple(series), tuple(volumes), notes if directories else (), (*refused, *not_axial))


def read_series(series: Series, open_file: OpenFile, *, limits: Limits = _LIMITS) -> Volume:
    """Decode a DICOM series.

    Args:
        series: One of `survey`.
        open_file: Returns the bytes of a file of that name.
        limits: What is read.

    Returns:
        Its volume, with the notes of the series.

    Raises:
        UnreadableImageError: A size outside the limits, no decoder for a compression, damaged pixels, or values that
            are no Hounsfield units.
    """
    limits.check_stack(len(series.slices), series.slices[0].rows, series.slices[0].columns)
    with as_unreadable("DICOM", extra="dicom"):
        stack = _decode(series, open_file, limits)
    return assemble(series, stack, limits=limits)


def assemble(series: Series, stack: NDArray[np.int16], *, limits: Limits = _LIMITS) -> Volume:
    """Make decoded slices of a series a volume.

    Args:
        series: One of `survey`.
        stack: Hounsfield units `[slices, rows, columns]` of its slices, in their order; not copied unless turned.
        limits: Of the axial slices.

    Raises:
        UnreadableImageError: See `read_series`.
    """
    first, notes = series.slices[0], series.notes
    along, down = np.reshape(first.orientation, (2, 3))
    steps = np.stack([first.normal, down * first.spacing[0], along * first.spacing[1]])
    volume = make_axial(stack, steps, np.array(first.corner), series.positions)
    limits.check_slices(*volume.hounsfield.shape[1:])
    if not np.allclose(volume.orientation, first.orientation, atol=0.01):
        notes += (Note("turned", "slices were stored turned or flipped; they are shown from the feet, the back below"),)
    return replace(
        volume, notes=notes, files=series.files, identifiers=first.identifiers, origins=_origins(series, volume)
    )


def _origins(series: Series, volume: Volume) -> tuple[Origin, ...]:
    """Return where each slice of a series' volume comes from."""
    origins = tuple(Origin(slice_.file, slice_.frame, slice_.own_window) for slice_ in series.slices)
    turned_over = series.slices[0].normal @ np.cross(volume.orientation[:3], volume.orientation[3:]) < 0
    return origins[::-1] if turned_over else origins


def _decode(series: Series, open_file: OpenFile, limits: Limits) -> NDArray[np.int16]:
    """Decode the slices of a series, file by file, into `[slices, rows, columns]`."""
    from chest_cancer.imaging.volumes.slices import decode_slices  # on use: pydicom is an extra

    place = {(slice_.file, slice_.frame): number for number, slice_ in enumerate(series.slices)}
    stack = np.empty((len(place), series.slices[0].rows, series.slices[0].columns), np.int16)
    for file in series.files:
        for frame, hounsfield in enumerate(decode_slices(open_file(file), limits)):
            if (file, frame) in place:
                stack[place.pop((file, frame))] = hounsfield
    if place:
        raise UnreadableImageError(f"{len(place)} slices of the series are no longer in its files; pass them again")
    return stack


def read_volume(data: bytes, *, beside: Beside | None = None, limits: Limits = _LIMITS) -> Volume:
    """Read a file that holds one volume: NIfTI, MetaImage or NRRD.

    Args:
        data: The whole file.
        beside: Returns the bytes of the file of a plain name that lies beside an `.mhd` or `.nhdr`, and raises
            `UnreadableImageError` where there is none; None where nothing may be opened, as for uploads.
        limits: What is read.

    Raises:
        UnreadableImageError: The bytes are of another format, damaged, outside the limits, or name another file; or
            the values are no Hounsfield units, or nobody knows left from right.
    """
    kind = kind_of_volume(data)
    if kind is None:
        raise UnreadableImageError(f"no NIfTI, MetaImage or NRRD: received bytes that begin {data[:8]!r}")
    with as_unreadable(kind, extra="volumes"):
        if kind == "MetaImage":
            return read_metaimage(data, limits, beside)
        if kind == "NRRD":
            return read_nrrd(data, limits, beside)
        from chest_cancer.imaging.volumes.nifti import read_nifti

        return read_nifti(data, limits)


def _slices_of(name: str, data: bytes, limits: Limits) -> list[Slice] | None:
    """Return the slices of a DICOM file, or None for a DICOMDIR."""
    require_dicom(data)
    with as_unreadable("DICOM", extra="dicom"):
        from chest_cancer.imaging.volumes.slices import DirectoryError, read_slices

        try:
            return read_slices(name, data, limits)
        except DirectoryError:
            return None
