"""Fetching an archive over the network, by gdown: resumed, retried, timed out, checked, and kept."""

import hashlib
import html
import logging
import re
import threading
import time
import zipfile
from concurrent.futures import Future, wait
from pathlib import Path
from typing import NoReturn

from kedro.io import DatasetError

from chest_cancer.jobs.long_work import BYTES, LongWork
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.intake import FULL
from chest_cancer.sources.untar import is_tar
from chest_cancer.storage.recoverable_folder import locked

logger = logging.getLogger(__name__)

_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}


def archive_of(source: ImageSource, folder: Path) -> Path:
    """Say where the archive of a link is kept, under a name that tells nothing of the link."""
    return folder / f"{hashlib.sha256(_url(source).encode()).hexdigest()[:16]}.zip"


def fetch(source: ImageSource, folder: Path) -> Path:
    """Download a source's archive, unless it was downloaded before.

    Args:
        source: A Google Drive file or an `https://` archive.
        folder: Where archives are kept, each under a name made of its location.

    Returns:
        The archive: a zip or tar, and the right one if the source knows its checksum.

    Raises:
        DatasetError: Says what failed and what to do about it.
    """
    archive = archive_of(source, folder)
    with locked(archive.with_suffix(".lock")):
        if archive.exists():
            if source.sha256 in {None, file_sha256(archive)}:
                logger.info("Using %s, downloaded before from %s.", archive, source.address)
                return archive
            archive.unlink()
        fresh = archive.with_suffix(".download")
        fresh.unlink(missing_ok=True)
        _download(source, fresh)
        try:
            _require_archive(source, fresh)
            require_checksum(source.address, expected=source.sha256, received=file_sha256(fresh))
        except DatasetError:
            fresh.unlink()
            raise
        fresh.rename(archive)
    return archive


def file_sha256(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_checksum(archive: Path | str, *, expected: str | None, received: str) -> None:
    """Raise when an archive is not the expected one.

    Raises:
        DatasetError: Names both checksums.
    """
    if expected not in {None, received}:
        raise DatasetError(
            f"Wrong checksum of {archive}. Expected `data_ingestion.sha256`: {expected}. Received: {received}. "
            "The archive is damaged or another one: get it again, or correct the parameter."
        )


class _Transfer:
    """One download in a thread of its own, because nothing interrupts a name look-up that hangs."""

    def __init__(self, source: ImageSource, output: Path) -> None:
        self._source = source
        self._output = output
        self._cancelled = threading.Event()
        # Until the first block; from then on gdown's own time-outs suffice, and a slow line may take its time.
        self._silent_since: float | None = time.monotonic()
        self._progress = LongWork("Downloading", None, BYTES)
        # A whole time-out for the first try, and less for each further one: 15 s by default.
        self._patience = source.timeout_seconds * (1 + 0.25 * source.retries)

    def run(self) -> None:
        """Wait for the end, but not for ever for a beginning.

        Raises:
            TimeoutError: When nothing was received for too long.
            Exception: Whatever gdown raised.
        """
        result: Future[None] = Future()
        with self._progress:
            threading.Thread(target=self._work, args=(result,), daemon=True).start()
            try:
                while not result.done():
                    silence = time.monotonic() - (self._silent_since or time.monotonic())
                    if silence >= self._patience:
                        raise TimeoutError(
                            f"nothing received for {silence:.0f} s, the most that `data_ingestion.timeout_seconds` and "
                            "`.retries` allow"
                        )
                    wait([result], timeout=self._patience - silence)
                result.result()
            finally:
                self._cancelled.set()

    def _work(self, result: Future[None]) -> None:
        try:
            for attempt in range(self._source.retries, -1, -1):
                try:
                    self._try_once()
                    break
                except Exception as error:  # raised again, unless it may pass
                    if not attempt or not _may_pass(error):
                        raise
                    logger.info("Trying again: %s", _reason(error, self._source))
                    self._silent_since = time.monotonic()
                    if "byte range" in str(error):  # the kept part is of another file, or whole already
                        self._remove_parts(keep=0)
                    self._cancelled.wait(0.5 * 2 ** (self._source.retries - attempt))
        except BaseException as error:
            result.set_exception(error)  # raised again by the thread that waits
        else:
            result.set_result(None)

    def _try_once(self) -> None:
        import gdown  # here, because runs on phantoms need not wait for its imports

        self._remove_parts(keep=1)
        drive_id = self._source.drive_id
        gdown.download(
            url=None if drive_id else _url(self._source),
            id=drive_id,
            output=str(self._output),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=self._show,
            timeout=self._source.timeout_seconds,
            retries=self._source.retries,
            cancel=self._cancelled,
        )

    def _show(self, received: int, total: int | None) -> None:
        self._silent_since = None
        self._progress.total = total
        self._progress.update(received - self._progress.done)

    def _remove_parts(self, *, keep: int) -> None:
        """Remove all but the largest part: gdown refuses to choose."""
        parts = sorted(self._output.parent.glob(f"{self._output.name}*.part"), key=lambda path: path.stat().st_size)
        for part in parts[: len(parts) - keep]:
            part.unlink()


def _url(source: ImageSource) -> str:
    return source.address if source.drive_id else source.location


def _download(source: ImageSource, output: Path) -> None:
    try:
        _Transfer(source, output).run()
    except OSError as error:
        if error.errno in FULL:
            raise
        _fail(source, _reason(error, source))
    except Exception as error:  # gdown asserts, and looks up headers, that an unexpected page does not have
        _fail(source, _reason(error, source))


def _fail(source: ImageSource, reason: str) -> NoReturn:
    raise DatasetError(
        f"Could not download {source.address}: {reason}. Check the network and the link, or get the images another "
        f"way and pass {source.parameter}=<archive or folder>."
    ) from None  # a traceback of gdown's would show the credentials of a link


def _may_pass(error: Exception) -> bool:
    """Whether to try again what gdown itself does not: errors of the server, and parts that do not fit."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    # gdown takes a server's error for a page of Google Docs, and then finds no link on it.
    return status in _PASSING_STATUS or "byte range" in str(error) or "Cannot retrieve the public link" in str(error)


def _reason(error: BaseException, source: ImageSource) -> str:
    """Shorten gdown's and urllib3's messages, and keep out what the location holds in secret."""
    cause = error.__cause__ or error
    text = str(getattr(cause.args[0] if cause.args else None, "reason", None) or error)
    if not isinstance(error, OSError) and not type(error).__module__.startswith("gdown"):
        text = f"{type(error).__name__}: {text}"
    text = text.replace(source.location, source.address)
    if source.kind == "https":
        text = re.sub(r"(?<=//)[^/@\s]*@|\?[^\s)]*", "", text)
    text = re.sub(r"^.*Failed to retrieve file url:|You may still be able to access.*$", "", text, flags=re.DOTALL)
    text = re.sub(r"^\w+\([^()]*\): ", "", html.unescape(text))
    return " ".join(text.split()).rstrip(".")


def _require_archive(source: ImageSource, path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(2048)
    if zipfile.is_zipfile(path) or is_tar(path):
        return
    if re.match(rb"\s*(<!doctype html|<html|<head)", start, re.IGNORECASE):
        title = re.search(r"<title>(.*?)</title>", start.decode("utf-8", "replace"), re.IGNORECASE | re.DOTALL)
        said = f" titled {' '.join(html.unescape(title[1]).split())[:100]!r}" if title else ""
        _fail(source, f"expected a zip or tar archive, received a web page{said}")
    _fail(source, f"expected a zip or tar archive, received {path.stat().st_size} bytes of something else")
