"""What lies in the served place beside the classifier, and whether it has changed.

Imports little more than the standard library.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from chest_cancer.storage.figures import FIRST_FIGURES as FIRST_FIGURES  # the app takes all three from here
from chest_cancer.storage.figures import StoredFigure as StoredFigure
from chest_cancer.storage.figures import confidence_of, figures_in, patients_of
from chest_cancer.storage.figures import title_of as title_of

METRICS_FILE = "metrics.json"
VERSION_FILE = "version.json"

FolderState = tuple[tuple[str, int, int, int], ...] | None
"""Which content there is: name, inode, bytes and time of change in nanoseconds of the folder and of each file in it, as
people also copy one file over the other; None when there is none."""


_Read = TypeVar("_Read")


class Version(TypedDict):
    """Which model it is in the registry; None where it did not come from there.

    Attributes:
        version: Its number.
        promoted: When it was made the one to serve, ISO 8601 in UTC.
        former: Which one was served before it, and is again after a roll-back.
    """

    version: str | None
    promoted: str | None
    former: str | None


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a served model, replaced as a whole: figures and version in it are the classifier's own.

    Attributes:
        path: Where it is.
    """

    path: Path

    def state(self) -> FolderState:
        """Tell which content there is now."""
        try:
            found = [(path.name, path.stat()) for path in (self.path, *sorted(self.path.iterdir()))]
        except OSError:
            return None
        return tuple((name, each.st_ino, each.st_size, each.st_mtime_ns) for name, each in found)

    def read_as_one(self, read: Callable[[], _Read]) -> _Read:
        """Read several files; once more where the folder was replaced meanwhile, so that they are of one model."""
        while True:
            state = self.state()
            found = read()
            if state == self.state():
                return found

    def figures(self) -> dict[str, StoredFigure]:
        """Read the test figures that were measured before it was promoted; none where it did not come that way."""
        return figures_in(self._read(METRICS_FILE))

    def patients(self) -> str:
        """Say whether it is `known` or `unknown` which images are of one patient."""
        return patients_of(self._read(METRICS_FILE))

    def confidence(self) -> float | None:
        """Read the level of their intervals, 0..1; None where nobody wrote it down."""
        return confidence_of(self._read(METRICS_FILE))

    def version(self) -> Version:
        """Read which version it is, and since when it is served."""
        facts = self._read(VERSION_FILE)
        return Version(version=facts.get("version"), promoted=facts.get("promoted"), former=facts.get("former"))

    def _read(self, name: str) -> dict[str, Any]:
        file = self.path / name
        facts: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        return facts
