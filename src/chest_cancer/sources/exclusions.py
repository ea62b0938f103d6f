"""Images that somebody looked at and wants left out, by a table such as an edited `suspects.csv`."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from chest_cancer.sources.table_file import read_cells
from chest_cancer.sources.wording import some
from chest_cancer.storage.csv_table import unmarked

_COLUMNS = ("pixel_sha256", "path")
"""What names an image: its pixels, and so all copies of it, before its path."""
_SHOWN = 3


class Exclusions(NamedTuple):
    """What is left out.

    Attributes:
        column: What its entries are: `pixel_sha256` or `path`.
        entries: Digests of pixels, or paths in the source.
    """

    column: str
    entries: frozenset[str]

    def require_known(self, known: Iterable[str]) -> None:
        """Raise where an entry is of no image: a table of another source would otherwise leave out nothing, unseen.

        Args:
            known: Digests or paths of the images that there are.

        Raises:
            ValueError: Names the first of them.
        """
        if unknown := sorted(self.entries.difference(known)):
            raise ValueError(
                f"Invalid value received for `data_ingestion.exclude`. Expected rows of images of the source, by "
                f"`{self.column}`. Received {len(unknown)} of {len(self.entries)} that are of none, such as "
                f"{some(unknown, _SHOWN)}. Take these rows out of the table."
            )


def read_exclusions(path: str) -> Exclusions:
    """Read which images are to be left out.

    Args:
        path: CSV, TSV or Parquet with a column `pixel_sha256` or `path`; other columns are of no account.

    Returns:
        Digests where there is a column of them, else paths.

    Raises:
        ValueError: There is no such table, or it has neither column.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(
            "Invalid value received for `data_ingestion.exclude`. Expected a CSV, TSV or Parquet file, by its path "
            f"from here. Received: {path!r}. Copy data/08_reporting/data_audit/suspects.csv, and keep the rows of "
            "images that are to be left out."
        )
    cells, _ = read_cells(file, file.read_bytes())
    column = next((name for name in _COLUMNS if name in cells), None)
    if column is None:
        raise ValueError(
            "Invalid value received for `data_ingestion.exclude`. Expected a table with a column `pixel_sha256` or "
            f"`path`. Received {path!r} with columns: {', '.join(map(str, cells.columns))}. Rename the column."
        )
    return Exclusions(column, frozenset(map(unmarked, cells[column].dropna())))
