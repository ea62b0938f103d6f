"""3x3 convolutions by Winograd's minimal filtering, for training: 16 multiplications where `Conv2D` makes 36."""

from typing import Any

import keras
import numpy as np
from keras import ops

_ROWS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_TRANSFORM = np.kron(_ROWS, _ROWS)
"""From the 9 numbers of a kernel to the 16 by which a tile's are multiplied."""


class WinogradConv2D(keras.layers.Conv2D):  # type: ignore[misc]  # Keras ships no types
    """`Conv2D` with kernels of 3x3, stride 1 and padding `same`, for maps [N, h, w, C] whose sides are even.

    F(2x2, 3x3) of Lavin and Gray (2016, Fast algorithms for convolutional neural networks): tiles of 4x4 that overlap
    by two, and the kernels, are transformed by additions, multiplied, and transformed back to 2x2 outputs. Multiplying
    and adding over channels is a matrix product, and so are its gradients. Weights and results are those of `Conv2D`,
    except for rounding: results in bf16 are two to three times as far from fp32.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights.

        Raises:
            ValueError: Kernels, strides, padding or maps are of another kind than this layer computes.
        """
        settings = {
            "kernel_size": (3, 3), "strides": (1, 1), "dilation_rate": (1, 1), "groups": 1, "padding": "same",
            "data_format": "channels_last",
        }  # fmt: skip
        for name, expected in settings.items():
            if getattr(self, name) != expected:
                raise ValueError(f"Invalid value for `{name}`: expected {expected}. Received: {getattr(self, name)}")
        if any(side is None or side % 2 for side in input_shape[1:3]):
            raise ValueError(f"Invalid shape of maps: expected even, known sides. Received: {input_shape}")
        super().build(input_shape)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve maps [N, h, w, C] with a kernel [3, 3, C, K] to [N, h, w, K]."""
        _, height, width, channels = inputs.shape
        padded = ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        tiles = [part for rows in _transform(padded, axis=1) for part in _transform(rows, axis=2)]
        transform = ops.convert_to_tensor(_TRANSFORM, kernel.dtype)
        kernels = ops.reshape(ops.matmul(transform, ops.reshape(kernel, (9, -1))), (16, channels, -1))
        products = ops.matmul(ops.stack([ops.reshape(part, (-1, channels)) for part in tiles]), kernels)
        shape = (-1, height // 2, width // 2, self.filters)
        parts = [ops.reshape(part, shape) for part in ops.unstack(products)]
        columns = [_transform_back(parts[row : row + 4]) for row in range(0, 16, 4)]
        outputs = [ops.stack(_transform_back(column), axis=2) for column in zip(*columns, strict=True)]
        return ops.reshape(ops.stack(outputs, axis=4), (-1, height, width, self.filters))


def _transform(maps: Any, axis: int) -> list[Any]:
    """Combine the four lines of each tile, along an axis of length 2 m + 2, to four parts of length m."""
    shape = [-1, *maps.shape[1:axis], maps.shape[axis] // 2, 2, *maps.shape[axis + 1 :]]
    even, odd = ops.unstack(ops.reshape(maps, shape), axis=axis + 1)
    (first, third), (second, fourth) = (
        [_without_an_end(lines, axis, start) for start in (0, 1)] for lines in (even, odd)
    )
    return [first - third, second + third, third - second, second - fourth]


def _without_an_end(lines: Any, axis: int, start: int) -> Any:
    """Drop the last line of an axis (from 0) or the first (from 1). TensorFlow's gradient of `lines[...]` is slow."""
    starts, shape = [0] * 4, [-1, *lines.shape[1:]]
    starts[axis], shape[axis] = start, lines.shape[axis] - 1
    return ops.slice(lines, starts, shape)


def _transform_back(parts: Any) -> list[Any]:
    """Combine four products to two outputs."""
    first, second, third, fourth = parts
    return [first + second + third, second - third - fourth]
