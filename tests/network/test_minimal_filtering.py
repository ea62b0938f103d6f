"""Minimal filtering gives what convolutions give, sooner."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from chest_cancer.network.embedding import directions
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.minimal_filtering import filter_minimally
from chest_cancer.network.runtime import Network
from chest_cancer.network.vgg16 import Weights
from conftest import Pixels


def convolution(side: int, channels: int = 3, filters: int = 5, size: int = 3, stride: int = 1) -> ov.Model:
    kernel = np.random.default_rng(1).normal(size=(filters, channels, size, size)).astype(np.float32)
    maps = ops.parameter([-1, channels, side, side], ov.Type.f32)
    padding = [size // 2] * 2
    return ov.Model([ops.convolution(maps, kernel, [stride] * 2, padding, padding, [1, 1])], [maps])


def computed(model: ov.Model, maps: np.ndarray) -> np.ndarray:
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([maps])[0]


def kinds(model: ov.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ops()]


@pytest.mark.parametrize("side", [1, 4, 7, 14])
def test_values_are_those_of_the_convolution(side: int) -> None:
    maps = np.random.default_rng(2).normal(size=(2, 3, side, side)).astype(np.float32)
    direct, filtered = convolution(side), convolution(side)

    filter_minimally(filtered)

    assert "Convolution" not in kinds(filtered)
    expected = computed(direct, maps)
    np.testing.assert_allclose(computed(filtered, maps), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("other", [{"side": 112}, {"side": 8, "size": 1}, {"side": 8, "stride": 2}])
def test_a_convolution_that_gains_nothing_or_is_of_another_kind_stays(other: dict[str, int]) -> None:
    model = convolution(**other)

    filter_minimally(model)

    assert "Convolution" in kinds(model)


def test_embeddings_of_the_base_stay_and_do_not_depend_on_the_batch(
    imagenet_weights: Weights, picture: Callable[..., Pixels]
) -> None:
    graph = frozen_base(imagenet_weights, "block5_conv1").SerializeToString()
    batch = np.stack([picture(number) for number in range(2)])
    filtered = Network(graph, "fp32", filter_minimally)

    expected, received, alone = Network(graph, "fp32")(batch[1:]), filtered(batch), filtered(batch[1:])

    for name in ("embedding", "features"):
        exact, ours = (outputs[name].reshape(1, -1) for outputs in (expected, alone))
        assert (directions(exact) * directions(ours)).sum(axis=1).min() > 0.99999
        np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-4 * exact.max())
    assert not np.array_equal(alone["embedding"], expected["embedding"])
    np.testing.assert_array_equal(alone["embedding"], received["embedding"][1:])
