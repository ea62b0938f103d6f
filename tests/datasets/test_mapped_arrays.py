"""Named arrays of any size, mapped into memory."""

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.mapped_arrays import MappedArraysDataset


@pytest.fixture
def dataset(tmp_path: Path) -> MappedArraysDataset:
    return MappedArraysDataset(filepath=str(tmp_path / "folder" / "arrays"), metadata={"layer": "feature"})


def test_arrays_come_back_as_they_were(dataset: MappedArraysDataset) -> None:
    arrays = {
        "pixel_sha256": np.array(["a" * 64, "b" * 64], dtype="U64"),
        "embedding": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": np.empty(0, dtype="U64"),
    }

    dataset.save(arrays)

    loaded = dataset.load()
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_objects_are_refused_with_the_cure(dataset: MappedArraysDataset) -> None:
    with pytest.raises(
        DatasetError, match=r"Can't save \['text'\].*expected arrays of numbers or fixed-width text.*astype"
    ):
        dataset.save({"text": np.array(["a", None], dtype=object), "fine": np.zeros(2)})

    assert not dataset.exists()


def test_what_was_saved_is_replaced_as_a_whole_and_stays_readable_for_who_has_it(dataset: MappedArraysDataset) -> None:
    dataset.save({"old": np.zeros(3), "both": np.zeros(2)})
    before = dataset.load()

    dataset.save({"both": np.ones(2)})

    assert {name: array.tolist() for name, array in dataset.load().items()} == {"both": [1, 1]}
    assert before["both"].tolist() == [0, 0]


def test_arrays_are_mapped_and_can_not_be_changed_by_accident(dataset: MappedArraysDataset) -> None:
    dataset.save({"x": np.zeros(3)})

    with pytest.raises(ValueError, match="read-only"):
        dataset.load()["x"][0] = 1


def test_a_pickled_array_is_never_loaded(dataset: MappedArraysDataset, tmp_path: Path) -> None:
    dataset.save({"x": np.zeros(3)})
    np.save(tmp_path / "folder" / "arrays" / "text.npy", np.array([{}], dtype=object))

    with pytest.raises(DatasetError, match="Array can't be memory-mapped: Python objects in dtype"):
        dataset.load()


def test_missing_arrays_are_a_dataset_error(dataset: MappedArraysDataset) -> None:
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"expected a folder of `\.npy` files\. Run the pipeline"):
        dataset.load()


def test_description_names_the_folder(dataset: MappedArraysDataset) -> None:
    assert "arrays" in str(dataset)
    assert dataset.metadata == {"layer": "feature"}
