"""Volumes that tests make, of a phantom, in everything that keeps a CT."""

import io
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.sequence import Sequence

from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.draws import Draws
from chest_cancer.imaging.phantoms.lesions import add_benign_findings
from chest_cancer.imaging.volumes.reading import read_one_by_one, survey
from chest_cancer.imaging.volumes.series import Refusal
from chest_cancer.imaging.volumes.volume import Limits, Note, Volume
from dicom_files import dicom, lossless_jpeg, recompressed

Stack = NDArray[np.int16]
Files = dict[str, bytes]

SPACING = (1.5, 1.25)  # mm from row to row, from column to column
STEP, CORNER = 2.5, (-90.0, -110.0, -300.0)
AXIAL = (1, 0, 0, 0, 1, 0)
LIMITS = Limits()


@cache
def phantom(patient: int = 0, number: int = 0) -> Stack:
    """A slice in Hounsfield units, at full size."""
    draws = Draws(7, patient, number, 1.0)
    return np.rint(add_benign_findings(draw_anatomy(draws), draws)).astype(np.int16)


@cache
def stack(slices: int = 8) -> Stack:
    """Slices of one phantom patient, small ones."""
    found = np.stack([phantom(0, number)[::9, ::8] for number in range(slices)])
    found.setflags(write=False)
    return found


def belly(like: Stack) -> Stack:
    """A body of tissue in air."""
    rows, columns = np.mgrid[-1 : 1 : like.shape[0] * 1j, -1 : 1 : like.shape[1] * 1j]
    return np.where((rows / 0.7) ** 2 + (columns / 0.8) ** 2 < 1, 40, -1000).astype(np.int16)


def ct_slice(hounsfield: Stack, position: float, **elements: object) -> bytes:
    """A CT slice as scanners write it, at a height in mm; None leaves an element out."""
    given = {
        "RescaleIntercept": -1024,
        "ImageOrientationPatient": list(AXIAL),
        "ImagePositionPatient": [*CORNER[:2], position],
        "PixelSpacing": list(SPACING),
        "PatientID": "4711",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
    }
    elements = {keyword: value for keyword, value in (given | elements).items() if value is not None}
    return dicom((hounsfield + 1024).astype(np.uint16), **elements)


def heights(count: int) -> list[float]:
    return [CORNER[2] + STEP * number for number in range(count)]


def series(hounsfield: Stack, **elements: object) -> Files:
    """A file for each slice, with names that say nothing about their order."""
    names = np.random.default_rng(3).permutation(900)[: len(hounsfield)].tolist()
    return {
        f"{name}.dcm": ct_slice(slice_, height, InstanceNumber=name, **elements)
        for name, slice_, height in zip(names, hounsfield, heights(len(hounsfield)), strict=True)
    }


def compress(data: bytes, syntax: uid.UID) -> bytes:
    """The same file in another transfer syntax."""
    dataset = dcmread(io.BytesIO(data))
    if syntax == uid.JPEGLosslessSV1:
        return recompressed(lossless_jpeg(dataset.pixel_array), syntax, data)
    dataset.compress(syntax, generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def enhanced(
    hounsfield: Stack, positions: list[float], sop_class: uid.UID = uid.EnhancedCTImageStorage, **elements: object
) -> bytes:
    """A multi-frame CT, its frames in a random order, half of them with another intercept."""
    order = np.random.default_rng(5).permutation(len(hounsfield)).tolist()
    intercepts = [-1024 if frame % 2 else -1000 for frame in order]
    frames = [
        _groups(
            PlanePositionSequence={"ImagePositionPatient": [*CORNER[:2], positions[frame]]},
            PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": intercept, "RescaleType": "HU"},
        )
        for frame, intercept in zip(order, intercepts, strict=True)
    ]
    shared = _groups(
        PlaneOrientationSequence={"ImageOrientationPatient": list(AXIAL)},
        PixelMeasuresSequence={"PixelSpacing": list(SPACING)},
    )
    given = {
        "NumberOfFrames": len(hounsfield),
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(frames),
        "PatientID": "4711",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.5",
        "SOPClassUID": sop_class,
    }
    stored = hounsfield[order] - np.reshape(intercepts, (-1, 1, 1))
    return dicom(stored.clip(0).astype(np.uint16), **(given | elements))


def _groups(**sequences: Mapping[str, object]) -> Dataset:
    groups = Dataset()
    for name, elements in sequences.items():
        item = Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(groups, name, Sequence([item]))
    return groups


def nifti(
    hounsfield: Stack,
    *,
    order: str = "LPS",
    kind: type = nibabel.Nifti1Image,
    dtype: type[np.generic] = np.int16,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> bytes:
    """A NIfTI whose stored axes run in this order; stored values times slope, plus intercept, are Hounsfield units."""
    lps = np.diag([SPACING[1], SPACING[0], STEP, 1.0])
    lps[:3, 3] = CORNER
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    image = kind(((hounsfield.astype(np.float64) - intercept) / slope).astype(dtype).transpose(2, 1, 0), affine)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("LPS"), nibabel.orientations.axcodes2ornt(order)
    )
    image = image.as_reoriented(turn)
    image.header.set_slope_inter(slope, intercept)
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def by_simpleitk(hounsfield: Stack, folder: Path, name: str, *, order: str = "LPS", compressed: bool = True) -> bytes:
    """What SimpleITK writes into a file of this name; its values may lie beside it."""
    image = SimpleITK.GetImageFromArray(hounsfield)
    image.SetSpacing((SPACING[1], SPACING[0], STEP))
    image.SetOrigin(CORNER)
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, order), str(folder / name), useCompression=compressed)
    return (folder / name).read_bytes()


def opener(files: Files) -> Callable[[str], bytes]:
    return files.__getitem__


class Study(NamedTuple):
    """All volumes of some files, the notes on the files, and what isn't used."""

    volumes: tuple[Volume, ...]
    notes: tuple[Note, ...]
    refused: tuple[Refusal, ...]


def read_study(files: Iterable[str], open_file: Callable[[str], bytes], limits: Limits = LIMITS) -> Study:
    names = list(files)
    found = survey(names, open_file, limits=limits)
    read = list(read_one_by_one(found, names, open_file, limits=limits))
    volumes = tuple(one for one in read if isinstance(one, Volume))
    return Study(volumes, found.notes, tuple(one for one in read if isinstance(one, Refusal)))
