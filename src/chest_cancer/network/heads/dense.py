"""Heads of one or two dense layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from chest_cancer.network.heads.head import Array, Constants, PooledHead, Training, read_standardisation, read_weights

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LinearHead(PooledHead):
    """Logits are weighted sums of the pooled features.

    Attributes:
        layers: (kernel [in, out], bias [out]) of each dense layer; this head has one. The first takes the embedding
            [1024]; standardisation is folded into it.
        average: Mean pooled features of the training images, [1024].
        temperature: Divisor of the logits, greater than 0.
    """

    layers: tuple[tuple[Array, Array], ...]
    average: Array
    temperature: float
    shuffled: ClassVar[dict[str, int]] = {"kernel_1": 0, "kernel_1_stacked": 0}

    @classmethod
    def read(cls, head: "keras.Model", average: Array, temperature: float) -> Self:
        (mean, deviation), named = read_standardisation(head), read_weights(head)
        (kernel, bias), *others = [named[name] for name in ("hidden", "logits") if name in named]
        folded = kernel / deviation[:, None]
        layers = [(folded, bias - mean @ folded), *(tuple(layer) for layer in others)]
        single = tuple((kernel.astype(np.float32), bias.astype(np.float32)) for kernel, bias in layers)
        return cls(single, average, temperature)

    @property
    def classes(self) -> int:
        return self.layers[-1][1].size

    def lines(self) -> Iterator[str]:
        yield "score = Gemm (embedding, kernel_1, bias_1)"
        yield "slope = Transpose <perm = [2, 1, 0]> (kernel_1_stacked)"

    def constants(self) -> Constants:
        constants = self._scaled()
        return constants | {"kernel_1_stacked": constants["kernel_1"][:, :, None]}

    def average_scores(self) -> Array:
        values = np.asarray(self.average, dtype=np.float64)
        *hidden, (last_kernel, last_bias) = self.layers
        for kernel, bias in hidden:
            values = np.maximum(values @ kernel + bias, 0)
        return np.asarray((values @ last_kernel + last_bias) / self.temperature)

    def _scaled(self) -> Constants:
        """Kernels and biases; the last layer's are divided by the temperature."""
        *hidden, (last_kernel, last_bias) = self.layers
        layers = [*hidden, (last_kernel / self.temperature, last_bias / self.temperature)]
        constants: Constants = {}
        for i, (kernel, bias) in enumerate(layers, start=1):
            constants[f"kernel_{i}"] = kernel.astype(np.float32)
            constants[f"bias_{i}"] = bias.astype(np.float32)
        return constants


@dataclass(frozen=True)
class DenseHead(LinearHead):
    """A hidden layer with a ReLU before the linear one.

    Attributes:
        layers: Kernels and biases as in `LinearHead`; this head has two layers.
        average: Mean pooled features of the training images, [1024].
        temperature: Divisor of the logits, greater than 0.
    """

    shuffled: ClassVar[dict[str, int]] = {"kernel_1": 0, "kernel_1_transposed": 1}

    @classmethod
    def build_hidden(cls, standardised: "keras.KerasTensor", training: Training) -> "keras.KerasTensor":
        import keras

        units, penalty = training.parameters.hidden_units, keras.regularizers.L2(training.parameters.l2)
        hidden = keras.layers.Dense(units, activation="relu", kernel_regularizer=penalty, name="hidden")
        return hidden(standardised)

    def lines(self) -> Iterator[str]:
        yield "hidden_sum = Gemm (embedding, kernel_1, bias_1)"
        yield "hidden = Relu (hidden_sum)"
        yield "score = Gemm (hidden, kernel_2, bias_2)"
        yield "average_sum = Gemm (average, kernel_1, bias_1)"
        yield "average_hidden = Relu (average_sum)"
        # Of its rise from the mean features a unit passes on a share from 0 to 1.
        yield "rise = Sub (hidden_sum, average_sum)"
        yield "passed_on = Sub (hidden, average_hidden)"
        yield "some_rise = Add (rise, tiny)"
        yield "share_of_rise = Div (passed_on, some_rise)"
        yield "shares = Unsqueeze (share_of_rise, one)"
        yield "by_hidden = Mul (shares, kernel_2_transposed)"
        yield "slope = MatMul (by_hidden, kernel_1_transposed)"

    def constants(self) -> Constants:
        constants = self._scaled()
        return constants | {f"{name}_transposed": constants[name].T for name in ("kernel_1", "kernel_2")}
