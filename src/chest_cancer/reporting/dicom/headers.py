"""What DICOM made of a study has from the study's own files: patient, study and references, and nothing added.

Elements are carried over as they are, PatientIdentityRemoved and the like too; what the standard wants and the files
lack, or hold in a form that it forbids, stays empty. So a study without identifiers gets a report without identifiers.
"""

import io
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.uid import UID
from pydicom.valuerep import DA, TM

from chest_cancer import __version__
from chest_cancer.imaging.dicom.elements import name_of
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.volume import Volume

# highdicom logs UIDs, and names of patients that it finds odd: nothing of a file belongs in our logs.
logging.getLogger("highdicom").setLevel(logging.CRITICAL)

RESEARCH = "RESEARCH USE, NOT FOR DIAGNOSIS"
"""What every file and every picture says."""

EQUIPMENT: Mapping[str, Any] = MappingProxyType(
    {"manufacturer": "chest_cancer", "manufacturer_model_name": "chest_cancer", "software_versions": __version__}
)
"""What made it, as highdicom's arguments."""

UTF_8 = "ISO_IR 192"
"""The character set of what is written: it holds any name of a class or of a patient."""

_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)
_SEXES = ("", "F", "M", "O")
_MOMENTS = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}


def read_headers(volume: Volume, open_file: Callable[[str], bytes]) -> list[Dataset]:
    """Read all elements but pixels of the files that a volume was read from.

    Args:
        volume: Of one series, so that patient and study are the same in all of its files.
        open_file: Returns the bytes of a file of that name.

    Returns:
        One for each slice, in order; frames of one file share theirs.

    Raises:
        UnreadableImageError: The volume comes from no DICOM series, or a file lacks a UID.
    """
    if not volume.origins:
        raise UnreadableImageError(
            "the volume was read from no slices of a DICOM series, whose patient, study and UIDs an archive needs; "
            "pass the study's original DICOM files"
        )
    by_file = {file: _read_header(open_file(file)) for file in volume.files}
    return [by_file[origin.file] for origin in volume.origins]


def frame_numbers(header: Dataset, frame: int) -> list[int] | None:
    """Name a frame of a multi-frame file, from 1; None for a file of one slice."""
    return [frame + 1] if int(header.get("NumberOfFrames") or 1) > 1 else None


def _read_header(data: bytes) -> Dataset:
    header = dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
    for keyword in _UIDS:
        value: Any = header.get(keyword)
        if not isinstance(value, UID) or not value.is_valid:
            raise UnreadableImageError(
                f"DICOM {name_of(keyword)} is missing or no UID: expected one that the archive knows; pass the study's "
                "original files, and no copies from data/01_raw, where hashes stand for identifiers"
            )
    for keyword in _MAY_BE_EMPTY:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    # What is no such value an archive would refuse.
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    for keyword, kind in _MOMENTS.items():
        try:
            kind(header[keyword].value)
        except ValueError:
            setattr(header, keyword, "")
    return header
