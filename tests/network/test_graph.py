"""The ONNX graphs against Keras, against other runtimes and against sums done by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chest_cancer.network import cuda
from chest_cancer.network.cuda import CudaNetwork
from chest_cancer.network.explanation import explain
from chest_cancer.network.graph import classifier, frozen_base
from chest_cancer.network.heads.dense import LinearHead
from chest_cancer.network.heads.head import Head
from chest_cancer.network.heads.kernel import KernelHead
from chest_cancer.network.runtime import Network, Outputs
from chest_cancer.network.vgg16 import LAYERS, Weights
from conftest import Pixels
from manifests import manifest_of

GOLDEN_CHANNELS = [0, 4, 7, 14]
GOLDEN_MEANS = [0.1518952, 0.4907744, 0.7090622, 3.9867465]
GOLDEN_MAXIMA = [7.4428644, 13.587495, 19.400084, 56.473576]
"""Of `picture(0)` under the ImageNet weights: preprocessing, colour order, convolutions and pooling in 8 numbers."""
RELATIVE = 1e-3


@pytest.fixture(scope="module")
def batch(picture: Callable[..., Pixels]) -> Pixels:
    return np.stack([picture(0), picture(3)])


@pytest.fixture(scope="module")
def narrow(narrow_weights: Weights, batch: Pixels) -> dict[str, np.ndarray]:
    """What each layer of the narrow network receives by Keras, [N, h, w, C], the last map, and what is pooled of it."""
    import keras

    received = {}
    last = keras.applications.vgg16.preprocess_input(batch.astype(np.float32))
    for name in LAYERS:
        received[name] = np.asarray(last)
        kernel, bias = narrow_weights[f"{name}/kernel"], narrow_weights[f"{name}/bias"]
        last = keras.ops.relu(keras.ops.conv(last, kernel, padding="same") + bias)
        if name == LAYERS[-1] or LAYERS[LAYERS.index(name) + 1].endswith("_conv1"):
            last = keras.ops.max_pool(last, 2)
    last = np.asarray(last)
    return received | {"last": last, "pooled": np.concatenate([last.mean(axis=(1, 2)), last.max(axis=(1, 2))], axis=1)}


def assert_near(received: np.ndarray, expected: np.ndarray, relative: float = RELATIVE) -> None:
    """Near by the size of the tensor: sums over thousands of products differ in their last digits."""
    np.testing.assert_allclose(received, expected, rtol=0, atol=relative * np.abs(expected).max())


@pytest.mark.parametrize("cut", ["block1_conv1", "block4_conv2", "block5_conv3"])
def test_frozen_base_gives_what_keras_gives_at_the_cut(
    narrow_weights: Weights, batch: Pixels, narrow: dict[str, np.ndarray], cut: str
) -> None:
    outputs = Network(frozen_base(narrow_weights, cut).SerializeToString(), "fp32")(batch)

    assert list(outputs) == ["embedding", "features"]
    assert_near(outputs["embedding"], narrow["pooled"])
    assert outputs["features"].shape == narrow[cut].shape
    assert_near(outputs["features"], narrow[cut])


def test_frozen_base_with_imagenet_weights_agrees_with_keras_to_a_thousandth(
    imagenet_weights: Weights, picture: Callable[..., Pixels]
) -> None:
    import keras

    batch = picture(0)[None]
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    for name in LAYERS:
        model.get_layer(name).set_weights([imagenet_weights[f"{name}/kernel"], imagenet_weights[f"{name}/bias"]])
    last = np.asarray(model(keras.applications.vgg16.preprocess_input(batch.astype(np.float32))))
    expected = np.concatenate([last.mean(axis=(1, 2)), last.max(axis=(1, 2))], axis=1)

    embedding = Network(frozen_base(imagenet_weights, None).SerializeToString(), "fp32")(batch)["embedding"]

    np.testing.assert_allclose(embedding, expected, rtol=1e-4, atol=1e-3)
    means, maxima = embedding[0].reshape(2, 512)[:, GOLDEN_CHANNELS]
    np.testing.assert_allclose(means, GOLDEN_MEANS, rtol=0, atol=1e-3)
    np.testing.assert_allclose(maxima, GOLDEN_MAXIMA, rtol=0, atol=1e-3)


@pytest.mark.parametrize("cut", ["block6_conv1", "block1_conv3", "block5_pool", ""])
def test_unknown_cut_is_refused_with_the_layers_to_choose_from(narrow_weights: Weights, cut: str) -> None:
    with pytest.raises(ValueError, match=rf"fine_tune_from`: expected one of block1_conv1, .*Received: {cut}$"):
        frozen_base(narrow_weights, cut)


def test_graph_without_a_cut_takes_any_number_of_images(
    narrow_weights: Weights, batch: Pixels, narrow: dict[str, np.ndarray]
) -> None:
    network = Network(frozen_base(narrow_weights, None).SerializeToString(), "fp32")

    singles = [network(image[None])["embedding"] for image in batch]

    assert network.outputs == ("embedding",)
    assert_near(np.concatenate(singles), narrow["pooled"])


def expected_scores(outputs: Outputs, head: Head) -> np.ndarray:
    """Class scores [N, K] in double precision from the embedding."""
    *hidden, (kernel, bias) = head.layers
    values = outputs["embedding"].astype(np.float64)
    for hidden_kernel, hidden_bias in hidden:
        values = np.maximum(values @ hidden_kernel + hidden_bias, 0)
    return (values @ kernel + bias) / head.temperature


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def log_odds(probabilities: np.ndarray, number: int) -> np.ndarray:
    return np.log(probabilities[:, number]) - np.log(np.delete(probabilities, number, axis=1).sum(axis=1))


def assert_adds_up(outputs: Outputs, head: Head) -> None:
    """Cells and constant of every class are the log-odds of its probability."""
    probabilities = outputs["probabilities"].astype(np.float64)
    names = [f"class {number}" for number in range(head.classes)]
    manifest = manifest_of(classes=names, average_scores=head.average_scores().tolist())
    for number, name in enumerate(names):
        said = [explain(manifest, evidence, name) for evidence in outputs["evidence"]]
        sums = [one.cells.sum() + one.constant for one in said]
        np.testing.assert_allclose(sums, log_odds(probabilities, number), atol=2e-3)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1000),
    classes=st.integers(2, 4),
    temperature=st.sampled_from([0.3, 1.0, 7.5]),
)
def test_linear_head_is_softmax_and_its_evidence_adds_up_to_the_log_odds(
    narrow_weights: Weights,
    batch: Pixels,
    random_head: Callable[..., Head],
    seed: int,
    classes: int,
    temperature: float,
) -> None:
    head = random_head(seed, classes, temperature=temperature)

    outputs = Network(classifier(narrow_weights, head).SerializeToString(), "fp32")(batch)

    scores = expected_scores(outputs, head)
    np.testing.assert_allclose(outputs["probabilities"], softmax(scores), atol=1e-5)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-6)
    assert outputs["evidence"].shape == (2, classes, 7, 7)
    (kernel, bias), *_ = head.layers
    np.testing.assert_allclose(head.average_scores(), (head.average @ kernel + bias) / temperature, rtol=1e-4)
    assert_near(outputs["evidence"].sum(axis=(2, 3)) + head.average_scores(), scores, 1e-5)
    assert_adds_up(outputs, head)


@pytest.fixture(scope="module")
def dense_head(random_head: Callable[..., Head]) -> Head:
    return random_head(1, 3, hidden=8, temperature=1.7)


def test_evidence_of_a_dense_head_adds_up_and_lies_where_the_activations_differ_from_the_mean(
    narrow_weights: Weights, batch: Pixels, dense_head: Head, narrow: dict[str, np.ndarray]
) -> None:
    (kernel_1, bias_1), (kernel_2, _) = dense_head.layers

    outputs = Network(classifier(narrow_weights, dense_head).SerializeToString(), "fp32")(batch)

    np.testing.assert_allclose(outputs["probabilities"], softmax(expected_scores(outputs, dense_head)), atol=1e-5)
    assert_adds_up(outputs, dense_head)
    before, after = (features @ kernel_1 + bias_1 for features in (dense_head.average, narrow["pooled"]))
    assert ((before > 0) != (after > 0)).any()  # a unit that bends on the way
    shares = (np.maximum(after, 0) - np.maximum(before, 0)) / (after - before)
    slopes = np.einsum("nh,hk,ih->nki", shares, kernel_2, kernel_1) / dense_head.temperature
    assert_near(outputs["evidence"], cells_by_hand(slopes, dense_head.average, narrow["last"]))


def cells_by_hand(slopes: np.ndarray, average: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Evidence [N, K, 7, 7] of slopes [N, K, 1024] on a last map [N, 7, 7, 512]."""
    largest = last.max(axis=(1, 2), keepdims=True)
    peaks = (last == largest) / (last == largest).sum(axis=(1, 2), keepdims=True)
    of_mean = np.einsum("nkc,nyxc->nkyx", slopes[..., :512], (last - average[:512]) / 49)
    return of_mean + np.einsum("nkc,nyxc->nkyx", slopes[..., 512:], (largest - average[512:]) * peaks)


