"""A table as CSV, safe to open in a spreadsheet."""

import pandas as pd
from kedro_datasets.pandas import CSVDataset  # type: ignore[import-untyped]  # kedro-datasets ships no types

from chest_cancer.storage.csv_table import AS_WRITTEN, mark_formulas, unmark_formulas


class CSVTableDataset(CSVDataset):  # type: ignore[misc]  # without types it is Any
    """A table as CSV whose texts no spreadsheet computes; what is loaded is what was saved."""

    DEFAULT_LOAD_ARGS = AS_WRITTEN

    def load(self) -> pd.DataFrame:
        return unmark_formulas(super().load.__wrapped__(self))

    def save(self, data: pd.DataFrame) -> None:
        super().save.__wrapped__(self, mark_formulas(data))
