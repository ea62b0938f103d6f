"""Files on their way into a fresh folder: counted against limits; what can't be taken is listed with its reason."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from kedro.io import DatasetError

from chest_cancer.imaging.volumes.voxels import Beside
from chest_cancer.parameters.sources import SourceLimits

CHUNK = 1 << 20
FOLDER = "folder "  # begins the reason of a folder that is refused
LINK = "symbolic link"
UNREAD = "can't be read: "  # begins the reason of a file that a disk or a store did not give: it may the next time
SYSTEM_NAMES = {"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "System Volume Information"}
_ALWAYS_ALLOWED_BYTES = 1 << 26
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNSUITABLE_NAME = {
    errno.ENAMETOOLONG: "name is too long for the file system",
    errno.EILSEQ: "name is not allowed by the file system",
    errno.EINVAL: "name is not allowed by the file system",
    errno.EEXIST: "name is taken by another file or folder",
    errno.EISDIR: "name is taken by another file or folder",
    errno.ENOTDIR: "name is taken by another file or folder",
}


_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}


class RefusedError(Exception):
    """One file can't be taken; the message is the reason."""


Prepare = Callable[[str, Iterable[bytes], Beside | None], Iterable[tuple[str, Iterable[bytes]]]]


def _as_it_is(name: str, chunks: Iterable[bytes], _: Beside | None) -> Iterable[tuple[str, Iterable[bytes]]]:
    return [(name, chunks)]


