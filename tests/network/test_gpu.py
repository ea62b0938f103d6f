"""A GPU computes what the processor does. Run it where there is one; elsewhere the reason says what is missing."""

import os
from collections.abc import Callable

import numpy as np
import pytest

from chest_cancer.network import keras_head
from chest_cancer.network.cuda import CudaNetwork
from chest_cancer.network.devices import Backend, choose_backend, gpu_problem
from chest_cancer.network.graph import classifier, frozen_base
from chest_cancer.network.heads.head import Head
from chest_cancer.network.runtime import Network
from chest_cancer.network.vgg16 import Weights, trainable_top
from chest_cancer.parameters.engine import EngineParameters
from conftest import Pixels

PROBLEM = gpu_problem()
pytestmark = pytest.mark.skipif(PROBLEM is not None, reason=f"no GPU computes here: {PROBLEM}")
CUT = "block5_conv1"
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # as in every run


def assert_near(received: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_it_is_chosen() -> None:
    assert choose_backend("auto", EngineParameters()) == Backend("cuda", "fp32")


@pytest.mark.parametrize("of", ["base", "classifier"])
def test_graphs_give_what_openvino_gives_in_fp32(
    imagenet_weights: Weights, random_head: Callable[..., Head], picture: Callable[..., Pixels], of: str
) -> None:
    made = frozen_base(imagenet_weights, CUT) if of == "base" else classifier(imagenet_weights, random_head(2))
    graph = made.SerializeToString()
    batch = np.stack([picture(number) for number in range(3)])

    received, expected = CudaNetwork(graph)(batch), Network(graph, "fp32")(batch)

    assert list(received) == list(expected)
    for name, values in expected.items():
        assert_near(received[name], values)


def test_tensorflow_trains_on_it_and_computes_what_openvino_does(
    imagenet_weights: Weights, picture: Callable[..., Pixels]
) -> None:
    keras_head.require_gpu()
    base = Network(frozen_base(imagenet_weights, CUT).SerializeToString(), "fp32")
    outputs = base(np.stack([picture(number) for number in range(2)]))
    top = trainable_top(imagenet_weights, CUT)

    assert_near(keras_head.predict(top, outputs["features"]), outputs["embedding"])
    top.compile("sgd", "mse")
    top.fit(outputs["features"], outputs["embedding"], epochs=1, verbose=0)
    assert all("GPU" in weight.value.device for weight in top.weights)
