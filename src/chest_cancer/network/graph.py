"""VGG16 and its head as ONNX graphs: 8-bit RGB in; features, embedding, probabilities, evidence and distance out.

The graphs are written as text and parsed by `onnx.parser`; weights go in by name. Keras kernels are HWIO, ONNX's OIHW.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from chest_cancer.imaging.frame import SIDE
from chest_cancer.network.embedding import SIZE, EmbeddingSpace
from chest_cancer.network.heads.head import Head, PooledHead
from chest_cancer.network.vgg16 import CONVOLUTIONS, LAYERS, Weights

LAST_MAP = "block5_pool"
RGB_MEAN = (123.68, 116.779, 103.939)
"""ImageNet's mean, subtracted in VGG16's training, in 0..255."""

_OPSETS = [onnx.helper.make_opsetid("", 18)]
_IR_VERSION = 10


def frozen_base(weights: Weights, cut: str | None) -> onnx.ModelProto:
    """Build the part of VGG16 that is never trained, with VGG16's preprocessing.

    Args:
        weights: `<layer>/kernel` (HWIO) and `<layer>/bias` of the 13 convolutions, float32.
        cut: First layer that is trained, or None.

    Returns:
        A graph from `image` uint8 [N, 224, 224, 3] to `embedding` float32 [N, 1024] (spatial mean and max of the last
        map) and, with a cut, `features` float32 [N, h, w, C]: what the cut layer receives.

    Raises:
        ValueError: `cut` is not a layer of VGG16.
    """
    check_cut(cut)
    lines = [*_preprocessing(), *_convolutions(), *_pooling()]
    outputs = [f"float[N, {SIZE}] embedding"]
    if cut is not None:
        lines.append(f"features = Transpose <perm = [0, 2, 3, 1]> ({_input_of(cut)})")
        outputs.append("float[N, h, w, c] features")
    return _model("frozen_base", lines, outputs, _constants() | _to_oihw(weights))


def check_cut(cut: str | None) -> None:
    """Check that a cut is a layer of VGG16, or None.

    Raises:
        ValueError: It is not.
    """
    if cut is not None and cut not in LAYERS:
        raise ValueError(
            "Invalid value for `model_preparation.fine_tune_from`: "
            f"expected one of {', '.join(LAYERS)}. Received: {cut}"
        )


def classifier(weights: Weights, head: Head, space: EmbeddingSpace | None = None) -> onnx.ModelProto:
    """Join all convolutions, also those that were trained above a cut, and the head.

    Args:
        weights: `<layer>/kernel` (HWIO) and `<layer>/bias` of the 13 convolutions, float32.
        head: The trained head.
        space: Where training images lie, or None.

    Returns:
        A graph from `image` uint8 [N, 224, 224, 3] to `probabilities` [N, K] (rows sum to 1), `embedding` [N, 1024],
        `evidence` [N, K, 7, 7] and, with a space, `distance` [N] of the image from the training images. Evidence is
        how much each cell adds to a class's score (the logit over the temperature) beyond what the mean features of the
        training images get: its cells and `head.average_scores()` sum to the score, for every head. Of a head on pooled
        features, a cell's mean part is counted from the mean activation of the training images, and what a channel's
        largest activation has above or below its usual one belongs to the cell that holds it. A head that reads a map
        says itself what each cell adds.
    """
    lines = [*_preprocessing(), *_convolutions(), *_pooling(), *head.lines(), *_probabilities()]
    outputs = [
        f"float[N, {head.classes}] probabilities",
        f"float[N, {SIZE}] embedding",
        f"float[N, {head.classes}, 7, 7] evidence",
    ]
    constants = _constants() | _to_oihw(weights) | head.constants()
    if isinstance(head, PooledHead):
        lines += _evidence()
        constants["average"] = np.asarray(head.average, dtype=np.float32).reshape(1, SIZE)
    if space is not None:
        lines += _distance()
        outputs.append("float[N] distance")
        constants |= {"space_centre": space.centre, "whitening": space.whitening}
    return _model("classifier", lines, outputs, constants)


def _preprocessing() -> Iterator[str]:
    yield "rgb = Cast <to = 1> (image)"
    yield "centred = Sub (rgb, rgb_mean)"
    yield "bgr = Gather <axis = 3> (centred, bgr_order)"
    yield "input = Transpose <perm = [0, 3, 1, 2]> (bgr)"


def _convolutions() -> Iterator[str]:
    previous = "input"
    for block, depth in CONVOLUTIONS.items():
        for i in range(1, depth + 1):
            layer = f"block{block}_conv{i}"
            yield f"{layer}_sum = Conv <pads = [1, 1, 1, 1]> ({previous}, {layer}_kernel, {layer}_bias)"
            yield f"{layer} = Relu ({layer}_sum)"
            previous = layer
        yield f"block{block}_pool = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> ({previous})"
        previous = f"block{block}_pool"


def _pooling() -> Iterator[str]:
    yield f"mean = ReduceMean <keepdims = 0> ({LAST_MAP}, spatial)"
    yield f"max = ReduceMax <keepdims = 0> ({LAST_MAP}, spatial)"
    yield "embedding = Concat <axis = 1> (mean, max)"


def _probabilities() -> Iterator[str]:
    yield "probabilities = Softmax <axis = 1> (score)"


def _evidence() -> Iterator[str]:
    """What rises through the mean rises in every cell; through the max, in the largest cells, in equal parts."""
    yield "by_mean, by_max = Split <axis = 2, num_outputs = 2> (slope)"
    yield "average_map = Reshape (average, average_shape)"
    yield "average_mean, average_max = Split <axis = 1, num_outputs = 2> (average_map)"
    yield f"largest = ReduceMax <keepdims = 1> ({LAST_MAP}, spatial)"
    yield f"is_largest = Equal ({LAST_MAP}, largest)"
    yield "peaks = Cast <to = 1> (is_largest)"
    yield "ties = ReduceSum <keepdims = 1> (peaks, spatial)"
    yield "share = Div (peaks, ties)"
    yield "above_usual = Sub (largest, average_max)"
    yield "at_peaks = Mul (above_usual, share)"
    yield f"above_mean = Sub ({LAST_MAP}, average_mean)"
    yield "of_mean = Div (above_mean, cells)"
    yield "mean_cells = Reshape (of_mean, cell_rows)"
    yield "max_cells = Reshape (at_peaks, cell_rows)"
    yield "mean_evidence = MatMul (by_mean, mean_cells)"
    yield "max_evidence = MatMul (by_max, max_cells)"
    yield "evidence_cells = Add (mean_evidence, max_evidence)"
    yield "evidence = Reshape (evidence_cells, evidence_shape)"


def _distance() -> Iterator[str]:
    yield "root = Sqrt (mean)"
    yield "length = ReduceL2 <keepdims = 1> (root, one)"
    yield "positive_length = Max (length, smallest_length)"
    yield "direction = Div (root, positive_length)"
    yield "from_centre = Sub (direction, space_centre)"
    yield "whitened = MatMul (from_centre, whitening)"
    yield "distance = ReduceL2 <keepdims = 0> (whitened, one)"


def _constants() -> dict[str, NDArray[np.generic]]:
    return {
        "rgb_mean": np.array(RGB_MEAN, dtype=np.float32),
        "bgr_order": np.array([2, 1, 0], dtype=np.int64),
        "spatial": np.array([2, 3], dtype=np.int64),
        "smallest_length": np.array(np.finfo(np.float32).tiny, dtype=np.float32),
        "tiny": np.array(1e-30, dtype=np.float32),
        "average_shape": np.array([1, -1, 1, 1], dtype=np.int64),
        "cells": np.array(49, dtype=np.float32),
        "cell_rows": np.array([0, 0, 49], dtype=np.int64),
        "evidence_shape": np.array([0, 0, 7, 7], dtype=np.int64),
        "one": np.array([1], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
    }


def _to_oihw(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    return {
        name.replace("/", "_"): np.ascontiguousarray(array.transpose(3, 2, 0, 1)) if array.ndim == 4 else array
        for name, array in weights.items()
    }


def _input_of(layer: str) -> str:
    """Name of the tensor that a layer receives."""
    index = LAYERS.index(layer)
    if layer.endswith("_conv1"):
        return f"block{int(layer[5]) - 1}_pool" if index else "input"
    return LAYERS[index - 1]


def _model(
    name: str, lines: list[str], outputs: list[str], constants: Mapping[str, NDArray[np.generic]]
) -> onnx.ModelProto:
    body = "\n".join(lines)
    graph = onnx.parser.parse_graph(
        f"{name} (uint8[N, {SIDE}, {SIDE}, 3] image) => ({', '.join(outputs)}) {{\n{body}\n}}"
    )
    used = {tensor for node in graph.node for tensor in node.input}
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), tensor)
        for tensor, array in constants.items()
        if tensor in used
    )
    model = onnx.helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION, producer_name="chest_cancer")
    onnx.checker.check_model(model)
    return model
