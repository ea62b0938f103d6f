"""A Keras model in one file, loaded in safe mode."""

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.keras_model import KerasModelDataset


@pytest.fixture
def dataset(tmp_path: Path) -> KerasModelDataset:
    return KerasModelDataset(filepath=str(tmp_path / "models" / "model.keras"))


def test_a_model_comes_back_with_its_weights_and_name(dataset: KerasModelDataset) -> None:
    import keras

    features = keras.Input((3,), name="features")
    model = keras.Model(features, keras.layers.Dense(2, name="logits")(features), name="small")
    inputs = np.arange(6, dtype=np.float32).reshape(2, 3)

    dataset.save(model)
    loaded = dataset.load()

    np.testing.assert_allclose(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0), rtol=1e-6)
    assert loaded.name == "small"
    assert dataset.exists()


def test_a_model_that_carries_code_is_refused(dataset: KerasModelDataset) -> None:
    import keras

    inputs = keras.Input((3,))
    dataset.save(keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)))

    with pytest.raises(DatasetError, match="lambda"):
        dataset.load()


def test_a_missing_model_is_a_dataset_error(dataset: KerasModelDataset) -> None:
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"model\.keras"):
        dataset.load()
