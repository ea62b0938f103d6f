"""VGG16 in Keras: cut, put together, saved and loaded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import LAYERS, Weights, shape_before, trainable_top, untrained_top, whole_model
from conftest import Pixels
from manifests import manifest_of


def test_vgg16_has_thirteen_convolutions_and_none_is_trained(keras_vgg16) -> None:
    assert len(LAYERS) == 13
    assert keras_vgg16.count_params() == 14_714_688
    assert not keras_vgg16.trainable_weights
    assert keras_vgg16.output.shape == (None, 7, 7, 512)


def test_a_top_without_convolutions_is_the_identity_on_what_a_head_reads(vgg16_weights: Weights) -> None:
    shapes = [shape_before(layer, vgg16_weights) for layer in (None, "block5_conv1", "block1_conv1")]
    assert shapes == [(1024,), (14, 14, 512), (224, 224, 3)]
    for shape in shapes[:2]:
        features = np.random.default_rng(0).random((3, *shape), dtype=np.float32)

        top = untrained_top(shape)

        np.testing.assert_array_equal(top.predict(features, verbose=0), features)
        assert not top.weights
        assert top.name == "trainable_top"


@pytest.mark.parametrize(("cut", "trained"), [("block5_conv3", 2), ("block4_conv3", 8)])
def test_trainable_top_carries_on_where_the_base_ends(
    narrow_keras_vgg16, narrow_weights: Weights, cut: str, trained: int
) -> None:
    features = np.random.default_rng(1).random(
        (1, *narrow_keras_vgg16.get_layer(cut).input.shape[1:]), dtype=np.float32
    )
    expected = features
    for layer in narrow_keras_vgg16.layers[[layer.name for layer in narrow_keras_vgg16.layers].index(cut) :]:
        expected = layer(expected)
    expected = np.asarray(expected)

    top = trainable_top(narrow_weights, cut)

    pooled = np.concatenate([expected.mean(axis=(1, 2)), expected.max(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(top(features), pooled, rtol=1e-4, atol=1e-5)
    assert len(top.trainable_weights) == trained


def test_a_top_in_bf16_keeps_its_weights_in_fp32_and_agrees(vgg16_weights: Weights) -> None:
    features = np.random.default_rng(2).random((2, 14, 14, 512), dtype=np.float32)

    exact, fast = (trainable_top(vgg16_weights, "block5_conv3", precision) for precision in ("fp32", "bf16"))

    expected, received = (np.asarray(top(features), np.float32) for top in (exact, fast))
    assert not np.array_equal(received, expected)
    np.testing.assert_allclose(received, expected, rtol=0.02, atol=0.02 * expected.max())
    assert {weight.dtype for weight in fast.weights} == {"float32"}


def test_whole_model_survives_saving_and_agrees_with_the_classifier(
    narrow_keras_vgg16,
    narrow_weights: Weights,
    random_head: Callable[..., Head],
    picture: Callable[..., Pixels],
    tmp_path: Path,
) -> None:
    import keras

    head = random_head(4, 3, temperature=2.5)
    pooled = keras.Input((1024,))
    keras_head = keras.Model(pooled, keras.layers.Dense(3, name="logits")(pooled))
    keras_head.get_layer("logits").set_weights([*head.layers[0]])
    images = [picture(0), picture(4)]

    whole_model(narrow_keras_vgg16, keras_head, head.reads, head.temperature).save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    manifest = manifest_of(classes=["a", "b", "c"])
    predictions = Classifier(classifier(narrow_weights, head).SerializeToString(), manifest).predict(images)
    expected = [list(prediction.probabilities.values()) for prediction in predictions]
    received = restored.predict(np.stack(images).astype(np.float32), verbose=0)
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3)
