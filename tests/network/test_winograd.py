"""Winograd's convolutions: those of Keras, sooner."""

from pathlib import Path

import numpy as np
import pytest

from chest_cancer.datasets.keras_model import KerasModelDataset


def twins(sides: tuple[int, int], channels: int, filters: int, policy: str = "float32") -> tuple:
    """Keras's layer and Winograd's, with the same weights."""
    import keras

    from chest_cancer.network.winograd import WinogradConv2D

    keras.utils.set_random_seed(1)
    settings = {"padding": "same", "activation": "relu", "dtype": policy, "bias_initializer": "normal"}
    layers = [kind(filters, 3, **settings) for kind in (keras.layers.Conv2D, WinogradConv2D)]
    for layer in layers:
        layer.build((None, *sides, channels))
    layers[1].set_weights(layers[0].get_weights())
    return tuple(layers)


def values_and_gradients(layer, maps: np.ndarray) -> list[np.ndarray]:
    """What comes out, and how a sum that weighs outputs differently changes with maps, kernel and bias."""
    import tensorflow as tf

    inputs = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = tf.cast(layer(inputs), tf.float32)
        weights = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
        total = tf.reduce_sum(outputs * weights)
    return [outputs.numpy(), *(part.numpy() for part in tape.gradient(total, [inputs, *layer.trainable_weights]))]


def maps_of(sides: tuple[int, int], channels: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *sides, channels)).astype(np.float32)


@pytest.mark.parametrize(
    ("sides", "channels", "filters"), [((14, 14), 64, 32), ((2, 2), 1, 1), ((4, 10), 3, 5), ((28, 6), 8, 4)]
)
def test_values_and_gradients_are_those_of_keras(sides: tuple[int, int], channels: int, filters: int) -> None:
    plain, winograd = twins(sides, channels, filters)
    maps = maps_of(sides, channels)

    for expected, received in zip(values_and_gradients(plain, maps), values_and_gradients(winograd, maps), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_bf16_rounds_two_to_three_times_as_much_as_keras_does() -> None:
    exact, _ = twins((14, 14), 64, 64)
    maps = maps_of((14, 14), 64)
    expected = values_and_gradients(exact, maps)

    plain, winograd = (values_and_gradients(layer, maps) for layer in twins((14, 14), 64, 64, "mixed_bfloat16"))

    for exactly, keras_says, ours in zip(expected, plain, winograd, strict=True):
        spread = np.abs(exactly).mean()
        assert np.abs(ours - exactly).mean() / spread < max(3 * np.abs(keras_says - exactly).mean() / spread, 0.001)


def test_a_model_is_saved_and_loaded_with_its_layer(tmp_path: Path) -> None:
    import keras

    _, winograd = twins((6, 6), 3, 4)
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, winograd(inputs))
    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))

    dataset.save(model)
    restored = dataset.load()

    assert type(restored.layers[1]) is type(winograd)
    np.testing.assert_array_equal(restored(maps_of((6, 6), 3)), model(maps_of((6, 6), 3)))


@pytest.mark.parametrize(
    ("settings", "sides", "message"),
    [
        ({"kernel_size": 5}, (4, 4), r"`kernel_size`: expected \(3, 3\)\. Received: \(5, 5\)"),
        ({"strides": 2}, (4, 4), r"`strides`: expected \(1, 1\)\. Received: \(2, 2\)"),
        ({"padding": "valid"}, (4, 4), r"`padding`: expected same\. Received: valid"),
        ({}, (4, 7), r"expected even, known sides\. Received: \(None, 4, 7, 3\)"),
        ({}, (None, 4), r"expected even, known sides\. Received: \(None, None, 4, 3\)"),
    ],
)
def test_what_it_can_not_compute_is_refused(
    settings: dict[str, object], sides: tuple[int | None, int], message: str
) -> None:
    from chest_cancer.network.winograd import WinogradConv2D

    with pytest.raises(ValueError, match=message):
        WinogradConv2D(**({"filters": 4, "kernel_size": 3, "padding": "same"} | settings)).build((None, *sides, 3))
