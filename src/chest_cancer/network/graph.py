"""VGG16 and its head as ONNX graphs: 8-bit RGB in; features, embedding, probabilities, evidence and distance out.

The graphs are written as text and parsed by `onnx.parser`; weights go in by name. Keras kernels are HWIO, ONNX's OIHW.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from chest_cancer.network.vgg16 import CONVOLUTIONS, INPUT_SIDE, LAYERS, Weights

LAST_MAP = "block5_pool"
RGB_MEAN = (123.68, 116.779, 103.939)
"""ImageNet's mean, subtracted in VGG16's training, in 0..255."""

_OPSETS = [onnx.helper.make_opsetid("", 18)]
_IR_VERSION = 10


@dataclass(frozen=True)
class Head:
    """A classification head on pooled features.

    Attributes:
        layers: (kernel [in, out], bias [out]) of one or two dense layers; a ReLU stands between two. The first takes
            the embedding [1024]; standardisation is folded into it.
        temperature: Divisor of the logits, greater than 0.
    """

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    temperature: float


@dataclass(frozen=True)
class KernelHead:
    """A head that compares an image's pooled features with those of landmarks, by a Gaussian kernel.

    Attributes:
        mean, deviation: Of the pooled features, [1024] each; landmarks and images are standardised by them.
        landmarks: Standardised features of training images, [m, 1024].
        width: The kernel is exp(-width |x - landmark|^2); greater than 0.
        weights: What each landmark says for each class, [m, K].
        bias: [K].
        temperature: Divisor of the logits, greater than 0.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    width: float
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float


@dataclass(frozen=True)
class EmbeddingSpace:
    """Where training images lie, as directions and spreads of their spatial means, scaled to length 1.

    Attributes:
        centre: [512].
        whitening: [512, 512]; sends a difference from the centre to one whose length is the distance.
    """

    centre: NDArray[np.float32]
    whitening: NDArray[np.float32]


def frozen_base(weights: Weights, cut: str | None) -> onnx.ModelProto:
    """Build the part of VGG16 that is never trained, with its preprocessing.

    Args:
        weights: `<layer>/kernel` (HWIO) and `<layer>/bias` of the 13 convolutions, float32.
        cut: First layer that is trained, or None.

    Returns:
        A graph from `image` uint8 [N, 224, 224, 3] to `embedding` float32 [N, 1024] (spatial mean and max of the last
        map) and, with a cut, `features` float32 [N, h, w, C]: what the cut layer receives.

    Raises:
        ValueError: `cut` is no layer of VGG16.
    """
    if cut is not None and cut not in LAYERS:
        raise ValueError(
            "Invalid value for `model_preparation.fine_tune_from`: "
            f"expected one of {', '.join(LAYERS)}. Received: {cut}"
        )
    lines = [*_preprocessing(), *_convolutions(), *_pooling()]
    outputs = ["float[N, 1024] embedding"]
    if cut is not None:
        lines.append(f"features = Transpose <perm = [0, 2, 3, 1]> ({_input_of(cut)})")
        outputs.append("float[N, h, w, c] features")
    return _model("frozen_base", lines, outputs, _constants() | _to_oihw(weights))


def classifier(weights: Weights, head: Head | KernelHead, space: EmbeddingSpace | None = None) -> onnx.ModelProto:
    """Join the convolutions, those trained above a cut among them, and the head.

    Args:
        weights: `<layer>/kernel` (HWIO) and `<layer>/bias` of the 13 convolutions, float32.
        head: The trained head.
        space: Where training images lie, or None.

    Returns:
        A graph from `image` uint8 [N, 224, 224, 3] to `probabilities` [N, K] (rows sum to 1), `embedding` [N, 1024],
        `evidence` [N, K, 7, 7] and, with a space, `distance` [N] of the image from it. Evidence is HiResCAM (Draelos
        and Carin, 2020): gradient of the class score (the logit over the temperature) times activation, summed over
        channels. For a linear head it is an exact decomposition: its cells and the bias sum to the score.
    """
    if isinstance(head, KernelHead):
        head_lines, head_constants, classes = [*_kernel_head()], _kernel_constants(head), head.bias.size
    else:
        head_lines, head_constants = [*_dense_head(len(head.layers))], _dense_constants(head)
        classes = head.layers[-1][1].size
    lines = [*_preprocessing(), *_convolutions(), *_pooling(), *head_lines, *_evidence()]
    outputs = [
        f"float[N, {classes}] probabilities",
        "float[N, 1024] embedding",
        f"float[N, {classes}, 7, 7] evidence",
    ]
    constants = _constants() | _to_oihw(weights) | head_constants
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


def _dense_head(layers: int) -> Iterator[str]:
    """Logits, and their gradient by the embedding [N, K, 1024]."""
    if layers == 1:
        yield "score = Gemm (embedding, kernel_1, bias_1)"
        yield "gradient = Transpose <perm = [2, 1, 0]> (kernel_1_stacked)"
    else:
        yield "hidden_sum = Gemm (embedding, kernel_1, bias_1)"
        yield "hidden = Relu (hidden_sum)"
        yield "score = Gemm (hidden, kernel_2, bias_2)"
        yield "hidden_sign = Sign (hidden)"
        yield "active = Unsqueeze (hidden_sign, one)"
        yield "by_hidden = Mul (active, kernel_2_transposed)"
        yield "gradient = MatMul (by_hidden, kernel_1_transposed)"
    yield "probabilities = Softmax <axis = 1> (score)"


