"""Where the served model is, and which version of it is there now. Imports little more than the standard library."""

import json
from dataclasses import dataclass
from pathlib import Path

from chest_cancer.storage.figures import FIRST_FIGURES as FIRST_FIGURES  # the app takes all three from here
from chest_cancer.storage.figures import StoredFigure as StoredFigure
from chest_cancer.storage.figures import title_of as title_of

FileState = tuple[int, int] | None
"""Which content a file has: its inode and its time of change in nanoseconds; None when there is none."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of the served model.

    Attributes:
        manifest: The manifest in the classifier's folder; None where the catalog's classifier is not in a folder.
        metrics: The file with its test figures; None where the catalog names no such file.
    """

    manifest: Path | None
    metrics: Path | None

    @property
    def folder(self) -> Path | None:
        """The classifier's folder."""
        return self.manifest.parent if self.manifest else None

    def states(self) -> tuple[FileState, FileState]:
        """Identify the present contents of manifest and figures, to notice when they are replaced."""
        return _state(self.manifest), _state(self.metrics)

    def figures(self) -> dict[str, StoredFigure]:
        """Read the test figures, unless they are older than this model and so belong to another one."""
        manifest, metrics = self.states()
        if self.metrics is None or metrics is None or (manifest is not None and metrics[1] < manifest[1]):
            return {}
        try:
            figures: dict[str, StoredFigure] = json.loads(self.metrics.read_text())
        except (OSError, json.JSONDecodeError):  # a run is just writing it
            return {}
        return figures


def _state(path: Path | None) -> FileState:
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns) if status else None
