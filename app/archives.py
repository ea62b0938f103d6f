"""An archive to train on: the one thing that a request brings onto the disk, into the folder of its job."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from flask import Config, Request, request

from app.problems import ProblemError, allow_more_time, refuse_if_late
from app.uploads import InMemoryRequest

FIELD = "archive"

_UNWANTED = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 80


@contextmanager
def receiving(folder: Path, settings: Config) -> Iterator[None]:
    """Let the files of this request, which is not read yet, go into a folder.

    Args:
        folder: Made here; whoever made the job deletes it.
        settings: `TRAIN_UPLOAD_BYTES` and `TRAIN_UPLOAD_SECONDS` are its limits.
    """
    folder.mkdir(mode=0o700)
    received = cast(InMemoryRequest, request)
    # What is no form, or would be unpacked in memory, stays as short as any other request.
    if request.mimetype == "multipart/form-data" and "Content-Encoding" not in request.headers:
        received.files_go_to = folder
        received.max_content_length = settings["TRAIN_UPLOAD_BYTES"]
        allow_more_time(settings["TRAIN_UPLOAD_SECONDS"])
    try:
        yield
    finally:
        for file in received.kept:
            file.close()


def require_whole(request: Request) -> None:
    """Refuse a form that did not arrive as a whole: it looks like one in which nothing was filled in.

    Raises:
        ProblemError: It came too slowly, ended early, or is no form.
    """
    if request.form or request.files or request.content_length == 0:
        return
    if request.content_length is None and "Transfer-Encoding" not in request.headers:
        return
    refuse_if_late()
    raise ProblemError("invalid-order", "No such run", 400, "Expected a form or a JSON object, and the whole of it.")


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
    for file in files:
        file.close()
    for path in folder.glob("*"):
        if path != archive:
            path.unlink()
    return archive