def kernel_head(narrow: dict[str, np.ndarray], average: np.ndarray) -> KernelHead:
    draw = np.random.default_rng(5).standard_normal
    mean, deviation = narrow["pooled"].mean(axis=0), np.abs(narrow["pooled"]).mean(axis=0) + 0.1
    landmarks = draw((30, 1024)).astype(np.float32)
    weights, bias = draw((30, 3)).astype(np.float32), draw(3).astype(np.float32)
    return KernelHead(mean, deviation, landmarks, 1 / 1024, weights, bias, average, 0.8)


def kernel_scores(head: KernelHead, features: np.ndarray) -> np.ndarray:
    away = ((features - head.mean) / head.deviation)[:, None] - head.landmarks
    return (np.exp(-head.width * (away**2).sum(axis=-1)) @ head.weights + head.bias) / head.temperature


def test_kernel_head_compares_with_landmarks_and_its_evidence_adds_up_to_the_log_odds(
    narrow_weights: Weights, batch: Pixels, narrow: dict[str, np.ndarray]
) -> None:
    head = kernel_head(narrow, narrow["pooled"][0] * 0.7)

    outputs = Network(classifier(narrow_weights, head).SerializeToString(), "fp32")(batch)

    scores = kernel_scores(head, narrow["pooled"])
    np.testing.assert_allclose(outputs["probabilities"], softmax(scores), atol=1e-4)
    np.testing.assert_allclose(head.average_scores(), kernel_scores(head, head.average[None])[0], rtol=1e-6)
    assert_near(outputs["evidence"].sum(axis=(2, 3)) + head.average_scores(), scores, 1e-4)
    assert_adds_up(outputs, head)


