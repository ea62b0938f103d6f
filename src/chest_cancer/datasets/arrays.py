"""Named arrays in one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError

from chest_cancer.storage.arrays import Arrays, Rows
from chest_cancer.storage.atomic import replace_file


class ArraysDataset(AbstractDataset[Arrays, Arrays]):
    """A dictionary of arrays as an uncompressed `.npz`, never pickled.

    Example:
        >>> dataset = ArraysDataset(filepath=str(tmp_path / "points.npz"))
        >>> dataset.save({"x": np.arange(3)})
        >>> dataset.load()["x"]
        array([0, 1, 2])
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Arrays:
        with self._filepath.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)

    def save(self, data: Arrays) -> None:
        require_unpickled(data, self._filepath)
        with replace_file(self._filepath) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **data)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


def require_unpickled(data: Mapping[str, Rows], path: Path) -> None:
    """Raise DatasetError where an array could be saved as a pickle alone."""
    unsuitable = [name for name, array in data.items() if array.dtype == object]
    if unsuitable:
        raise DatasetError(
            f"Can't save {unsuitable} to {path}: expected arrays of numbers or fixed-width text. "
            "Received: dtype=object. Convert them with `.astype(...)` first."
        )
