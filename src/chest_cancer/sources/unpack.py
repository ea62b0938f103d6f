"""Unpacking zip and tar archives that nobody vouches for."""

import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kedro.io import DatasetError

from chest_cancer.imaging.signatures import foreign_by_content
from chest_cancer.jobs.long_work import follow
from chest_cancer.sources.foreign import foreign_by_name, is_table_by_name
from chest_cancer.sources.intake import CHUNK, LINK, Intake, RefusedError, name_problem
from chest_cancer.sources.untar import BROKEN_TAR, is_tar, unpack_tar

_PACKED = (b"PK", b"\x1f\x8b")
_LOCAL_HEADER_SIZE = 30
# What zipfile raises on a broken directory, besides its own BadZipFile.
_BROKEN_ARCHIVE = (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, EOFError, struct.error)
# What it and its decompressors raise on a broken member: bz2 says OSError, an unknown method NotImplementedError.
_BROKEN_MEMBER = (*_BROKEN_ARCHIVE, RuntimeError, zlib.error, lzma.LZMAError, OSError)


class BrokenArchiveError(DatasetError):
    """The file is no archive, or its directory can't be read."""


def unpack(archive: Path, intake: Intake, *, max_compression_ratio: float) -> None:
    """Unpack what is safe; list the rest as refused.

    Args:
        archive: A zip, or a tar, packed or not.
        intake: Where the files go.
        max_compression_ratio: Unpacked over packed size of one file, above which it is refused.

    Raises:
        BrokenArchiveError: When the file is no archive or its directory is corrupt.
        DatasetError: When it exceeds the limits, or the disk can't hold it.
    """
    _refuse_foreign(archive)
    if not zipfile.is_zipfile(archive) and is_tar(archive):
        try:
            unpack_tar(archive, intake, max_compression_ratio=max_compression_ratio)
        except BROKEN_TAR as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the archive
                raise
            raise _broken(archive, error) from error
        return
    try:
        opened = zipfile.ZipFile(archive)
    except _BROKEN_ARCHIVE as error:
        raise _broken(archive, error) from error
    with opened:
        members = opened.infolist()
        intake.require_within(files=len(members))
        overlapping = _overlapping(members)
        problems = [_problem(member, max_compression_ratio) for member in members]
        total = sum(member.file_size for member, problem in zip(members, problems, strict=True) if problem is None)
        intake.require_within(total_bytes=total)
        intake.require_space(total)
        for index, member in enumerate(follow(members, "Unpacking", unit="files")):
            name = _decoded_name(member)
            if problem := problems[index] or ("overlaps another file of the archive" if index in overlapping else None):
                intake.refuse(name, problem)
            elif name.endswith("/"):
                intake.add_folder(name)
            else:
                intake.add(name, _content(opened, member))


def _refuse_foreign(archive: Path) -> None:
    """Name a file that people take for an archive of images, and that is none."""
    with archive.open("rb") as file:
        start = file.read(512)
    kind = None if start.startswith(_PACKED) else foreign_by_content(start)
    if is_table_by_name(archive.name) or archive.name.lower().endswith((".npz", ".docx")):  # some are zip by content
        kind = foreign_by_name(archive.name)
    if kind:
        raise BrokenArchiveError(f"Can't unpack {archive}. Expected a zip or tar archive. Received {kind}.")


def _broken(archive: Path, error: Exception) -> BrokenArchiveError:
    return BrokenArchiveError(
        f"Can't unpack {archive}. Expected a zip or tar archive. Received a file that is no archive, or is damaged "
        f"({error}). Fetch or make the archive again."
    )


def _decoded_name(member: zipfile.ZipInfo) -> str:
    """Name with `/` between its parts: PowerShell 5 writes backslashes."""
    return _decoded(member).replace("\\", "/")


def _decoded(member: zipfile.ZipInfo) -> str:
    """Many programs write UTF-8 without saying so, and zipfile then reads code page 437."""
    name = member.orig_filename
    if member.flag_bits & 0x800 or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _problem(member: zipfile.ZipInfo, max_compression_ratio: float) -> str | None:
    if problem := name_problem(_decoded_name(member).rstrip("/") or "/"):
        return problem
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return f"{LINK} in an archive: pack the file itself"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "special file"
    if member.flag_bits & 0x1:
        return "encrypted"
    if member.file_size > max_compression_ratio * max(member.compress_size, 1):
        return f"unpacks to more than {max_compression_ratio:g} times its size"
    return None


def _overlapping(members: list[zipfile.ZipInfo]) -> set[int]:
    """Indices of the members whose data begin inside those of another one."""
    found, end = set(), 0
    for index in sorted(range(len(members)), key=lambda index: members[index].header_offset):
        member = members[index]
        if member.header_offset < end:
            found.add(index)
        end = max(end, member.header_offset + _LOCAL_HEADER_SIZE + member.compress_size)
    return found


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield what zipfile unpacks: never more than the size that the member claims, which was checked."""
    try:
        with archive.open(member) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except _BROKEN_MEMBER as error:
        raise RefusedError(_damage(error)) from error


def _damage(error: Exception) -> str:
    # zipfile repeats the member's name, which the quarantine table has already.
    return "damaged in the archive: " + re.sub(r" (?:for file )?'.*'$", "", str(error) or type(error).__name__)
