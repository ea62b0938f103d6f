"""A folder that is replaced as a whole, even if the process is killed meanwhile."""

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes respect; it ends with the process, however the process ends.

    Args:
        path: Lock file; made if it is missing, and left there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("Waiting for another process that holds %s.", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class RecoverableFolder:
    """A folder with its two hidden siblings: the one being filled, and the former one while they change places.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        """Note the path; the disk is not touched yet."""
        self.path = path
        self._staging = path.with_name(f".{path.name}.staging")
        self._former = path.with_name(f".{path.name}.old")
        self._lock = path.with_name(f".{path.name}.lock")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, after repairing what a killed process left behind."""
        with locked(self._lock):
            self._recover()
            yield

    def recover(self) -> None:
        """Repair what a killed process left behind, if it left anything."""
        if not self.path.exists() and (self._former.exists() or self._staging.exists()):
            with self.locked():
                pass

    @contextmanager
    def replacement(self) -> Iterator[Path]:
        """Give a new folder to fill, under the lock; it replaces the old one when the block ends without an error.

        Yields:
            The folder to fill, beside the old one.
        """
        self._staging.mkdir(parents=True)
        try:
            yield self._staging
            if self.path.exists():
                self.path.rename(self._former)
            self._staging.rename(self.path)
        finally:
            self._recover()

    def _recover(self) -> None:
        if self._former.exists() and not self.path.exists():
            logger.warning("Restoring %s: an earlier run was ended while it replaced the folder.", self.path)
            self._former.rename(self.path)
        for leftover in (self._staging, self._former):
            if leftover.exists():
                shutil.rmtree(leftover)