class Intake:
    """A folder being filled.

    Attributes:
        root: The folder.
        limits: On files and bytes.
        files: Files written so far.
        bytes: Their size.
        volumes: Files of the source that were taken apart: each is a folder here.
        refused: Path and reason of each file that was not taken.
    """

    def __init__(
        self,
        root: Path,
        limits: SourceLimits,
        prepare: Prepare = _as_it_is,
    ) -> None:
        """Start with an empty folder.

        Args:
            root: The folder.
            limits: On files and bytes.
            prepare: Takes name and content of a file and what opens another beside it, and returns name and content of
                the files that are written: one of the same name, or several in a folder of that name. May raise
                `RefusedError`.
        """
        self.root = root
        self.limits = limits
        self.files = 0
        self.bytes = 0
        self.volumes: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self._prepare = prepare

    def refuse(self, name: str, reason: str) -> None:
        """List a file that is not taken."""
        self.refused.append((printable(name), reason))

    def add_folder(self, name: str) -> None:
        """Make a folder, so that an empty one is known as well."""
        try:
            (self.root / PurePosixPath(name)).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.refuse(name, _name_problem(error))

    def add(self, name: str, chunks: Iterable[bytes], beside: Beside | None = None) -> None:
        """Write one file, or what it is taken apart into. Nothing of it is left when it is refused half-way.

        Args:
            name: Relative path, checked with `name_problem` before.
            chunks: Its content; may raise `RefusedError`.
            beside: Opens another file of the source that lies beside it, where that is there already.

        Raises:
            DatasetError: When the source exceeds its limits.
            OSError: When it can't be written for a reason that is not its name.
        """
        self.require_within(files=self.files + 1)
        path = self.root / PurePosixPath(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("xb").close()
        except OSError as error:
            self.refuse(name, _name_problem(error))
            return
        bytes_before, parts = self.bytes, 0
        try:
            for part, content in self._prepare(name, read_within(self.limits, chunks), beside):
                if part != name and not parts:
                    path.unlink()
                    path.mkdir()
                parts += 1
                self.require_within(files=self.files + parts)
                self._write(self.root / PurePosixPath(part), content)
        except RefusedError as reason:
            self.bytes = bytes_before
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            self.refuse(name, str(reason))
            return
        self.files += parts
        if path.is_dir():
            self.volumes.append(name)

    def another(self, root: Path) -> "Intake":
        """Start with another empty folder, for a part of the source: the same limits hold."""
        return Intake(root, self.limits, self._prepare)

    def adopt(self, name: str, file: Path) -> None:
        """Take a file that another intake has prepared, without a second copy where the disk allows that.

        Args:
            name: Its name here.
            file: Where it lies; nobody may write to it any more.

        Raises:
            DatasetError: When the source exceeds its limits.
        """
        self.require_within(files=self.files + 1, total_bytes=self.bytes + file.stat().st_size)
        path = self.root / PurePosixPath(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, path)
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                self.refuse(name, _name_problem(error))
                return
            shutil.copyfile(file, path)
        self.files += 1
        self.bytes += file.stat().st_size

    def _write(self, path: Path, content: Iterable[bytes]) -> None:
        with path.open("wb") as file:
            for chunk in content:
                self.bytes += len(chunk)
                self.require_within(total_bytes=self.bytes)
                file.write(chunk)

    def require_within(self, *, files: int = 0, total_bytes: int = 0) -> None:
        """Raise when so many files or bytes are more than the limits allow; see `require_within`."""
        require_within(self.limits, files=files, total_bytes=total_bytes)

    def require_space(self, needed: int) -> None:
        """Raise before any work when the disk can't hold what the source claims to be.

        Raises:
            DatasetError: Names both sizes.
        """
        free = shutil.disk_usage(self.root).free
        if needed > free:
            raise DatasetError(
                f"Not enough space for {self.root.parent}: the source unpacks to {needed} bytes, {free} are free. "
                "Free some space, or move the data folder to a larger disk. The former images are unchanged."
            )


def require_within(limits: SourceLimits, *, files: int = 0, total_bytes: int = 0) -> None:
    """Raise when a source of so many files or bytes is larger than its limits allow.

    Raises:
        DatasetError: Names the limit, and how to raise it.
    """
    for limit, allowed, received in (
        ("max_files", limits.max_files, files),
        ("max_total_bytes", limits.max_total_bytes, total_bytes),
    ):
        if received > allowed:
            raise DatasetError(
                f"The source exceeds `data_ingestion.limits.{limit}`. Expected at most {allowed}. "
                f"Received: {received} or more. Nothing was taken; if the source can be trusted, raise the limit."
            )


def read_within(limits: SourceLimits, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Read a file's content, as long as it is within the limits.

    Raises:
        RefusedError: It is larger than any image within the limit on pixels: it would only be read to be refused.
        DatasetError: It is larger than the whole source may be.
    """
    most, size = max(16 * limits.max_pixels, _ALWAYS_ALLOWED_BYTES), 0
    for chunk in chunks:
        size += len(chunk)
        require_within(limits, total_bytes=size)
        if size > most:
            raise RefusedError(f"larger than {most} bytes, 16 a pixel of the largest image")
        yield chunk


def printable(name: str) -> str:
    r"""Write a file's name so that it can be stored: bytes that are no text as `\udcff`, so names stay distinct."""
    return name.encode("utf-8", "backslashreplace").decode()


def name_problem(name: str) -> str | None:
    """Tell why a file of this name must not be written; None when it may.

    Args:
        name: Relative path with `/` between its parts.

    Returns:
        The reason.
    """
    parts = name.split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "absolute path"
    if "\\" in name:
        return "backslash in its name"
    if ".." in parts:
        return "path leads out of its folder (`..`)"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "control character in its name"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "name is not valid Unicode"
    if any((part.startswith(".") and part != ".") or part in SYSTEM_NAMES for part in parts):
        return "system or hidden file"
    return None


def is_folder_problem(path: str, reason: str) -> bool:
    """Whether what was refused is a folder, with files in it that nobody saw.

    Args:
        path: Path of what was refused.
        reason: Why.
    """
    return reason.startswith(FOLDER) or (reason.startswith(LINK) and "." not in path.rpartition("/")[2])


def _name_problem(error: OSError) -> str:
    if error.errno not in _UNSUITABLE_NAME:
        raise error
    return _UNSUITABLE_NAME[error.errno]
