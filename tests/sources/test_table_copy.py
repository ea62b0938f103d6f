"""The copy of a table that lies inside of a source: what it keeps of columns that are no roles."""

import io

import pandas as pd

from chest_cancer.parameters.sources import TableParameters
from chest_cancer.sources.metadata import group_columns
from chest_cancer.sources.table_copy import table_without_identifiers


def test_other_columns_are_kept_in_groups_that_reading_the_copy_leaves_as_they_are() -> None:
    rows = [
        f"{number}.png,Jane {number // 2},{'FM'[number // 2 % 2]},{30 + number % 50},seen on day {number}"
        for number in range(80)
    ]
    table = "\n".join(["path,patient,Sex,Age,Remarks", *rows]).encode()

    copied = table_without_identifiers("table.csv", table, TableParameters(path="table.csv"), b"key")

    kept = pd.read_parquet(io.BytesIO(copied))
    assert list(kept) == ["path", "patient", "Sex", "Age"]
    assert kept["Sex"].value_counts().to_dict() == {"F": 40, "M": 40}
    assert set(kept["Age"]) <= {"20 to 39", "40 to 59", "60 to 79"}
    assert b"Jane" not in copied
    assert b"seen on" not in copied
    again, notes = group_columns(kept[["Sex", "Age"]], kept["patient"])
    pd.testing.assert_frame_equal(again, kept[["Sex", "Age"]], check_dtype=False)
    assert notes == []
