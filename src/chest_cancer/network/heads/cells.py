"""The head that reads a map cell by cell, for lesions that are small beside the slice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from chest_cancer.network.heads.head import Array, Constants, Head, read_standardisation, read_weights

if TYPE_CHECKING:
    import keras

_MAP = "block4_pool"
_EVIDENCE_CELLS = 49
_NEARLY_NONE = 1e-3


@dataclass(frozen=True)
class CellsHead(Head):
    """One linear head for all cells of a map; a slice's logit is the log of the mean of its cells' exponentials.

    So one suspect cell of 196 is enough, and no label says which: multiple-instance learning with the log-sum-exp
    pooling of Pinheiro and Collobert (2015, From image-level to pixel-level labeling with convolutional networks). The
    map is that of block 4, 14 x 14, in which small things are still seen that block 5 leaves out.

    Attributes:
        kernel: Weight of each channel for each class, [512, K]; standardisation is folded into it.
        offset: What takes the mean cell of the training images to 0, [K].
        bias: Logit of an image of such cells, [K].
        temperature: Divisor of the logits, greater than 0.
    """

    kernel: Array
    offset: Array
    bias: Array
    temperature: float
    reads: ClassVar[str | None] = "block5_conv1"
    shuffled: ClassVar[dict[str, int]] = {"cell_kernel": 1}

    @classmethod
    def pool_scores(cls, scores: "keras.KerasTensor") -> "keras.KerasTensor":
        import keras

        _, height, width, _ = scores.shape
        return keras.ops.logsumexp(scores, axis=(1, 2)) - float(np.log(height * width))

    @classmethod
    def read(cls, head: "keras.Model", average: Array, temperature: float) -> Self:
        mean, deviation = read_standardisation(head)
        kernel, bias = read_weights(head)["logits"]
        folded = kernel / deviation[:, None]
        return cls(folded, -mean @ folded, bias, temperature)

    @property
    def classes(self) -> int:
        return self.bias.size

    def lines(self) -> Iterator[str]:
        """Compute `score` and `evidence`.

        A cell's share of the rise of the logit is its share of the rise of the mean exponential: DeepLIFT's rescale
        rule for the logarithm. Cells that say less than the mean cell of the training images count against the class.
        All exponents are lowered by the largest, so that none overflows.
        """
        yield f"rises = Conv ({_MAP}, cell_kernel, cell_offset)"
        yield "peak = ReduceMax <keepdims = 1> (rises, spatial)"
        yield "below_peak = Sub (rises, peak)"
        yield "power = Exp (below_peak)"
        yield "mean_power = ReduceMean <keepdims = 1> (power, spatial)"
        yield "log_power = Log (mean_power)"
        yield "rise = Add (log_power, peak)"
        yield "logit_rise = Squeeze (rise, spatial)"
        yield "logit = Add (logit_rise, cell_bias)"
        yield "score = Mul (logit, inverse_temperature)"
        yield "ceiling = Max (peak, nothing)"
        yield "below_ceiling = Sub (rises, ceiling)"
        yield "above_nothing = Exp (below_ceiling)"
        yield "minus_ceiling = Neg (ceiling)"
        yield "usual_power = Exp (minus_ceiling)"
        yield "gains = Sub (above_nothing, usual_power)"
        yield "gain = ReduceMean <keepdims = 1> (gains, spatial)"
        # The quotient of rise and gain, two numbers that reach 0 together; there it is 1 / usual_power.
        yield "gain_size = Abs (gain)"
        yield "smallest_gain = Mul (usual_power, nearly_none)"
        yield "is_nearly_none = Less (gain_size, smallest_gain)"
        yield "divided_by = Where (is_nearly_none, usual_power, gain)"
        yield "is_divided = Where (is_nearly_none, unit, rise)"
        yield "by_gain = Div (is_divided, divided_by)"
        yield "square_gains = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (gains)"
        yield "square_rises = Mul (square_gains, by_gain)"
        yield "evidence = Mul (square_rises, share_of_square)"

    def constants(self) -> Constants:
        constants = {
            "cell_kernel": self.kernel.T[:, :, None, None],
            "cell_offset": self.offset,
            "cell_bias": self.bias,
            "inverse_temperature": np.array(1 / self.temperature),
            "share_of_square": np.array(1 / (_EVIDENCE_CELLS * self.temperature)),
            "nothing": np.array(0.0),
            "unit": np.array(1.0),
            "nearly_none": np.array(_NEARLY_NONE),
        }
        return {name: array.astype(np.float32) for name, array in constants.items()}

    def average_scores(self) -> Array:
        return np.asarray(self.bias / self.temperature, dtype=np.float64)
