"""Tables as CSV that a spreadsheet may open."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import AbstractDataset

from chest_cancer.datasets.csv_table import CSVTableDataset
from chest_cancer.datasets.optional_csv import OptionalCSVDataset

PATHS = [
    "=cmd|' /C calc'!A0.png",
    "+1.png",
    "-1.png",
    "@SUM(A1).png",
    "'=1.png",
    "''=1.png",
    "'a.png",
    "a=b,c.png",
    "NA",
]


@pytest.mark.parametrize("kind", [CSVTableDataset, OptionalCSVDataset])
def test_a_spreadsheet_computes_no_text_and_every_text_comes_back(
    kind: type[AbstractDataset[pd.DataFrame, pd.DataFrame]], tmp_path: Path
) -> None:
    table = pd.DataFrame({"path": PATHS, "distance": [-1.5] * len(PATHS), "label": ["normal", None, "-"] * 3})
    dataset = kind(filepath=str(tmp_path / "table.csv"))

    dataset.save(table)

    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [*(f"'{path}" for path in PATHS[:6]), *PATHS[6:]]
    assert {row["distance"] for row in rows} == {"-1.5"}
    loaded = dataset.load()
    assert loaded["path"].tolist() == PATHS
    assert loaded["distance"].tolist() == table["distance"].tolist()
    assert loaded["label"].fillna("none").tolist() == ["normal", "none", "-"] * 3