def test_evidence_of_a_kernel_head_near_the_average_is_the_gradient_times_what_differs(
    narrow_weights: Weights, batch: Pixels, narrow: dict[str, np.ndarray]
) -> None:
    """Also the limit in which quotients of small differences would lose their digits."""
    average = (narrow["pooled"][0] * 1.001).astype(np.float32)
    head = kernel_head(narrow, average)

    outputs = Network(classifier(narrow_weights, head).SerializeToString(), "fp32")(batch[:1])

    standardised = (average - head.mean) / head.deviation
    similarity = np.exp(-head.width * ((standardised - head.landmarks) ** 2).sum(axis=1))
    pulls = 2 * head.width * (head.landmarks - standardised) / head.deviation
    slopes = np.einsum("m,mk,mi->ki", similarity, head.weights, pulls)[None] / head.temperature
    assert_near(outputs["evidence"], cells_by_hand(slopes, average, narrow["last"][:1]), 1e-2)


def test_cells_that_tie_for_the_maximum_share_its_evidence(narrow_weights: Weights) -> None:
    flat = {
        name: array if name == "block5_conv3/bias" else np.zeros_like(array) for name, array in narrow_weights.items()
    }
    kernel = np.zeros((1024, 2), dtype=np.float32)
    kernel[512:, 0] = 1  # the first class listens to the maxima only
    head = LinearHead(((kernel, np.zeros(2, dtype=np.float32)),), np.zeros(1024, dtype=np.float32), 1.0)

    outputs = Network(classifier(flat, head).SerializeToString(), "fp32")(np.zeros((1, 224, 224, 3), dtype=np.uint8))

    total = np.maximum(narrow_weights["block5_conv3/bias"], 0).sum()
    np.testing.assert_allclose(outputs["evidence"][0, 0], np.full((7, 7), total / 49), rtol=1e-5)
    np.testing.assert_array_equal(outputs["evidence"][0, 1], 0)


def test_openvino_and_onnxruntime_agree_in_full_precision(
    narrow_weights: Weights, batch: Pixels, random_head: Callable[..., Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "PROVIDER", "CPUExecutionProvider")  # in the place of a GPU's
    graph = classifier(narrow_weights, random_head(2, 4, hidden=5)).SerializeToString()
    network = Network(graph, "fp32")
    session = CudaNetwork(graph)

    outputs, expected = network(batch), session(batch)

    assert network.outputs == session.outputs == ("probabilities", "embedding", "evidence")
    for name in network.outputs:
        assert_near(outputs[name], expected[name], 1e-4)
