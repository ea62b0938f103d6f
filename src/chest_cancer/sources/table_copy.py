"""The table of the images as it may lie beside them: identifiers as hashes."""

import io
import logging
from pathlib import Path

import pandas as pd

from chest_cancer.parameters.sources import TableParameters
from chest_cancer.sources.identifiers import hidden
from chest_cancer.sources.metadata import group_columns
from chest_cancer.sources.table_columns import find_columns
from chest_cancer.sources.table_file import TEXT, read_cells

logger = logging.getLogger(__name__)


def table_without_identifiers(name: str, data: bytes, parameters: TableParameters, key: bytes | None) -> bytes:
    """Write the table of the images anew, without whom they show.

    A column that is both the patient and the name of the file stays as it is, as do the names of files.

    Args:
        name: Path of the table in the source.
        data: The whole file.
        parameters: The block `data_ingestion.table`.
        key: Of this project, for the hashes; None: nothing stands in the place of identifiers.

    Returns:
        A Parquet file with the same rows: paths, labels and splits as they are, hashed patients and studies, and other
        columns in groups that name nobody (`sources.metadata`).

    Raises:
        ValueError: When it is no table, or it is not certain what its columns are.
    """
    cells, notes = read_cells(Path(name), data)
    columns, _ = find_columns(cells, parameters.columns, name)
    others = cells.drop(columns=list(set(columns.values())))
    nobody = pd.Series(index=cells.index, dtype=TEXT)
    groups, group_notes = group_columns(others, cells[columns["patient"]] if "patient" in columns else nobody)
    for note in (*notes, *group_notes):
        logger.warning(note)
    kept = cells[list(dict.fromkeys(columns.values()))].copy()
    for kind in ("patient", "study"):
        column = columns.get(kind)
        if column is not None and column != columns["path"]:
            kept[column] = kept[column].map(lambda value, kind=kind: hidden(key, kind, value), na_action="ignore")
    buffer = io.BytesIO()
    pd.concat([kept, groups], axis=1).to_parquet(buffer)
    return buffer.getvalue()
