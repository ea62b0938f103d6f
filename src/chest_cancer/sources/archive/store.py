"""Files into an archive: each once, however often it is asked for."""

from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from chest_cancer.jobs.long_work import follow
from chest_cancer.sources.archive.connection import Archive
from chest_cancer.sources.intake import RefusedError

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass
class Stored:
    """What became of files.

    Attributes:
        sent: How many the archive has taken.
        present: How many it had.
        refused: Path and reason of each that it does not have.
    """

    sent: int = 0
    present: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def store_files(folder: Path, archive: Archive) -> Stored:
    """Store every DICOM file below a folder, by STOW-RS.

    Args:
        folder: The folder; hidden files in it are left alone.
        archive: The archive.

    Returns:
        What became of each file.

    Raises:
        DatasetError: The archive does not answer; asked again, it gets what it lacks.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    stored = Stored()
    for path in follow(files, "Storing", unit="files"):
        try:
            if _store(path, archive):
                stored.sent += 1
            else:
                stored.present += 1
        except RefusedError as reason:
            stored.refused.append((path.relative_to(folder).as_posix(), str(reason)))
    return stored


def _store(path: Path, archive: Archive) -> bool:
    try:
        dataset = dcmread(path)
    except InvalidDicomError:
        raise RefusedError("no DICOM file") from None
    except Exception as error:  # pydicom raises anything on damaged files
        raise RefusedError("no whole DICOM file") from error
    if missing := [name for name in _NEEDED if not dataset.get(name)]:
        raise RefusedError(f"no whole DICOM file: {', '.join(missing)} missing")
    return archive.store(dataset)
