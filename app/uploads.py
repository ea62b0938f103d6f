"""What a request brings: images from a form, from JSON or as they are, held in memory only."""

import base64
import binascii
import io
import re
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from flask import Flask, Request, current_app
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import cached_property

from app.problems import ProblemError, refuse_if_late

FIELD = "image"

_GZIP = zlib.MAX_WBITS | 16
_URL_SAFE = str.maketrans("-_", "+/")
_DATA_PREFIX = re.compile(r"data:[^,]{0,200},")


class InMemoryRequest(Request):
    """A request whose files never reach the disk, but for an archive to train on (`app.archives`).

    By default Werkzeug writes uploads beyond 500 kB to temporary files. These are images of patients; memory is bounded
    by `MAX_CONTENT_LENGTH`.

    Attributes:
        files_go_to: The folder of the job that the request starts; None for every other request.
    """

    files_go_to: Path | None = None

    @cached_property
    def kept(self) -> list[IO[bytes]]:
        """The files that were opened in `files_go_to`, also those of a form that could not be read."""
        return []

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> IO[bytes]:  # noqa: ARG002  # Werkzeug's signature
        if self.files_go_to is None:
            return io.BytesIO()
        self.kept.append(file := (self.files_go_to / secrets.token_hex(8)).open("x+b"))
        return file

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body; one that was packed by gzip, unpacked up to `MAX_CONTENT_LENGTH` bytes.

        Raises:
            ProblemError: It was packed in another way, or is damaged.
            RequestEntityTooLarge: It unpacks to more.
        """
        body: IO[bytes] = super().stream
        match self.headers.get("Content-Encoding", "").strip().lower():
            case "" | "identity":
                return body
            case "gzip" | "x-gzip":
                return io.BytesIO(_unpack(body, self.max_content_length or current_app.config["MAX_CONTENT_LENGTH"]))
            case encoding:
                detail = f"Expected a body as it is, or packed by gzip. Received Content-Encoding: {encoding[:40]}."
                raise ProblemError("unsupported-media-type", "Unsupported media type", 415, detail)


def _unpack(body: IO[bytes], limit: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    packed = body.read()
    try:
        data = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        refuse_if_late()
        raise ProblemError("invalid-gzip", "Invalid gzip", 400, f"The body is not gzip: {error}.") from error
    if len(data) > limit:
        raise RequestEntityTooLarge
    if not unpacker.eof:
        refuse_if_late()
        raise ProblemError("invalid-gzip", "Invalid gzip", 400, "The body is not whole: its gzip data end early.")
    return data


@dataclass(frozen=True)
class Upload:
    """The bytes of one file.

    Attributes:
        data: The whole file.
        filename: What the client calls it; None where it gave no name.
    """

    data: bytes
    filename: str | None = None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return self.filename or FIELD


def init_app(app: Flask) -> None:
    """Answer no request of which a part is missing."""
    app.before_request(refuse_if_late)


def read_form(request: Request) -> Iterator[Upload]:
    """Read the files of a multipart form, one at a time.

    Args:
        request: Holds one or more files in the field `image`.

    Yields:
        The files, in order.

    Raises:
        ProblemError: No file, or more than `MAX_FILES`.
    """
    # A form that is sent without choosing a file has an empty one without a name; programs send files without a name.
    files = [file for file in request.files.getlist(FIELD) if file.filename or _holds_bytes(file.stream)]
    refuse_if_late()
    limit = current_app.config["MAX_FILES"]
    if not files:
        detail = f"Expected one or more files in the form field `{FIELD}`."
        if FIELD in request.form:
            detail += f" Received it as text: send it as a file, with curl as `-F {FIELD}=@slice.png`."
        raise ProblemError("no-image", "No image", 400, detail)
    if len(files) > limit:
        raise ProblemError(
            "too-many-images", "Too many images", 413, f"{len(files)} files exceed the limit of {limit}."
        )
    return (Upload(file.read(), file.filename) for file in files)


def _holds_bytes(stream: IO[bytes]) -> bool:
    found = bool(stream.read(1))
    stream.seek(0)
    return found


def is_yes(text: str) -> bool:
    """Read a switch of a form or an address: on, unless it says no. Python's clients write `False`."""
    return text.strip().lower() not in ("", "0", "false", "no", "off")


def read_object(request: Request) -> dict[str, Any] | None:
    """Read a JSON body; None where it is no JSON object."""
    try:
        body = request.get_json(silent=True, cache=False)
    except RecursionError:  # json's parser on deeply nested brackets
        body = None
    refuse_if_late()
    return body if isinstance(body, dict) else None


def read_json(request: Request) -> Upload:
    """Read the image of a JSON body `{"image": "<base64>"}`, with or without a `data:` prefix.

    The base64 may be url-safe, broken into lines, and without its padding.

    Raises:
        ProblemError: The body is anything else.
    """
    body = read_object(request)
    text = body.get(FIELD) if body else None
    if not isinstance(text, str) or not text:
        detail = f'Expected a JSON object {{"{FIELD}": "<base64 of an image file>"}}.'
        raise ProblemError("no-image", "No image", 400, detail)
    prefix = _DATA_PREFIX.match(text)
    try:
        # Python's `encodebytes` and many command lines break the text into lines.
        digits = "".join(text[prefix.end() if prefix else 0 :].split()).translate(_URL_SAFE).rstrip("=")
        data = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        detail = f"The value of `{FIELD}` is not base64: {error}."
        raise ProblemError("invalid-base64", "Invalid base64", 400, detail) from error
    return Upload(data)


def is_raw(request: Request) -> bool:
    """Whether the body is said to be an image file itself."""
    return request.mimetype.startswith("image/") or request.mimetype == "application/dicom"


def read_raw(request: Request) -> Upload:
    """Read a body that is one image file.

    What it is is seen from its bytes, as for every other file, whichever of these types it is said to be.

    Raises:
        ProblemError: It is empty.
    """
    data = request.get_data(cache=False)
    refuse_if_late()
    if not data:
        raise ProblemError("no-image", "No image", 400, f"Expected the bytes of an image file as {request.mimetype}.")
    return Upload(data)
