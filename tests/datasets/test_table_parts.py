"""The table in parts: as kedro-viz previews it, and counted."""

from pathlib import Path

import pandas as pd
import pytest

from chest_cancer.datasets.table_parts import TablePartsDataset


def test_the_preview_is_of_the_first_rows_of_the_first_part_and_empty_without_one(tmp_path: Path) -> None:
    dataset = TablePartsDataset(filepath=str(tmp_path))
    nothing = dataset.preview()
    for name, first in (("b.parquet", 10), ("a.parquet", 0)):
        pd.DataFrame({"path": [f"{first + row}.png" for row in range(8)]}).to_parquet(tmp_path / name)

    shown = dataset.preview(nrows=3)

    assert nothing["data"] == []
    assert shown["columns"] == ["path"]
    assert shown["data"] == [["0.png"], ["1.png"], ["2.png"]]


@pytest.mark.parametrize("columns", [2, 300])
def test_rows_are_counted_by_the_ends_of_the_parts_however_much_these_say(tmp_path: Path, columns: int) -> None:
    for name, rows in (("a.parquet", 3000), ("b.parquet", 70)):
        table = pd.DataFrame({f"column {number}": range(rows) for number in range(columns)})
        table.to_parquet(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        footer = int.from_bytes(content[-8:-4], "little") + 8
        (tmp_path / name).write_bytes(bytes(len(content) - footer) + content[-footer:])  # its rows can't be read

    assert TablePartsDataset(filepath=str(tmp_path)).load().count_rows() == 3070
