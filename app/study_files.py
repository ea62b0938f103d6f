"""What an upload of a study brings: files, and what zips hold; in memory only, and let go one by one."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from flask import Request, current_app

from app.capacity import Capacity
from app.problems import ProblemError, refuse_if_late
from chest_cancer.imaging.volumes.arriving import StudyTooLargeError

FIELD = "file"

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
# RuntimeError: it needs a password.
_BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError)
_MEMBERS_A_SLICE = 2
"""Studies hold more files than slices: lists of files, reports."""


def add_files(request: Request, add: Callable[[bytes], None], capacity: Capacity) -> None:
    """Add the files of a form to a study, one after the other.

    Args:
        request: Holds files in the field `file`, as they are or in zips.
        add: Takes one, see `ArrivingStudy.add`.
        capacity: Makes them wait for a place to decode.

    Raises:
        ProblemError: No file, a zip that can't be used, or more than there may be.
    """
    most = current_app.config["MAX_STUDY_SLICES"] * _MEMBERS_A_SLICE
    request.max_content_length = current_app.config["MAX_STUDY_BYTES"]
    request.max_form_parts = most
    files = [file.stream for file in request.files.getlist(FIELD) if file.filename or file.stream.read(1)]
    refuse_if_late()
    if not files:
        detail = f"Expected the files of a study, or a zip of them, in the form field `{FIELD}`."
        raise ProblemError("no-study", "No study", 400, detail)
    try:
        for data in _unpacked(files, most):
            with capacity.decode():
                add(data)
    except StudyTooLargeError as error:
        raise ProblemError("study-too-large", "Study too large", 413, f"{error}.") from error


def _unpacked(files: list[IO[bytes]], most: int) -> Iterator[bytes]:
    for stream in files:
        stream.seek(0)
        is_zip = stream.read(4) in _ZIP
        stream.seek(0)
        if is_zip:
            yield from _members(stream, most)
            stream.close()
        else:
            data = stream.read()
            stream.close()  # so that this is the only copy, and goes when the next one comes
            yield data


def _members(stream: IO[bytes], most: int) -> Iterator[bytes]:
    """Yield what is in a zip; each member's size is checked before it is unpacked.

    Raises:
        ProblemError: The zip is damaged, packed in a way that is not read, or holds too much.
    """
    limit = current_app.config["MAX_STUDY_BYTES"]
    try:
        with zipfile.ZipFile(stream) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            size = sum(member.file_size for member in members)
            if len(members) > most or size > limit:
                detail = (
                    f"A zip of {len(members):,} files and {size:,} bytes exceeds {most:,} files or {limit:,} bytes."
                )
                raise ProblemError("study-too-large", "Study too large", 413, detail)
            for member in members:
                yield archive.read(member)
    except _BROKEN as error:
        # Its text may name the member, and so a patient.
        detail = (
            "A zip is damaged, needs a password, or is packed in a way that is not read. Send its files as they are."
        )
        raise ProblemError("unusable-study", "Unusable study", 422, detail) from error
