"""An archive to train on: the one thing that a request brings onto the disk, into the folder of its job."""

import re
from pathlib import Path

from flask import Config, Request, request

from app.problems import ProblemError, allow_more_time

FIELD = "archive"

_UNWANTED = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 80


def receive_into(folder: Path, settings: Config) -> None:
    """Let the files of this request, which is not read yet, go into a folder.

    Args:
        folder: Made here; whoever made the job deletes it.
        settings: `TRAIN_UPLOAD_BYTES` and `TRAIN_UPLOAD_SECONDS` are its limits.
    """
    folder.mkdir(mode=0o700)
    if "Content-Encoding" in request.headers:
        return  # it would be unpacked in memory, and so stays as short as any other
    request.files_go_to = folder  # type: ignore[attr-defined]  # see `InMemoryRequest`
    request.max_content_length = settings["TRAIN_UPLOAD_BYTES"]
    allow_more_time(settings["TRAIN_UPLOAD_SECONDS"])


def take_archive(request: Request, folder: Path) -> Path | None:
    """Give the archive that a form brought the name that it had, and delete whatever else came.

    Args:
        request: Its form has been read.
        folder: Where its files went.

    Returns:
        The archive; None where none was chosen.

    Raises:
        ProblemError: There are several, or it came as text.
    """
    if FIELD in request.form:
        detail = f"Expected `{FIELD}` as a file, with curl as `-F {FIELD}=@images.zip`. Received it as text."
        raise ProblemError("invalid-order", "No such run", 400, detail)
    files = [file for file in request.files.getlist(FIELD) if file.filename]
    if len(files) > 1:
        detail = f"Expected one file in the form field `{FIELD}`. Received: {len(files)}."
        raise ProblemError("invalid-order", "No such run", 400, detail)
    archive = None
    for file in files:
        name = _UNWANTED.sub("_", Path(file.filename or "").name)[-_LONGEST_NAME:].lstrip(".")
        archive = Path(file.stream.name).rename(folder / (name or FIELD))
    for each in request.files.listvalues():
        for file in each:
            file.close()
    for path in folder.glob("*"):
        if path != archive:
            path.unlink()
    return archive
