"""Sessions that somebody ended: their cookies still carry a right signature, and are refused all the same.

An ended session is an empty file, named by a hash, so that all workers know of it and a restart forgets none.
"""

import hashlib
import logging
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)


class EndedSessions:
    """The sessions of a project that were ended before they ran out."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """Note where they are kept; the disk is not touched yet.

        Args:
            folder: Theirs alone.
            seconds: After which a session has run out anyway, and is forgotten here.
        """
        self._folder = folder
        self._seconds = seconds
        self._unwritten: set[str] = set()

    def add(self, session: str) -> None:
        """End a session, by its id; where nothing can be written, as on a read-only volume, for this process alone."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file(session).touch()
        except OSError as error:
            self._unwritten.add(session)
            logger.warning("A session was ended in this process alone: %s can't be written: %s", self._folder, error)
            return
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another worker was faster
                if time.time() - file.stat().st_mtime > self._seconds:
                    file.unlink()

    def __contains__(self, session: str) -> bool:
        """Whether a session was ended."""
        return session in self._unwritten or self._file(session).exists()

    def _file(self, session: str) -> Path:
        return self._folder / hashlib.sha256(session.encode()).hexdigest()
