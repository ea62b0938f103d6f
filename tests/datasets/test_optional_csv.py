"""A table as CSV, or no file."""

from pathlib import Path

import pandas as pd

from chest_cancer.datasets.optional_csv import OptionalCSVDataset


def test_a_table_is_a_file_and_none_removes_it(tmp_path: Path) -> None:
    dataset = OptionalCSVDataset(filepath=str(tmp_path / "deep" / "table.csv"))

    dataset.save(pd.DataFrame({"path": ["a, b"], "number": [0.5]}))
    written = dataset.load()
    dataset.save(pd.DataFrame())
    dataset.save(pd.DataFrame())

    assert written.to_dict("records") == [{"path": "a, b", "number": 0.5}]
    assert not dataset.exists()
    assert dataset.load().empty
