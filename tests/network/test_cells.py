"""The head that reads a map cell by cell: what it learns from labels of slices, and what its evidence says."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, logsumexp

from chest_cancer.network.explanation import explain
from chest_cancer.network.graph import classifier, frozen_base
from chest_cancer.network.heads.cells import CellsHead
from chest_cancer.network.keras_head import predict
from chest_cancer.network.runtime import Network, Outputs
from chest_cancer.network.vgg16 import Weights, untrained_top, whole_model
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.pipelines.model_training.nodes import calibrate, choose_head, train_head
from conftest import Pixels
from manifests import manifest_of

MAP = (14, 14, 8)
"""What the head reads of the narrow network."""
NO_VIEWS = {"pixel_sha256": np.empty(0, dtype="U64")}
SPLITS = ["train"] * 3 + ["validation", "test"]


@pytest.fixture(scope="module")
def batch(picture: Callable[..., Pixels]) -> Pixels:
    return np.stack([picture(0), picture(3)])


@pytest.fixture(scope="module")
def maps(narrow_weights: Weights, batch: Pixels) -> np.ndarray:
    """What block 5 receives, [N, 14, 14, C]; tests/network/test_graph.py compares it with Keras."""
    base = Network(frozen_base(narrow_weights, CellsHead.reads).SerializeToString(), "fp32")
    return base(batch)["features"].astype(np.float64)


def head_of(maps: np.ndarray, size: float, temperature: float = 1.0, classes: int = 3) -> CellsHead:
    """A head whose cells differ by about so much from the mean cell, in logits."""
    generator = np.random.default_rng(1)
    spread = maps.std(axis=(0, 1, 2)) + 0.1
    kernel = generator.standard_normal((len(spread), classes)) / spread[:, None] * size / np.sqrt(len(spread))
    bias = generator.standard_normal(classes)
    return CellsHead(kernel, -maps.mean(axis=(0, 1, 2)) @ kernel, bias, temperature)


def outputs_of(weights: Weights, head: CellsHead, batch: Pixels) -> Outputs:
    return Network(classifier(weights, head).SerializeToString(), "fp32")(batch)


@pytest.mark.parametrize(("size", "temperature"), [(0.01, 1.0), (2.0, 0.4), (40.0, 3.0)])
def test_the_graph_pools_the_cells_and_its_evidence_adds_up_to_the_log_odds(
    narrow_weights: Weights, batch: Pixels, maps: np.ndarray, size: float, temperature: float
) -> None:
    head = head_of(maps, size, temperature)

    outputs = outputs_of(narrow_weights, head, batch)

    rises = maps @ head.kernel + head.offset
    scores = (head.bias + logsumexp(rises, axis=(1, 2)) - np.log(196)) / temperature
    np.testing.assert_allclose(outputs["probabilities"], np.exp(log_softmax(scores, axis=1)), atol=1e-3)
    names = ["a", "b", "c"]
    manifest = manifest_of(classes=names, average_scores=head.average_scores().tolist())
    assert outputs["evidence"].shape == (2, 3, 7, 7)
    for number, name in enumerate(names):
        others = np.delete(scores, number, axis=1)
        expected = scores[:, number] - logsumexp(others, axis=1)
        said = [explain(manifest, evidence, name) for evidence in outputs["evidence"]]
        np.testing.assert_allclose([one.cells.sum() + one.constant for one in said], expected, rtol=2e-3, atol=2e-3)


def test_a_cell_that_says_more_than_the_usual_one_counts_for_the_class_and_one_that_says_less_against_it(
    narrow_weights: Weights, batch: Pixels, maps: np.ndarray
) -> None:
    head = head_of(maps, 2.0)

    evidence = outputs_of(narrow_weights, head, batch)["evidence"]

    gains = np.exp(maps @ head.kernel + head.offset) - 1
    squares = gains.reshape(2, 7, 2, 7, 2, 3).sum(axis=(2, 4)).transpose(0, 3, 1, 2)
    clear = np.abs(squares) > 0.01
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(np.sign(evidence[clear]), np.sign(squares[clear]))
    of_cells, of_gains = (rows.reshape(6, 49) for rows in (evidence, squares))
    np.testing.assert_array_equal(of_cells.argmax(axis=1), of_gains.argmax(axis=1))


def test_a_head_that_learned_nothing_says_nothing_and_one_that_says_too_much_stays_a_number(
    narrow_weights: Weights, batch: Pixels, maps: np.ndarray
) -> None:
    nothing = outputs_of(narrow_weights, head_of(maps, 0.0), batch)
    too_much = outputs_of(narrow_weights, head_of(maps, 1000.0), batch)

    np.testing.assert_array_equal(nothing["evidence"], 0)
    assert all(np.isfinite(array).all() for array in too_much.values())


def slices(count: int = 60) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Maps of noise, in one cell of which, anywhere, cancer shows; embeddings show nothing."""
    generator = np.random.default_rng(2)
    labels = np.array(["cancer", "normal"] * (count // 2))
    features = generator.standard_normal((count, *MAP)).astype(np.float32)
    for number in np.flatnonzero(labels == "cancer"):
        features[number, generator.integers(14), generator.integers(14), :4] += 6
    embedding = generator.random((count, 1024), dtype=np.float32)
    keys = np.array([f"{number:064d}" for number in range(count)])
    split = [SPLITS[number // 2 % len(SPLITS)] for number in range(count)]
    table = pd.DataFrame({"pixel_sha256": keys, "label": labels, "group": np.arange(count), "split": split})
    return {"pixel_sha256": keys, "embedding": embedding, "features": features}, table


def parameters(head: str) -> ModelTrainingParameters:
    block = {"epochs": 40, "learning_rate": 0.03, "early_stopping": {"patience": 10}, "l2": 0.01}
    return ModelTrainingParameters.model_validate({"head": head} | block)


@pytest.fixture(scope="module")
def trained():
    features, table = slices()
    block = parameters("cells")
    choice = choose_head(features, table, block, 0)
    model, _ = train_head(features, NO_VIEWS, table, untrained_top(MAP), choice, block, 0)
    return model, features, table


def test_it_finds_the_one_cell_from_labels_of_slices(trained) -> None:
    model, features, table = trained
    head = CellsHead.read(model.get_layer("head"), np.empty(0), 1.0)
    test = table["split"].to_numpy() == "test"
    cancer = table["label"].to_numpy() == "cancer"

    logits = predict(model, features["features"])
    rises = features["features"] @ head.kernel + head.offset

    assert (logits[test].argmax(axis=1) == np.where(cancer[test], 0, 1)).mean() >= 0.9
    shown = features["features"][..., :4].mean(axis=-1).reshape(len(table), -1).argmax(axis=1)
    suspect = (rises[..., 0] - rises[..., 1]).reshape(len(table), -1).argmax(axis=1)
    assert (suspect == shown)[test & cancer].mean() >= 0.8
    np.testing.assert_allclose(logits, head.bias + logsumexp(rises, axis=(1, 2)) - np.log(196), rtol=1e-3, atol=1e-3)


def test_the_space_of_training_images_is_that_of_embeddings(trained) -> None:
    model, features, table = trained

    calibration = calibrate(model, features, table, parameters("cells"))

    training = table["split"].to_numpy() == "train"
    np.testing.assert_allclose(calibration.average, features["embedding"][training].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_the_classifier_and_the_keras_model_are_one(
    trained, narrow_keras_vgg16, narrow_weights, batch, tmp_path
) -> None:
    import keras

    keras_head = trained[0].get_layer("head")
    head = CellsHead.read(keras_head, np.empty(0), 2.0)

    whole_model(narrow_keras_vgg16, keras_head, head.reads, 2.0).save(tmp_path / "model.keras")

    restored = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    expected = outputs_of(narrow_weights, head, batch)["probabilities"]
    np.testing.assert_allclose(restored.predict(batch.astype(np.float32), verbose=0), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("head", "shape", "wanted"), [("cells", (1024,), "a head on pooled features"), ("linear", MAP, "cells")]
)
def test_features_of_another_head_are_refused(head: str, shape: tuple[int, ...], wanted: str) -> None:
    features, table = slices(20)
    block = parameters(head)
    choice = choose_head(features, table, block, 0)

    with pytest.raises(ValueError, match=rf"model_training\.head`: expected {wanted}, .*Received: {head}\. Run model_"):
        train_head(features, NO_VIEWS, table, untrained_top(shape), choice, block, 0)
