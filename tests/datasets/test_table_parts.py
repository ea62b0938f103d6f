"""The table in parts, as kedro-viz previews it."""

from pathlib import Path

import pandas as pd

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
