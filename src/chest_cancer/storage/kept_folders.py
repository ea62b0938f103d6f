"""Folders that are kept from run to run, each of which has its name only once it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chest_cancer.storage.recoverable_folder import locked


class KeptFolders:
    """What is kept in a folder; a process that is killed leaves nothing there that looks complete.

    Attributes:
        path: Where the folders are.
    """

    def __init__(self, path: Path) -> None:
        """Note the path; the disk is not touched yet."""
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off other processes, after removing what a killed one left unfinished."""
        with locked(self.path / ".lock"):
            for leftover in self.path.glob(_unfinished("*")):
                shutil.rmtree(leftover)
            yield

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """Give a new folder to fill, under the lock; it gets its name when the block ends without an error."""
        part = self.path / _unfinished(name)
        part.mkdir(parents=True)
        yield part
        part.rename(self.path / name)

    def remove(self, name: str) -> None:
        """Remove a folder, under the lock; one that is half removed has lost its name."""
        shutil.rmtree((self.path / name).rename(self.path / _unfinished(name)))


def _unfinished(name: str) -> str:
    return f".{name}.part"
