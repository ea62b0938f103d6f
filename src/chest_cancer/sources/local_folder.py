"""Taking images from a local folder, following no link."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from chest_cancer.sources.intake import CHUNK, Intake, RefusedError, name_problem


@dataclass(frozen=True)
class Entry:
    """One file or folder of a listing; `problem` is why it can't be taken."""

    name: str
    size: int
    modified_ns: int
    is_folder: bool
    problem: str | None


def list_folder(root: Path, intake: Intake) -> list[Entry]:
    """List all files and folders below `root`, sorted; hidden folders are not entered.

    Args:
        root: The folder.
        intake: Whose limit on the number of files ends the listing.

    Returns:
        Files, folders, and what is neither.

    Raises:
        DatasetError: When there are more files than the limit.
    """
    entries: list[Entry] = []
    files = 0
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            found = list(os.scandir(root / folder))
        except OSError as error:
            entries.append(Entry(folder or ".", 0, 0, False, f"folder can't be opened: {error.strerror}"))
            continue
        for item in found:
            name = f"{folder}/{item.name}" if folder else item.name
            entry = _entry(item, name)
            entries.append(entry)
            files += not entry.is_folder
            if entry.is_folder and entry.problem is None:
                waiting.append(name)
        intake.require_within(files=files)
    return sorted(entries, key=lambda entry: entry.name)


def fingerprint(entries: list[Entry]) -> str:
    """Digest of a listing: it changes when a name, a size or a modification time does."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.name}\0{entry.size}\0{entry.modified_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def copy_folder(root: Path, entries: list[Entry], intake: Intake) -> None:
    """Copy what a listing holds.

    Args:
        root: The folder that was listed.
        entries: Its listing.
        intake: Where the files go.

    Raises:
        DatasetError: When it exceeds the limits, or the disk can't hold it.
    """
    total = sum(entry.size for entry in entries if entry.problem is None)
    intake.require_within(total_bytes=total)
    intake.require_space(total)
    for entry in tqdm(entries, desc="Copying", unit="file", disable=None):
        if entry.problem is not None:
            intake.refuse(entry.name, entry.problem)
        elif entry.is_folder:
            intake.add_folder(entry.name)
        else:
            intake.add(entry.name, _content(root / entry.name))


def _entry(item: "os.DirEntry[str]", name: str) -> Entry:
    problem = name_problem(name)
    is_folder = item.is_dir(follow_symlinks=False)
    if item.is_symlink():
        problem = problem or "symbolic link"
    elif not is_folder and not item.is_file(follow_symlinks=False):
        problem = problem or "special file"
    if is_folder or problem:
        return Entry(name, 0, 0, is_folder, problem)
    status = item.stat(follow_symlinks=False)
    return Entry(name, status.st_size, status.st_mtime_ns, is_folder, None)


def _content(path: Path) -> Iterator[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise RefusedError(f"can't be read: {error.strerror}") from error
