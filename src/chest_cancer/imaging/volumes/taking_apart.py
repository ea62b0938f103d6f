"""Files of volumes taken apart: each slice a CT file of ours, so that whatever comes after sees slices alone."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from chest_cancer.imaging.boundary import as_unreadable
from chest_cancer.imaging.volumes.reading import read_volume
from chest_cancer.imaging.volumes.volume import Limits, Volume
from chest_cancer.imaging.volumes.voxels import Beside


def slices_of_volume(
    data: bytes, name: str, hashed: Callable[[str, str], str], *, limits: Limits, beside: Beside | None = None
) -> Iterator[bytes]:
    """Make each slice of a NIfTI, MetaImage or NRRD file a CT file.

    Args:
        data: The whole file.
        name: Its path, which identifies study and series: the formats name nobody.
        hashed: Takes `study` or `series` and an identifier, and returns what is kept in its place.
        limits: What is read.
        beside: See `reading.read_volume`.

    Returns:
        DICOM files in order, from the feet to the head, with Hounsfield units, place and spacing.

    Raises:
        UnreadableImageError: See `reading.read_volume`.
    """
    volume = read_volume(data, beside=beside, limits=limits)
    return _written(volume, {kind: hashed(kind, name) for kind in ("study", "series")})


def frames_of_dicom(data: bytes, *, limits: Limits) -> Iterator[bytes] | None:
    """Make each frame of a multi-frame CT a CT file.

    Args:
        data: The whole DICOM file, without identifiers (`decoding.without_identifiers`).
        limits: What is read.

    Returns:
        DICOM files in the order of the frames; None where the file has one frame.

    Raises:
        UnreadableImageError: The file is damaged, no CT, or does not say where a frame lies; also while it goes on.
    """
    with as_unreadable("DICOM", extra="dicom"):
        from chest_cancer.imaging.volumes.slices import split_frames  # on use: pydicom is an extra

        frames = split_frames(data, limits)
    return None if frames is None else _as_unreadable(frames)


def _as_unreadable(files: Iterator[bytes]) -> Iterator[bytes]:
    with as_unreadable("DICOM", extra="dicom"):
        yield from files


def _written(volume: Volume, identifiers: dict[str, str]) -> Iterator[bytes]:
    with as_unreadable("DICOM", extra="dicom"):
        from pydicom.dataset import Dataset

        from chest_cancer.imaging.dicom.deidentify import say_identity_is_removed
        from chest_cancer.imaging.volumes.slices import write_slice

        along, down = np.reshape(volume.orientation, (2, 3))
        normal = np.cross(along, down)
        for number, hounsfield in enumerate(volume.hounsfield):
            said = Dataset()
            said.StudyInstanceUID, said.SeriesInstanceUID = identifiers["study"], identifiers["series"]
            said.InstanceNumber = number + 1
            corner = volume.corner + normal * (volume.positions[number] - volume.positions[0])
            said.ImagePositionPatient = _texts(corner)
            said.ImageOrientationPatient = _texts(volume.orientation)
            said.PixelSpacing = _texts(volume.spacing)
            say_identity_is_removed(said)
            yield write_slice(hounsfield, said)


def _texts(numbers: Iterable[float]) -> list[str]:
    """Write numbers in the 16 characters that DICOM has for each."""
    return [f"{number:.9g}" for number in numbers]
