"""Named arrays, in one file or mapped into memory."""

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.arrays import ArraysDataset
from chest_cancer.datasets.mapped_arrays import MappedArraysDataset

METADATA = {"layer": "feature"}


@pytest.fixture
def in_file(tmp_path: Path) -> ArraysDataset:
    return ArraysDataset(filepath=str(tmp_path / "folder" / "arrays.npz"), metadata=METADATA)


@pytest.fixture
def mapped(tmp_path: Path) -> MappedArraysDataset:
    return MappedArraysDataset(filepath=str(tmp_path / "folder" / "arrays"), metadata=METADATA)


@pytest.fixture(params=["in_file", "mapped"])
def dataset(request: pytest.FixtureRequest) -> ArraysDataset | MappedArraysDataset:
    """Each kind, where both keep the same promise."""
    return request.getfixturevalue(request.param)


def test_arrays_come_back_as_they_were(dataset: ArraysDataset | MappedArraysDataset) -> None:
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


def test_objects_are_refused_with_the_cure(dataset: ArraysDataset | MappedArraysDataset) -> None:
    with pytest.raises(
        DatasetError, match=r"Can't save \['text'\].*expected arrays of numbers or fixed-width text.*astype"
    ):
        dataset.save({"text": np.array(["a", None], dtype=object), "fine": np.zeros(2)})

    assert not dataset.exists()


def test_description_names_the_place(dataset: ArraysDataset | MappedArraysDataset) -> None:
    assert "arrays" in str(dataset)
    assert dataset.metadata == METADATA


def test_a_missing_file_is_a_dataset_error(in_file: ArraysDataset) -> None:
    assert not in_file.exists()
    with pytest.raises(DatasetError, match=r"Failed while loading data(?s:.)*No such file"):
        in_file.load()


def test_missing_arrays_are_a_dataset_error(mapped: MappedArraysDataset) -> None:
    assert not mapped.exists()
    with pytest.raises(DatasetError, match=r"expected a folder of `\.npy` files\. Run the pipeline"):
        mapped.load()


def test_a_pickled_array_in_a_file_is_never_loaded(in_file: ArraysDataset, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "folder" / "arrays.npz", text=np.array([{}], dtype=object))

    with pytest.raises(DatasetError, match="allow_pickle=False"):
        in_file.load()


def test_a_pickled_array_is_never_mapped(mapped: MappedArraysDataset, tmp_path: Path) -> None:
    mapped.save({"x": np.zeros(3)})
    np.save(tmp_path / "folder" / "arrays" / "text.npy", np.array([{}], dtype=object))

    with pytest.raises(DatasetError, match="Array can't be memory-mapped: Python objects in dtype"):
        mapped.load()


def test_what_was_mapped_is_replaced_as_a_whole_and_stays_readable_for_who_has_it(mapped: MappedArraysDataset) -> None:
    mapped.save({"old": np.zeros(3), "both": np.zeros(2)})
    before = mapped.load()

    mapped.save({"both": np.ones(2)})

    assert {name: array.tolist() for name, array in mapped.load().items()} == {"both": [1, 1]}
    assert before["both"].tolist() == [0, 0]


def test_mapped_arrays_can_not_be_changed_by_accident(mapped: MappedArraysDataset) -> None:
    mapped.save({"x": np.zeros(3)})

    with pytest.raises(ValueError, match="read-only"):
        mapped.load()["x"][0] = 1
