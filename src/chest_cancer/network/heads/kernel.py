"""The head that compares an image with training images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from chest_cancer.network.heads.head import Array, Constants, Head, read_standardisation, read_weights
from chest_cancer.parameters.blocks import KernelParameters, ModelTrainingParameters

if TYPE_CHECKING:
    import keras
    from sklearn.base import ClassifierMixin


@dataclass(frozen=True)
class KernelHead(Head):
    """A head that compares an image's pooled features with those of landmarks, by a Gaussian kernel.

    A linear head on such features is a kernel machine (Williams and Seeger, 2001, Using the Nyström method to speed up
    kernel machines), exact where every training image is a landmark.

    Attributes:
        mean, deviation: Mean and standard deviation of the pooled features, [1024] each, which landmarks and images are
            standardised by.
        landmarks: Standardised features of training images, [m, 1024].
        width: The kernel is exp(-width |x - landmark|^2); greater than 0.
        weights: Weight of each landmark for each class, [m, K].
        bias: Bias of each class, [K].
        temperature: Divisor of the logits, greater than 0.
    """

    mean: Array
    deviation: Array
    landmarks: Array
    width: float
    weights: Array
    bias: Array
    temperature: float
    shuffled: ClassVar[dict[str, int]] = {"landmark_weights": 0, "landmark_weights_transposed": 1}

    @classmethod
    def build_hidden(
        cls, standardised: "keras.KerasTensor", training: Array, parameters: ModelTrainingParameters, seed: int
    ) -> "keras.KerasTensor":
        import keras
        from sklearn.kernel_approximation import Nystroem

        count, size = training.shape
        width = parameters.kernel.width / size
        nystroem = Nystroem(gamma=width, n_components=min(count, parameters.kernel.landmarks), random_state=seed)
        nystroem.fit(training.astype(np.float64))
        landmarks = nystroem.components_
        cross = keras.layers.Dense(len(landmarks), trainable=False, name="landmarks")
        square = keras.layers.Rescaling(-width, name="square")(keras.layers.Dot(axes=1)([standardised, standardised]))
        similarity = keras.layers.Activation("exponential")(keras.layers.Add()([cross(standardised), square]))
        whiten = keras.layers.Dense(len(landmarks), use_bias=False, trainable=False, name="whiten")
        features = whiten(similarity)
        cross.set_weights([2 * width * landmarks.T, -width * (landmarks**2).sum(axis=1)])
        # Scaled to the length of standardised features, so that one learning rate and one penalty suit all heads.
        whiten.set_weights([nystroem.normalization_.T * np.sqrt(size)])
        return features

    @classmethod
    def read(cls, head: "keras.Model", temperature: float) -> Self:
        (mean, deviation), named = read_standardisation(head), read_weights(head)
        width = -head.get_layer("square").scale
        (twice_transposed, _), (whitening,), (weights, bias) = (named[n] for n in ("landmarks", "whiten", "logits"))
        return cls(mean, deviation, twice_transposed.T / (2 * width), width, whitening @ weights, bias, temperature)

    @classmethod
    def quick(cls, kernel: KernelParameters | None, seed: int) -> "ClassifierMixin":
        from chest_cancer.network.heads.logistic import quick_kernel_head

        if kernel is None:
            raise ValueError(
                "Invalid value for `kernel`: expected width and landmarks of a kernel head. Received: None"
            )
        return quick_kernel_head(kernel.width, kernel.landmarks, seed)

    @property
    def classes(self) -> int:
        return self.bias.size

    def lines(self) -> Iterator[str]:
        # |x - l|^2 is written out as |x|^2 - 2 x l + |l|^2.
        yield "from_mean = Sub (embedding, pooled_mean)"
        yield "standardised = Mul (from_mean, pooled_scale)"
        yield "square = ReduceSumSquare <keepdims = 1> (standardised, one)"
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

    def constants(self) -> Constants:
        weights, twice = self.weights / self.temperature, 2 * self.width * self.landmarks
        constants = {
            "pooled_mean": self.mean,
            "pooled_scale": 1 / self.deviation,
            "width": np.array(self.width),
            "width_twice": np.array(2 * self.width),
            "landmarks_transposed": twice.T,
            "landmarks_twice": twice,
            "landmark_squares": -self.width * (self.landmarks**2).sum(axis=1),
            "landmark_weights": weights,
            "landmark_weights_transposed": weights.T,
            "landmark_bias": self.bias / self.temperature,
        }
        return {name: array.astype(np.float32) for name, array in constants.items()}
