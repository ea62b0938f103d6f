"""Named arrays of any size, mapped into memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError

from chest_cancer.datasets.arrays import require_unpickled
from chest_cancer.storage.arrays import Arrays, Rows
from chest_cancer.storage.recoverable_folder import RecoverableFolder

_BYTES_AT_ONCE = 16 * 2**20


class MappedArraysDataset(AbstractDataset[Mapping[str, Rows], Arrays]):
    """A dictionary of arrays [n, ...] as a folder of `.npy` files, never pickled; the folder is replaced as a whole.

    Loading maps the files into memory, read-only: however large they are, only the rows that are used are read. Saving
    writes block by block, so that rows which come from disk are never all in memory.

    Example:
        >>> dataset = MappedArraysDataset(filepath=str(tmp_path / "points"))
        >>> dataset.save({"x": np.arange(3)})
        >>> dataset.load()["x"]
        memmap([0, 1, 2])
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self._folder = RecoverableFolder(self._filepath)
        self.metadata = metadata

    def load(self) -> Arrays:
        self._folder.recover()
        if not self._exists():
            raise DatasetError(
                f"No arrays in {self._filepath}: expected a folder of `.npy` files. Run the pipeline that makes them."
            )
        return {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(self._filepath.glob("*.npy"))
        }

    def save(self, data: Mapping[str, Rows]) -> None:
        require_unpickled(data, self._filepath)
        with self._folder.locked(), self._folder.replacement() as folder:
            for name, array in data.items():
                _write(folder / f"{name}.npy", array)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


def _write(path: Path, array: Rows) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    row_bytes = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    rows = max(_BYTES_AT_ONCE // max(row_bytes, 1), 1)
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for start in range(0, array.shape[0], rows):
            file.write(array[start : start + rows].tobytes())
