"""Files of a source where they lie: read one by one, in any process, and never copied."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from chest_cancer.imaging.volumes.reading import open_beside
from chest_cancer.parameters.sources import SourceLimits, TableParameters
from chest_cancer.sources.deidentify import Deidentifier
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.sources.intake import Intake
from chest_cancer.sources.local_folder import Entry, content_of, headers_of_values, list_folder

_LIMITS = SourceLimits()


@dataclass(frozen=True)
class SourceFile:
    """One file.

    Attributes:
        name: Its path in the source, with `/`.
        path: Where it lies.
        bytes: Its size.
        stamp: Changes when its content does.
        problem: Why it can't be taken; None where it may be an image.
        beside: Files that may hold the values of the volume whose header it is.
    """

    name: str
    path: str
    bytes: int
    stamp: str
    problem: str | None = None
    beside: tuple["SourceFile", ...] = ()


@dataclass(frozen=True)
class ImageFiles:
    """All files of a source, unread.

    Attributes:
        source: Where they came from.
        files: Sorted by name; those that can't be taken, too.
    """

    source: SourceRecord
    files: tuple[SourceFile, ...]

    @classmethod
    def of_folder(cls, record: SourceRecord) -> "ImageFiles":
        """List a folder, where it is."""
        root = Path(record.location).expanduser()
        listed = list_folder(root, Intake(root, _LIMITS))
        return cls(record, _with_values(_file_in_place(entry) for entry in listed if _counts(entry)))

    @classmethod
    def of_copies(cls, folder: ImageFolder) -> "ImageFiles":
        """List files that were brought here; what they are is the record's to say."""
        stamp = folder.source.fingerprint
        taken = [
            SourceFile(name, str(folder.root / name), (folder.root / name).stat().st_size, stamp)
            for name in folder.paths
        ]
        refused = [SourceFile(name, "", 0, stamp, reason) for name, reason in folder.refused]
        return cls(folder.source, _with_values([*taken, *refused]))


def images_in(
    file: SourceFile, key: bytes, beside: Iterable[SourceFile], used: set[str]
) -> Iterator[tuple[str, bytes]]:
    """Read the images of a file, as `data_ingestion` would have copied them: a volume slice by slice, nobody named.

    Args:
        file: The file.
        key: Of this project, for the hashes in the place of identifiers.
        beside: Files that its header may name.
        used: Takes the names of those that were.

    Yields:
        Path and content of each image.

    Raises:
        RefusedError: It can't be read, or is no image; also after some slices.
    """
    places = {one.name: one.path for one in (file, *beside)}
    intake = Intake(Path(), _LIMITS)

    def read(name: str) -> bytes:
        return b"".join(intake.read(content_of(places[name])))

    opened = partial(open_beside, file.name, places, read, used) if len(places) > 1 else None
    cleaner = Deidentifier(key, TableParameters(), _LIMITS.max_pixels)
    for name, chunks in cleaner.clean(file.name, intake.read(content_of(file.path)), opened):
        yield name, b"".join(chunks)


def _counts(entry: Entry) -> bool:
    return entry.problem is not None or not entry.is_folder


def _file_in_place(entry: Entry) -> SourceFile:
    name = entry.name.encode("utf-8", "replace").decode() if entry.problem else entry.name
    return SourceFile(name, entry.path, entry.size, f"{entry.size} {entry.modified_ns}", entry.problem)


def _with_values(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """Put what may be the values of a volume to its header."""
    by_name = {file.name: file for file in files}
    headers = headers_of_values(name for name, file in by_name.items() if file.problem is None)
    values: dict[str, list[SourceFile]] = {header: [] for header in headers.values()}
    for name, header in headers.items():
        if name in by_name and by_name[name].problem is None:
            values[header].append(by_name.pop(name))
    for header, found in values.items():
        by_name[header] = replace(by_name[header], beside=tuple(found))
    return tuple(sorted(by_name.values(), key=lambda file: file.name))
