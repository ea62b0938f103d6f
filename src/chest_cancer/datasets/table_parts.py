"""A table in parts, as a catalog entry."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview  # type: ignore[import-untyped]  # kedro-datasets ships no types

from chest_cancer.sources.intake import FULL
from chest_cancer.storage.place import Place, protocol_of
from chest_cancer.storage.table_parts import PlannedTable, TableParts


class TablePartsDataset(AbstractDataset[PlannedTable, TableParts]):
    """A table in parts. Saving makes what is missing of a planned one, part by part; loading gives it, unread.

    What was saved is loaded without parts that others made from something else in the meantime.
    """

    def __init__(
        self,
        *,
        filepath: str,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the folder.

        Args:
            filepath: The folder, made if it is missing; or `s3://bucket/prefix`, also `gs://` and `az://`.
            credentials: For an object store: what its file system takes, such as `key` and `secret`.
            fs_args: More for that file system.
            metadata: For other tools; not used here.
        """
        self._filepath = filepath
        self._credentials = credentials
        self._fs_args = fs_args
        self.metadata = metadata
        self._planned: PlannedTable | None = None

    def load(self) -> TableParts:
        place = self._place()
        if not place.is_remote and not Path(self._filepath).is_dir():  # an object store knows no empty folder
            raise DatasetError(
                f"No table in {self._filepath}: expected a folder of Parquet files. Run the pipeline that makes it."
            )
        return TableParts(place, self._planned.made_from if self._planned else None)

    def save(self, data: PlannedTable) -> None:
        place = self._place()
        if not place.is_remote:
            if Path(self._filepath).is_file():
                raise DatasetError(
                    f"{self._filepath} is a file: expected a folder of Parquet files, or none. Move it away."
                )
            Path(self._filepath).mkdir(parents=True, exist_ok=True)
        try:
            TableParts(place).make(data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DatasetError(
                f"The disk is full: {error}. Expected room for the parts of {self._filepath}. Free some space, or "
                "name a folder on a larger disk. Finished parts are whole: the same command goes on with the next part."
            ) from error
        self._planned = data

    def _place(self) -> Place:
        return Place.of(self._filepath, self._credentials, self._fs_args)

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows of the first part, which kedro-viz shows."""
        import pandas as pd

        first = next(iter(self.load()), pd.DataFrame())
        return TablePreview(first.head(nrows).to_dict(orient="split"))

    def _release(self) -> None:
        self._planned = None

    def _exists(self) -> bool:
        place = self._place()
        return len(TableParts(place)) > 0 if place.is_remote else Path(self._filepath).is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": protocol_of(self._filepath)}
