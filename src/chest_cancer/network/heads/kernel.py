"""The head that compares an image with training images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from chest_cancer.network.heads.head import Array, Constants, PooledHead, Training, read_standardisation, read_weights

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KernelHead(PooledHead):
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
        average: Mean pooled features of the training images, [1024].
        temperature: Divisor of the logits, greater than 0.
    """

    mean: Array
    deviation: Array
    landmarks: Array
    width: float
    weights: Array
    bias: Array
    average: Array
    temperature: float
    shuffled: ClassVar[dict[str, int]] = {"landmark_weights": 0, "landmark_weights_transposed": 1}

    @classmethod
    def build_hidden(cls, standardised: "keras.KerasTensor", training: Training) -> "keras.KerasTensor":
        import keras
        from sklearn.kernel_approximation import Nystroem

        known, kernel = training.features(), training.parameters.kernel
        count, size = known.shape
        width = kernel.width / size
        nystroem = Nystroem(gamma=width, n_components=min(count, kernel.landmarks), random_state=training.seed)
        nystroem.fit(known.astype(np.float64))
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
    def read(cls, head: "keras.Model", average: Array, temperature: float) -> Self:
        (mean, deviation), named = read_standardisation(head), read_weights(head)
        width = -head.get_layer("square").scale
        (twice_transposed, _), (whitening,), (weights, bias) = (named[n] for n in ("landmarks", "whiten", "logits"))
        landmarks = twice_transposed.T / (2 * width)
        return cls(mean, deviation, landmarks, width, whitening @ weights, bias, average, temperature)

    @property
    def classes(self) -> int:
        return self.bias.size

    def lines(self) -> Iterator[str]:
        yield from self._compare("embedding", "")
        yield from self._compare("average", "average_")
        yield "score = Gemm (similarity, landmark_weights, landmark_bias)"
        # How fast exp rises on the way: (exp a - exp b) / (a - b) = (exp a + exp b) tanh((a - b) / 2) / (a - b), in
        # which nothing cancels.
        yield "rise = Sub (exponent, average_exponent)"
        yield "both = Add (similarity, average_similarity)"
        yield "half_rise = Mul (rise, half)"
        yield "some_rise = Add (half_rise, tiny)"
        yield "bent = Tanh (some_rise)"
        yield "bend = Div (bent, some_rise)"
        yield "twice_steepness = Mul (both, bend)"
        yield "steepness = Mul (twice_steepness, half)"
        yield "steepness_row = Unsqueeze (steepness, one)"
        yield "votes = Mul (steepness_row, landmark_weights_transposed)"
        yield "towards = MatMul (votes, landmarks_twice)"
        yield "total = ReduceSum <keepdims = 1> (votes, two)"
        yield "total_width = Mul (total, width)"
        yield "twice_midway = Add (standardised, average_standardised)"
        yield "midway_row = Unsqueeze (twice_midway, one)"
        yield "away = Mul (total_width, midway_row)"
        yield "by_standardised = Sub (towards, away)"
        yield "slope = Mul (by_standardised, pooled_scale)"

    def constants(self) -> Constants:
        weights, twice = self.weights / self.temperature, 2 * self.width * self.landmarks
        constants = {
            "pooled_mean": self.mean,
            "pooled_scale": 1 / self.deviation,
            "width": np.array(self.width),
            "half": np.array(0.5),
            "landmarks_transposed": twice.T,
            "landmarks_twice": twice,
            "landmark_squares": -self.width * (self.landmarks**2).sum(axis=1),
            "landmark_weights": weights,
            "landmark_weights_transposed": weights.T,
            "landmark_bias": self.bias / self.temperature,
        }
        return {name: array.astype(np.float32) for name, array in constants.items()}

    def average_scores(self) -> Array:
        standardised = (self.average.astype(np.float64) - self.mean) / self.deviation
        similarity = np.exp(-self.width * ((standardised - self.landmarks) ** 2).sum(axis=1))
        return np.asarray((similarity @ self.weights + self.bias) / self.temperature)

    @staticmethod
    def _compare(features: str, prefix: str) -> Iterator[str]:
        """Compare features with the landmarks; |x - l|^2 is written out as |x|^2 - 2 x l + |l|^2."""
        yield f"{prefix}from_mean = Sub ({features}, pooled_mean)"
        yield f"{prefix}standardised = Mul ({prefix}from_mean, pooled_scale)"
        yield f"{prefix}square = ReduceSumSquare <keepdims = 1> ({prefix}standardised, one)"
        yield f"{prefix}square_part = Mul ({prefix}square, width)"
        yield f"{prefix}landmark_part = Gemm ({prefix}standardised, landmarks_transposed, landmark_squares)"
        yield f"{prefix}exponent = Sub ({prefix}landmark_part, {prefix}square_part)"
        yield f"{prefix}similarity = Exp ({prefix}exponent)"
