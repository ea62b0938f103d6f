"""3x3 convolutions of a graph by Winograd's minimal filtering: 36 multiplications where a convolution makes 144."""

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

FILTERING = "Winograd F(4x4, 3x3) 1"
"""What computes beside the runtime: another version may round otherwise."""

_TILE = 4
"""Side of the outputs that are computed together."""
_PATCH = _TILE + 2
_LARGEST_SIDE = 56
"""Of maps. Of larger ones with few channels, moving the numbers costs more than multiplying them."""

_OF_KERNELS = np.array([
    [1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1],
])  # fmt: skip
_OF_PATCHES = np.array([
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
])  # fmt: skip
_BACK = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def filter_minimally(model: ov.Model) -> None:
    """Replace the convolutions that gain by F(4x4, 3x3) of Lavin and Gray (2016), in place.

    Patches of 6x6 that overlap by two, and the kernels, are transformed by a matrix each, multiplied and summed over
    channels, and transformed back to 4x4 outputs. Results are those of the convolution, except for rounding.

    Args:
        model: Kernels of its convolutions are constants. Those of 3x3 with stride 1, a padding of 1 and maps
            [N, C, s, s] with a known s of at most 56 are replaced.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and _gains(node):
            kernel = node.input_value(1).get_node().data
            replacement = _convolve(node.input_value(0), kernel, node.get_output_partial_shape(0)[2].get_length())
            replacement.set_friendly_name(node.get_friendly_name())
            for target in node.output(0).get_target_inputs():
                target.replace_source_output(replacement.output(0))


def _gains(node: ov.Node) -> bool:
    settings = node.get_attributes()
    kernel, shape = node.input_value(1), node.get_output_partial_shape(0)
    return (
        kernel.get_node().get_type_name() == "Constant"
        and kernel.get_element_type() == ov.Type.f32
        and list(kernel.get_shape())[2:] == [3, 3]
        and all(settings[name] == [1, 1] for name in ("strides", "dilations", "pads_begin", "pads_end"))
        and shape[2] == shape[3]
        and shape[2].is_static
        and shape[2].get_length() <= _LARGEST_SIDE
    )


def _convolve(maps: ov.Output, kernel: NDArray[np.float32], side: int) -> ov.Node:
    """Convolve maps [N, C, s, s] with a kernel [K, C, 3, 3] to [N, K, s, s]."""
    filters, channels = kernel.shape[:2]
    count = -(-side // _TILE)
    ending = count * _TILE + 1 - side
    last = ops.transpose(maps, [0, 2, 3, 1])
    padded = ops.pad(last, [0, 1, 1, 0], [0, ending, ending, 0], "constant")
    starts = range(_PATCH)
    parts = [_every_fourth(padded, row, column, count) for row in starts for column in starts]
    patches = ops.matmul(_square(_OF_PATCHES), ops.concat(parts, 0), False, False)
    kernels = (_square(_OF_KERNELS) @ kernel.reshape(-1, 9).T).reshape(-1, filters, channels)
    products = ops.matmul(
        ops.reshape(patches, [_PATCH**2, -1, channels], False), ops.constant(kernels, shared_memory=False), False, True
    )
    outputs = ops.matmul(_square(_BACK), ops.reshape(products, [_PATCH**2, -1], False), False, False)
    by_tile = ops.reshape(outputs, [_TILE, _TILE, -1, count, count, filters], False)
    tiled = ops.reshape(ops.transpose(by_tile, [2, 3, 0, 4, 1, 5]), [-1, count * _TILE, count * _TILE, filters], False)
    whole = ops.slice(tiled, [0, 0], [side, side], [1, 1], [1, 2]) if count * _TILE > side else tiled
    return ops.transpose(whole, [0, 3, 1, 2])


def _every_fourth(padded: ov.Node, row: int, column: int, count: int) -> ov.Node:
    """Take the numbers at a place of all patches: [1, all]."""
    steps = _TILE * (count - 1) + 1
    taken = ops.slice(padded, [row, column], [row + steps, column + steps], [_TILE, _TILE], [1, 2])
    return ops.reshape(taken, [1, -1], False)


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """From the transform of lines to that of squares."""
    return np.kron(matrix, matrix).astype(np.float32)
