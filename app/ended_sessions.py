"""Sessions that somebody ended: their cookies still carry a right signature, and are refused all the same.

An ended session is an empty file, named by a hash, so that all workers know of it and a restart forgets none.
"""

import hashlib
import time
from contextlib import suppress
from pathlib import Path


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

    def add(self, session: str) -> None:
        """End a session, by its id."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file(session).touch()
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another worker was faster
                if time.time() - file.stat().st_mtime > self._seconds:
                    file.unlink()

    def __contains__(self, session: str) -> bool:
        """Whether a session was ended."""
        return self._file(session).exists()

    def _file(self, session: str) -> Path:
        return self._folder / hashlib.sha256(session.encode()).hexdigest()