def _kernel_head() -> Iterator[str]:
    """Logits, and their gradient by the embedding [N, K, 1024]; |x - l|^2 is written out as |x|^2 - 2 x l + |l|^2."""
    yield "from_mean = Sub (embedding, pooled_mean)"
    yield "standardised = Mul (from_mean, pooled_scale)"
    yield "square = ReduceSumSquare <keepdims = 1> (standardised, channels)"
    yield "square_part = Mul (square, width)"
    yield "landmark_part = Gemm (standardised, landmarks_transposed, landmark_squares)"
    yield "exponent = Sub (landmark_part, square_part)"
    yield "similarity = Exp (exponent)"
    yield "score = Gemm (similarity, landmark_weights, landmark_bias)"
    yield "similarity_row = Unsqueeze (similarity, one)"
    yield "votes = Mul (similarity_row, landmark_weights_transposed)"
    yield "towards = MatMul (votes, landmarks_twice)"
    yield "total = ReduceSum <keepdims = 1> (votes, two)"
    yield "total_twice = Mul (total, width_twice)"
    yield "standardised_row = Unsqueeze (standardised, one)"
    yield "away = Mul (total_twice, standardised_row)"
    yield "by_standardised = Sub (towards, away)"
    yield "gradient = Mul (by_standardised, pooled_scale)"
    yield "probabilities = Softmax <axis = 1> (score)"


def _evidence() -> Iterator[str]:
    """The gradient by the mean reaches every cell, the one by the max its largest cells, in equal parts."""
    yield "by_mean, by_max = Split <axis = 2, num_outputs = 2> (gradient)"
    yield f"largest = ReduceMax <keepdims = 1> ({LAST_MAP}, spatial)"
    yield f"is_largest = Equal ({LAST_MAP}, largest)"
    yield "peaks = Cast <to = 1> (is_largest)"
    yield "ties = ReduceSum <keepdims = 1> (peaks, spatial)"
    yield "share = Div (peaks, ties)"
    yield f"at_peaks = Mul ({LAST_MAP}, share)"
    yield f"of_mean = Div ({LAST_MAP}, cells)"
    yield "mean_cells = Reshape (of_mean, cell_rows)"
    yield "max_cells = Reshape (at_peaks, cell_rows)"
    yield "mean_evidence = MatMul (by_mean, mean_cells)"
    yield "max_evidence = MatMul (by_max, max_cells)"
    yield "evidence_cells = Add (mean_evidence, max_evidence)"
    yield "evidence = Reshape (evidence_cells, evidence_shape)"


def _distance() -> Iterator[str]:
    yield "length = ReduceL2 <keepdims = 1> (mean, channels)"
    yield "positive_length = Max (length, smallest_length)"
    yield "direction = Div (mean, positive_length)"
    yield "from_centre = Sub (direction, space_centre)"
    yield "whitened = MatMul (from_centre, whitening)"
    yield "distance = ReduceL2 <keepdims = 0> (whitened, channels)"


def _constants() -> dict[str, NDArray[np.generic]]:
    return {
        "rgb_mean": np.array(RGB_MEAN, dtype=np.float32),
        "bgr_order": np.array([2, 1, 0], dtype=np.int64),
        "spatial": np.array([2, 3], dtype=np.int64),
        "channels": np.array([1], dtype=np.int64),
        "smallest_length": np.array(np.finfo(np.float32).tiny, dtype=np.float32),
        "cells": np.array(49, dtype=np.float32),
        "cell_rows": np.array([0, 0, 49], dtype=np.int64),
        "evidence_shape": np.array([0, 0, 7, 7], dtype=np.int64),
        "one": np.array([1], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
    }


def _dense_constants(head: Head) -> dict[str, NDArray[np.generic]]:
    *hidden, (kernel, bias) = head.layers
    layers = [*hidden, (kernel / head.temperature, bias / head.temperature)]
    constants: dict[str, NDArray[np.generic]] = {}
    for i, (kernel, bias) in enumerate(layers, start=1):
        constants[f"kernel_{i}"] = kernel.astype(np.float32)
        constants[f"bias_{i}"] = bias.astype(np.float32)
    if hidden:
        constants["kernel_1_transposed"] = layers[0][0].T.astype(np.float32)
        constants["kernel_2_transposed"] = layers[1][0].T.astype(np.float32)
    else:
        constants["kernel_1_stacked"] = layers[0][0][:, :, None].astype(np.float32)
    return constants


def _kernel_constants(head: KernelHead) -> dict[str, NDArray[np.generic]]:
    weights, twice = head.weights / head.temperature, 2 * head.width * head.landmarks
    constants = {
        "pooled_mean": head.mean,
        "pooled_scale": 1 / head.deviation,
        "width": np.array(head.width),
        "width_twice": np.array(2 * head.width),
        "landmarks_transposed": twice.T,
        "landmarks_twice": twice,
        "landmark_squares": -head.width * (head.landmarks**2).sum(axis=1),
        "landmark_weights": weights,
        "landmark_weights_transposed": weights.T,
        "landmark_bias": head.bias / head.temperature,
    }
    return {name: array.astype(np.float32) for name, array in constants.items()}


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
        f"{name} (uint8[N, {INPUT_SIDE}, {INPUT_SIDE}, 3] image) => ({', '.join(outputs)}) {{\n{body}\n}}"
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
