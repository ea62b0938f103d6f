"""Named arrays in one file."""

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.arrays import ArraysDataset


@pytest.fixture
def dataset(tmp_path: Path) -> ArraysDataset:
    return ArraysDataset(filepath=str(tmp_path / "folder" / "arrays.npz"), metadata={"layer": "feature"})


def test_arrays_come_back_as_they_were(dataset: ArraysDataset) -> None:
    arrays = {
        "pixel_sha256": np.array(["a" * 64, "b" * 64], dtype="U64"),
        "embedding": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": np.empty(0, dtype="U64"),
    }

    dataset.save(arrays)

    loaded = dataset.load()
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_objects_are_refused_with_the_cure(dataset: ArraysDataset) -> None:
    with pytest.raises(
        DatasetError, match=r"Can't save \['text'\].*expected arrays of numbers or fixed-width text.*astype"
    ):
        dataset.save({"text": np.array(["a", None], dtype=object), "fine": np.zeros(2)})

    assert not dataset.exists()


def test_a_pickled_array_is_never_loaded(dataset: ArraysDataset, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "folder" / "arrays.npz", text=np.array([{}], dtype=object))

    with pytest.raises(DatasetError, match="allow_pickle=False"):
        dataset.load()


def test_a_missing_file_is_a_dataset_error(dataset: ArraysDataset) -> None:
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"Failed while loading data(?s:.)*No such file"):
        dataset.load()


def test_description_names_the_file(dataset: ArraysDataset) -> None:
    assert "arrays.npz" in str(dataset)
    assert dataset.metadata == {"layer": "feature"}
