"""Tables as CSV that a spreadsheet may open: names of files come from outside, and some would be computed there.

What begins like a formula (`=HYPERLINK(…).png`) gets an apostrophe before it, by which it is taken for a text. The
apostrophe is taken off when the table is read here, so that paths are those of files.
"""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

AS_WRITTEN: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
"""How pandas reads such a table: only an empty cell is missing, `NA` is a text as any other."""

_COMPUTED = re.compile(r"'*[=+\-@\t\r]")
"""With apostrophes: what has some before a formula gets one more, so that none is taken for ours."""
_MARKED = re.compile(r"'+[=+\-@\t\r]")


def mark_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before each text that a spreadsheet would compute."""
    return _each_text(table, lambda text: f"'{text}" if _COMPUTED.match(text) else text)


def unmark_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Take off what `mark_formulas` has put before texts."""
    return _each_text(table, unmarked)


def unmarked(text: str) -> str:
    """Take the apostrophe off that `mark_formulas` has put before a text."""
    return text[1:] if _MARKED.match(text) else text


def _each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def cell(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    texts = table.select_dtypes(exclude=["number", "bool"])
    return table.assign(**{str(name): texts[name].map(cell) for name in texts})
