"""What the page answered, to take along: files inside the page, so that the server stores none."""

import base64
import csv
import io
import json
from typing import Any

# A spreadsheet would compute what begins like this; file names come from outside.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_url(records: list[dict[str, Any]]) -> str:
    """Write answers as `POST /predict` gives them into a data URL."""
    return _data_url("application/json", json.dumps(records, indent=2))


def csv_url(records: list[dict[str, Any]]) -> str:
    """Write the same answers as a table into a data URL: a row for each, a column for each value in it.

    Args:
        records: As `app.patient.records` writes them. The column of a value within a value is `<outer>_<inner>`, that
            of a class's probability `probability_<class>`, as in the tables of `batch_inference`.
    """
    rows = [_flatten(one) for one in records]
    columns = list(dict.fromkeys(["filename", *(name for row in rows for name in row)]))
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns)
    writer.writeheader()
    writer.writerows(rows)
    # Excel takes a file without the mark for one in an older encoding.
    return _data_url("text/csv", f"\ufeff{table.getvalue()}")


def _flatten(values: dict[str, Any], outer: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            row |= _flatten(value, "probability_" if name == "probabilities" else f"{outer}{name}_")
        else:
            row[outer + name] = _cell(value)
    return row


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _data_url(kind: str, text: str) -> str:
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
