"""Unpacking tar archives that nobody vouches for, packed or not."""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kedro.io import DatasetError

from chest_cancer.jobs.long_work import LongWork
from chest_cancer.sources.intake import CHUNK, LINK, Intake, RefusedError, name_problem

BROKEN_TAR = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)
_ALWAYS_ALLOWED_BYTES = 1 << 26


def is_tar(archive: Path) -> bool:
    """Whether a file is a tar archive: plain or packed by gzip, bzip2 or xz."""
    try:
        with tarfile.open(archive, "r|*") as opened:
            return opened.next() is not None
    except BROKEN_TAR:
        return False


def unpack_tar(archive: Path, intake: Intake, *, max_compression_ratio: float) -> None:
    """Unpack what is safe; list the rest as refused.

    Args:
        archive: The tar.
        intake: Where the files go.
        max_compression_ratio: Unpacked over packed size of the whole, above which it is refused.

    Raises:
        DatasetError: When it exceeds the limits, or the disk can't hold it.
        OSError: When it is broken; or another of `BROKEN_TAR`.
    """
    most = max(max_compression_ratio * archive.stat().st_size, _ALWAYS_ALLOWED_BYTES)
    # In one pass: going back in a packed archive unpacks it from its beginning.
    with tarfile.open(archive, "r|*") as opened, LongWork("Unpacking", None, "files") as work:
        announced = files = 0
        for member in opened:
            work.update()
            files += not member.isdir()
            announced += member.size
            intake.require_within(files=files, total_bytes=announced)
            if announced > most:
                raise DatasetError(
                    f"{archive} exceeds `data_ingestion.limits.max_compression_ratio`. Expected at most "
                    f"{max_compression_ratio:g} times its size unpacked. Received: {announced} bytes or more. Nothing "
                    "was taken; if the source can be trusted, raise the limit."
                )
            _take(opened, member, intake)


def _take(opened: tarfile.TarFile, member: tarfile.TarInfo, intake: Intake) -> None:
    name = member.name.removeprefix("./").rstrip("/")
    if name in {"", "."}:
        return
    if problem := name_problem(name) or _problem(member):
        intake.refuse(name, problem)
    elif member.isdir():
        intake.add_folder(name)
    else:
        content = opened.extractfile(member)
        if content is not None:
            intake.add(name, _chunks(content))


def _problem(member: tarfile.TarInfo) -> str | None:
    if member.issym():
        return f"{LINK} in an archive: pack the file itself, as `tar --dereference` does"
    if member.islnk():
        return "hard link in an archive: pack the file itself, as `tar --hard-dereference` does"
    if member.issparse() or not (member.isreg() or member.isdir()):
        return "special file"
    return None


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := content.read(CHUNK):
            yield chunk
    except BROKEN_TAR as error:
        raise RefusedError(f"damaged in the archive: {error}") from error
