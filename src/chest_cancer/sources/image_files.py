"""Files of a source where they lie: read one by one, in any process, and never copied."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from chest_cancer.imaging.volumes.reading import open_beside
from chest_cancer.imaging.volumes.voxels import Beside
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.parameters.sources import SourceLimits, TableParameters
from chest_cancer.sources.deidentify import Deidentifier
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.sources.intake import (
    CHUNK,
    UNREAD,
    RefusedError,
    name_problem,
    printable,
    read_within,
    require_within,
)
from chest_cancer.sources.local_folder import Entry, content_of, headers_of_values, list_folder
from chest_cancer.storage.place import Listed, Place

_OBJECT_BLOCK = 16 * CHUNK  # each is a question to the object store
_AT_ONCE, _AHEAD = 16, 1000

Answer = TypeVar("Answer")


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
        place: The object store that it lies in; None where it is on this machine's disks.
    """

    name: str
    path: str
    bytes: int
    stamp: str
    problem: str | None = None
    beside: tuple["SourceFile", ...] = ()
    place: Place | None = None


@dataclass(frozen=True)
class ImageFiles:
    """All files of a source, unread.

    Attributes:
        source: Where they came from.
        files: Sorted by name; those that can't be taken, too.
        folder: Holds them all; None where no folder does.
    """

    source: SourceRecord
    files: tuple[SourceFile, ...]
    folder: Path | None = None

    @classmethod
    def of_folder(cls, record: SourceRecord, limits: SourceLimits) -> "ImageFiles":
        """List a folder, where it is."""
        root = Path(record.location).expanduser()
        listed = list_folder(root, limits)
        return cls(record, _with_values(_file_in_place(entry) for entry in listed if _counts(entry)), root)

    @classmethod
    def of_objects(cls, record: SourceRecord, place: Place, limits: SourceLimits) -> "ImageFiles":
        """List objects, where they are."""
        listed = place.list()
        require_within(limits, files=len(listed))
        return cls(record, _with_values(_object_in_place(item, place) for item in listed))

    @classmethod
    def of_copies(cls, folder: ImageFolder) -> "ImageFiles":
        """List files that were brought here; what they are is the record's to say."""
        stamp = folder.source.fingerprint
        taken = [
            SourceFile(name, str(folder.root / name), (folder.root / name).stat().st_size, stamp)
            for name in folder.paths
        ]
        refused = [SourceFile(name, "", 0, stamp, reason) for name, reason in folder.refused]
        return cls(folder.source, _with_values([*taken, *refused]), folder.root)


def blocks_of(file: SourceFile, size: int | None = None) -> Iterator[bytes]:
    """Read a file, where it lies.

    Args:
        file: The file.
        size: Bytes of a block.

    Raises:
        RefusedError: It can't be read.
        DatasetError: The object store does not answer: that says nothing of the file.
    """
    if file.place is None:
        yield from content_of(file.path, size or CHUNK)
        return
    step = size or _OBJECT_BLOCK
    try:
        for start in range(0, file.bytes, step):
            yield file.place.read(file.path, start, min(start + step, file.bytes))
    except FileNotFoundError as error:
        raise RefusedError(f"{UNREAD}it is gone from the object store") from error


def images_in(
    file: SourceFile, key: bytes, beside: Iterable[SourceFile], used: set[str], limits: SourceLimits
) -> Iterator[tuple[str, bytes]]:
    """Read the images of a file, as `data_ingestion` would have copied them: a volume slice by slice, nobody named.

    Args:
        file: The file.
        key: Of this project, for the hashes in the place of identifiers.
        beside: Files that its header may name.
        used: Takes the names of those that were.
        limits: On the size of an image.

    Yields:
        Path and content of each image.

    Raises:
        RefusedError: It can't be read, or is no image; also after some slices.
    """
    opened = opener_beside(file, beside, limits, used)
    cleaner = Deidentifier(key, TableParameters(), limits.max_pixels)
    for name, chunks in cleaner.clean(file.name, read_within(limits, blocks_of(file)), opened):
        yield name, b"".join(chunks)


def opener_beside(
    file: SourceFile, beside: Iterable[SourceFile], limits: SourceLimits, used: set[str]
) -> Beside | None:
    """Make what opens the values of a volume for its header; None where nothing lies beside it.

    Args:
        file: The header.
        beside: Files that it may name.
        limits: On what they hold.
        used: Takes the names of those that were.
    """
    files = {one.name: one for one in (file, *beside)}

    def read(name: str) -> bytes:
        return b"".join(read_within(limits, blocks_of(files[name])))

    return partial(open_beside, file.name, files, read, used) if len(files) > 1 else None


def ask_of_all(
    question: Callable[[SourceFile], Answer], files: Sequence[SourceFile], description: str
) -> Iterator[Answer]:
    """Ask something of files, of several at once: what takes long is the way to an object store and back.

    Args:
        question: Called in threads.
        files: The files.
        description: Of the progress.

    Yields:
        The answers, in order.
    """
    with (
        ThreadPoolExecutor(_AT_ONCE) as pool,
        LongWork(description, len(files), "files") as work,
    ):
        for start in range(0, len(files), _AHEAD):  # not all of them, each of which is something in memory
            for answer in pool.map(question, files[start : start + _AHEAD]):
                work.update()
                yield answer


def _counts(entry: Entry) -> bool:
    return entry.problem is not None or not entry.is_folder


def _file_in_place(entry: Entry) -> SourceFile:
    name = printable(entry.name) if entry.problem else entry.name
    return SourceFile(name, entry.path, entry.size, f"{entry.size} {entry.modified_ns}", entry.problem)


def _object_in_place(item: Listed, place: Place) -> SourceFile:
    problem = name_problem(item.name)
    return SourceFile(item.name, item.path, item.bytes, f"{item.bytes} {item.stamp}", problem, place=place)


def _with_values(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """Put what may be the values of a volume to its header; what was refused may have the name of another file."""
    listed = list(files)
    by_name = {file.name: file for file in listed if file.problem is None}
    headers = headers_of_values(by_name)
    values: dict[str, list[SourceFile]] = {header: [] for header in headers.values()}
    for name, header in headers.items():
        if name in by_name:
            values[header].append(by_name.pop(name))
    for header, found in values.items():
        by_name[header] = replace(by_name[header], beside=tuple(found))
    refused = (file for file in listed if file.problem is not None)
    return tuple(sorted([*by_name.values(), *refused], key=lambda file: (file.name, file.problem or "")))
