"""Taking images from a local folder, following links only to where its own files may be kept."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kedro.io import DatasetError

from chest_cancer.imaging.volumes.reading import open_beside
from chest_cancer.imaging.volumes.voxels import names_of_values
from chest_cancer.jobs.long_work import follow
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.intake import (
    CHUNK,
    FOLDER,
    LINK,
    UNREAD,
    Intake,
    RefusedError,
    name_problem,
    read_within,
    require_within,
)

# Where DVC (of today and before 3.0), the Hugging Face Hub and git-annex keep files, each named by its digest.
_CACHE = re.compile(
    r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$|/\.dvc/cache/[0-9a-f]{2}/[0-9a-f]{30}$"
    r"|/(?:datasets|models|spaces)--[^/]+/blobs/[0-9a-f]{40,64}$|/\.git/annex/objects/[^/]+/[^/]+/"
)

_HEADERS = (".mhd", ".nhdr")  # of volumes whose values are in a file beside them


@dataclass(frozen=True)
class Entry:
    """One file or folder of a listing; `problem` is why it can't be taken, `path` where its content is."""

    name: str
    size: int
    modified_ns: int
    is_folder: bool
    problem: str | None
    path: str = ""


def list_folder(root: Path, limits: SourceLimits) -> list[Entry]:
    """List all files and folders below `root`, sorted; hidden folders are not entered.

    Args:
        root: The folder.
        limits: That on the number of files ends the listing.

    Returns:
        Files, folders, and what is neither.

    Raises:
        DatasetError: When there are more files than the limit, or the folder itself can't be opened.
    """
    entries: list[Entry] = []
    real_root = os.path.realpath(root)
    files = 0
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            found = list(os.scandir(root / folder))
        except OSError as error:
            if not folder:
                raise DatasetError(
                    f"Could not open {root}: {error.strerror}. Expected a folder that may be listed. Mount it, or let "
                    f"this user read it."
                ) from error
            entries.append(Entry(folder, 0, 0, False, f"{FOLDER}can't be opened: {error.strerror}"))
            continue
        for item in found:
            name = f"{folder}/{item.name}" if folder else item.name
            entry = _entry(item, name, real_root)
            entries.append(entry)
            files += not entry.is_folder
            if entry.is_folder and entry.problem is None:
                waiting.append(name)
        require_within(limits, files=files)
    return sorted(entries, key=lambda entry: entry.name)


def fingerprint(entries: list[Entry]) -> str:
    """Digest of a listing: it changes when a name, a size or a modification time does."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.name}\0{entry.size}\0{entry.modified_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def copy_files(entries: list[Entry], intake: Intake) -> None:
    """Copy what a listing holds.

    Args:
        entries: The listing.
        intake: Where the files go.

    Raises:
        DatasetError: When it exceeds the limits, or the disk can't hold it.
    """
    total = sum(entry.size for entry in entries if entry.problem is None)
    intake.require_within(total_bytes=total)
    intake.require_space(total)
    files = {entry.name: entry.path for entry in entries if not entry.is_folder and entry.problem is None}
    headers = headers_of_values(files)
    used: set[str] = set()

    def open_file(name: str) -> bytes:
        return b"".join(read_within(intake.limits, content_of(files[name])))

    # Headers first, so that it is known whose values have been read.
    for entry in follow(sorted(entries, key=lambda entry: entry.name in headers), "Copying", unit="files"):
        if entry.problem is not None:
            intake.refuse(entry.name, entry.problem)
        elif entry.is_folder:
            intake.add_folder(entry.name)
        elif entry.name not in used:
            beside = partial(open_beside, entry.name, files, open_file, used)
            intake.add(entry.name, content_of(entry.path), beside if entry.name.lower().endswith(_HEADERS) else None)


def headers_of_values(names: Iterable[str]) -> dict[str, str]:
    """Find the files that may hold the values of a volume, and whose header is another file.

    Args:
        names: Of all files.

    Returns:
        Names that such a file may have, to the name of its header.
    """
    return {values: name for name in names if name.lower().endswith(_HEADERS) for values in names_of_values(name)}


def list_file(path: Path) -> list[Entry]:
    """List a single file as a folder that holds nothing else."""
    status = path.stat()
    return [
        Entry(path.name, status.st_size, status.st_mtime_ns, False, name_problem(path.name), os.path.realpath(path))
    ]


def _entry(item: "os.DirEntry[str]", name: str, real_root: str) -> Entry:
    try:
        return _look_at(item, name, real_root)
    except OSError as error:  # gone since, or in a folder that may be listed and not entered
        return Entry(name, 0, 0, False, f"can't be looked at: {error.strerror}")


def _look_at(item: "os.DirEntry[str]", name: str, real_root: str) -> Entry:
    problem = name_problem(name)
    is_folder = item.is_dir(follow_symlinks=False)
    path = os.path.realpath(item.path) if item.is_symlink() else item.path
    if item.is_symlink():
        problem = problem or _link_problem(path, real_root)
    elif not is_folder and not item.is_file(follow_symlinks=False):
        problem = problem or "special file"
    if is_folder or problem:
        return Entry(name, 0, 0, is_folder, problem)
    status = Path(path).lstat()
    return Entry(name, status.st_size, status.st_mtime_ns, False, None, path)


def _link_problem(target: str, real_root: str) -> str | None:
    """Say why a link is not followed; None where it ends at a file inside the source, or in a known cache."""
    path = Path(target)
    if path.is_dir():
        return f"{FOLDER}is a symbolic link: put the folder itself in its place"
    inside = target.startswith(real_root.rstrip("/") + "/")
    if not inside and not _CACHE.search(target):
        return f"{LINK} that leads out of the source: put the file itself in its place"
    if not path.exists():
        return "link to a file that is not there: `dvc pull`, `git annex get` or downloading the data again brings it"
    return None if path.is_file() else "special file"


def content_of(path: str, chunk: int = CHUNK) -> Iterator[bytes]:
    """Read a file of a listing, where it lies.

    Args:
        path: `Entry.path`.
        chunk: Bytes that are read at once.

    Raises:
        RefusedError: It can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            while block := file.read(chunk):
                yield block
    except OSError as error:
        raise RefusedError(f"{UNREAD}{error.strerror}") from error
