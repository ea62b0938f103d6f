"""Reading a table as text: CSV, TSV or Parquet, told apart by content."""

import codecs
import csv
import io
from collections import Counter
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # nor does this part of it

from chest_cancer.imaging.signatures import foreign_by_content
from chest_cancer.sources.foreign import without_image_suffix
from chest_cancer.sources.wording import named

# Missing values stay missing under pandas 2 as well.
TEXT = pd.StringDtype(na_value=float("nan"))

_SPREADSHEETS = (".xls", ".xlsx", ".xlsm", ".ods")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The comma last: it is also in numbers and sentences.
_SEPARATORS = ("\t", ";", ",")
_ROWS_LOOKED_AT = 20


def read_cells(file: Path, data: bytes) -> tuple[pd.DataFrame, list[str]]:
    """Read every cell as the text that it is: `NA` is two letters, only an empty cell is missing.

    Args:
        file: CSV, TSV or Parquet, with the names of its columns.
        data: Its content.

    Returns:
        The rows that are not empty, and what somebody should know of the reading, in sentences.

    Raises:
        ValueError: When the file is no such table, has no rows, or names two columns alike.
    """
    if data.startswith(b"PAR1"):
        cells, notes = _read_parquet(file, data)
    else:
        text, notes = _decode(file, data)
        cells = _with_names(file, _parse(file, text))
    _require_distinct_names(file, cells)
    cells = cells.astype(TEXT).apply(_without_blanks).dropna(how="all").reset_index(drop=True)
    if cells.empty:
        raise _unreadable(file, "no row below the names of the columns", "Write the table again.")
    return cells, notes


def _read_parquet(file: Path, data: bytes) -> tuple[pd.DataFrame, list[str]]:
    try:
        parquet = pq.ParquetFile(io.BytesIO(data))
        left_out = [field.name for field in parquet.schema_arrow if not _is_text(field.type)]
        table = parquet.read(columns=[name for name in parquet.schema_arrow.names if name not in left_out])
        # Arrow writes 3.0 as 3, so that numbers with gaps, which pandas stores as decimals, are what they were.
        columns = [column.cast(pa.string()) for column in table.columns]
    except pa.ArrowException as error:
        raise _unreadable(file, f"a damaged Parquet file ({error})", "Write the table again.") from error
    cells = pa.table(columns, names=table.column_names).to_pandas()
    if not left_out:
        return cells, []
    return cells, [f"Columns of {file.name} that hold no text or numbers were left out: {named(left_out)}."]


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column can be written as text; bytes are pictures more often than words."""
    types = pa.types
    is_bytes = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    return not types.is_nested(kind) and not is_bytes


def _decode(file: Path, data: bytes) -> tuple[str, list[str]]:
    cure = "Save the table as CSV."
    if file.suffix.lower() in _SPREADSHEETS:
        raise _unreadable(file, f"a spreadsheet ({file.suffix.lower()})", cure)
    if kind := foreign_by_content(data[:512]):
        raise _unreadable(file, kind, cure)
    encodings = ("utf-16",) if data.startswith(_BYTE_ORDER_MARKS) else ("utf-8-sig", "cp1252", "latin-1")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            is_guess = encoding in ("cp1252", "latin-1")
            note = f"{file.name} is not in UTF-8, and was read as {encoding}: accented letters may be wrong."
            return text, [note] if is_guess else []
    raise _unreadable(file, "a file that is no text", cure)


def _parse(file: Path, text: str) -> pd.DataFrame:
    # Without a header, because pandas would rename columns of the same name.
    try:
        return pd.read_csv(
            io.StringIO(text), sep=_separator(text), header=None, dtype=str, na_filter=False, skipinitialspace=True
        )
    except pd.errors.EmptyDataError as error:
        raise _unreadable(file, "an empty file", "Write the table again.") from error
    except pd.errors.ParserError as error:
        cure = "Put double quotes around each cell that holds a separator, a quote or a line break."
        raise _unreadable(file, f"rows that are not alike ({str(error).strip()})", cure) from error


def _separator(text: str) -> str:
    """The one that cuts the first rows best; csv.Sniffer counts letters, and trips over sentences."""
    return max(_SEPARATORS, key=lambda separator: _columns_cut(text, separator))


def _columns_cut(text: str, separator: str) -> tuple[bool, float]:
    """Whether it cuts the first row, and into how many columns, times the share of rows that have as many."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        widths = [len(row) for row in islice((row for row in reader if row), _ROWS_LOOKED_AT)]
    except csv.Error:  # a cell of more than 131,072 letters, as with the wrong separator
        return False, 0.0
    return (widths[0] > 1, widths[0] * widths.count(widths[0]) / len(widths)) if widths else (False, 0.0)


def _with_names(file: Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Take the first row for the names of the columns; columns without name and cells come of closing separators."""
    names = [str(name).strip() for name in cells.iloc[0]]
    if any(without_image_suffix(name) != name for name in names):
        raise _unreadable(file, "an image in the first row", "Add a first row with the names of the columns.")
    cells = cells.iloc[1:]
    cells.columns = pd.Index([name or f"column {number}" for number, name in enumerate(names, start=1)])
    used = [bool(name) or bool((cells.iloc[:, number] != "").any()) for number, name in enumerate(names)]
    return cells.loc[:, used]


def _without_blanks(column: "pd.Series[str]") -> "pd.Series[str]":
    stripped = column.str.strip()
    return stripped.where(stripped != "")


def _require_distinct_names(file: Path, cells: pd.DataFrame) -> None:
    twice = [str(name) for name, count in Counter(cells.columns).items() if count > 1]
    if twice:
        raise _unreadable(file, f"more than one column {named(twice)}", "Rename or remove all but one.")


def _unreadable(file: Path, received: str, cure: str) -> ValueError:
    return ValueError(
        "Invalid value received for `data_ingestion.table.path`. Expected a table (CSV, TSV or Parquet) with a first "
        f"row of different names, and a row for each image. Received {file}: {received}. {cure}"
    )
