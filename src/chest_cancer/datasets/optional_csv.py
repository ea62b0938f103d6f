"""A table as CSV, or no file."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview  # type: ignore[import-untyped]  # kedro-datasets ships no types

from chest_cancer.storage.atomic import replace_file
from chest_cancer.storage.csv_table import AS_WRITTEN, mark_formulas, unmark_formulas


class OptionalCSVDataset(AbstractDataset[pd.DataFrame, pd.DataFrame]):
    """A table as CSV, as a `CSVTableDataset` is; without columns it is no file: saving it removes one that is there."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        if not self._filepath.is_file():
            return pd.DataFrame()
        return unmark_formulas(pd.read_csv(self._filepath, **AS_WRITTEN))

    def save(self, data: pd.DataFrame) -> None:
        if not len(data.columns):
            self._filepath.unlink(missing_ok=True)
            return
        with replace_file(self._filepath) as temporary:
            mark_formulas(data).to_csv(temporary, index=False)

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, which kedro-viz shows."""
        return TablePreview(self.load().head(nrows).to_dict(orient="split"))

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
