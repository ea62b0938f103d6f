"""Unpacking zip archives that nobody vouches for."""

import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kedro.io import DatasetError
from tqdm import tqdm

from chest_cancer.sources.intake import CHUNK, Intake, RefusedError, name_problem

_LOCAL_HEADER_SIZE = 30
# What zipfile raises on a broken directory, besides its own BadZipFile.
_BROKEN_ARCHIVE = (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, EOFError, struct.error)
# What it and its decompressors raise on a broken member: bz2 says OSError, an unknown method NotImplementedError.
_BROKEN_MEMBER = (*_BROKEN_ARCHIVE, RuntimeError, zlib.error, lzma.LZMAError, OSError)


class BrokenArchiveError(DatasetError):
    """The file is no zip, or its directory can't be read."""


def unpack(archive: Path, intake: Intake, *, max_compression_ratio: float) -> None:
    """Unpack what is safe; list the rest as refused.

    Args:
        archive: The zip.
        intake: Where the files go.
        max_compression_ratio: Unpacked over packed size of one file, above which it is refused.

    Raises:
        BrokenArchiveError: When the file is no zip or its directory is corrupt.
        DatasetError: When it exceeds the limits, or the disk can't hold it.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except _BROKEN_ARCHIVE as error:
        raise BrokenArchiveError(
            f"Can't unpack {archive}. Expected a zip archive. Received another kind of file, or one whose directory is "
            f"corrupt ({error}). Fetch or make the archive again."
        ) from error
    with opened:
        members = opened.infolist()
        intake.require_within(files=len(members))
        overlapping = _overlapping(members)
        problems = [_problem(member, max_compression_ratio) for member in members]
        total = sum(member.file_size for member, problem in zip(members, problems, strict=True) if problem is None)
        intake.require_within(total_bytes=total)
        intake.require_space(total)
        for index, member in enumerate(tqdm(members, desc="Unpacking", unit="file", disable=None)):
            name = _decoded_name(member)
            if problem := problems[index] or ("overlaps another file of the archive" if index in overlapping else None):
                intake.refuse(name, problem)
            elif member.is_dir():
                intake.add_folder(name)
            else:
                intake.add(name, _content(opened, member))


def _decoded_name(member: zipfile.ZipInfo) -> str:
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
        return "symbolic link"
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
