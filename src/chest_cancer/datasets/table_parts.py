"""A table in parts, as a catalog entry."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.storage.table_parts import PlannedTable, TableParts


class TablePartsDataset(AbstractDataset[PlannedTable, TableParts]):
    """A table in parts. Saving makes what is missing of a planned one, part by part; loading gives it, unread."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder.

        Args:
            filepath: The folder; made if it is missing.
            metadata: For other tools; not used here.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> TableParts:
        if not self._exists():
            raise DatasetError(
                f"No table in {self._filepath}: expected a folder of Parquet files. Run the pipeline that makes it."
            )
        return TableParts(self._filepath)

    def save(self, data: PlannedTable) -> None:
        if self._filepath.is_file():
            raise DatasetError(
                f"{self._filepath} is a file: expected a folder of Parquet files, or none. Move it away."
            )
        self._filepath.mkdir(parents=True, exist_ok=True)
        TableParts(self._filepath).make(data)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
