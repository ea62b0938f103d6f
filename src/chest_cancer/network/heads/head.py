"""What a head is: trained in Keras, served in ONNX."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chest_cancer.parameters.blocks import ModelTrainingParameters

if TYPE_CHECKING:
    import keras

Array = NDArray[np.floating]
Constants = dict[str, NDArray[np.generic]]


class Standardisation(NamedTuple):
    """Mean and deviation that features are standardised by.

    Attributes:
        mean: Mean of each feature, [D].
        deviation: Standard deviation of each feature, [D], greater than 0.
    """

    mean: Array
    deviation: Array


class Training(NamedTuple):
    """What the layers below the last one may be made from.

    Attributes:
        features: Computes the standardised features of the training images, [n, ...].
        parameters: The block `model_training`.
        seed: Random seed for what is drawn.
    """

    features: Callable[[], Array]
    parameters: ModelTrainingParameters
    seed: int


class Head(ABC):
    """A trained head; its class also says how it is built in Keras, which is imported inside: a server has none.

    Attributes:
        temperature: Divisor of the logits, greater than 0.
        reads: The convolution whose input the head reads, cell by cell; None where it reads pooled features.
        shuffled: Constants with the weights of each feature, or landmark, and the axis that they lie along. Shuffled,
            they show how much of an evidence map depends on what was learned.
    """

    temperature: float
    reads: ClassVar[str | None]
    shuffled: ClassVar[dict[str, int]]

    @classmethod
    def build_hidden(cls, standardised: "keras.KerasTensor", training: Training) -> "keras.KerasTensor":
        """Build the Keras layers between the standardised features and the last, linear layer.

        Args:
            standardised: Pooled features, standardised, [N, 1024], or the map that the head reads, [N, h, w, C].
            training: What the layers are made from.

        Returns:
            The input of the last layer, [N, m] or [N, h, w, m]; what it was given, where a head has no such layers.
        """
        return standardised

    @classmethod
    def pool_scores(cls, scores: "keras.KerasTensor") -> "keras.KerasTensor":
        """Make the logits, [N, K], of what the last layer gives, [N, K] or [N, h, w, K]."""
        return scores

    @classmethod
    @abstractmethod
    def read(cls, head: "keras.Model", average: Array, temperature: float) -> Self:
        """Read the weights of a trained Keras head.

        Args:
            head: From features to logits; its layers are `standardise`, those of `build_hidden`, and `logits`.
            average: Mean pooled features of the training images, [1024].
            temperature: Divisor of the logits.
        """

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes, K."""

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """Write the head's ONNX nodes.

        They may use the outputs of all layers, `embedding` [N, 1024], the axes `one`, `two` and `spatial`, and `tiny`,
        which keeps a quotient of two zeros a number.

        Yields:
            Lines that compute `score` [N, K], the logits divided by the temperature. A `PooledHead` computes `slope`
            besides, a head that reads a map `evidence` [N, K, 7, 7], whose cells and `average_scores()` sum to the
            score.
        """

    @abstractmethod
    def average_scores(self) -> Array:
        """Compute the score of each class, [K], that evidence is counted from."""

    @abstractmethod
    def constants(self) -> Constants:
        """Return the constants that `lines` uses, by name."""


class PooledHead(Head):
    """A head that reads pooled features, the embedding.

    Its `lines` may also use the features of the average training image, `average` [1, 1024]. They compute `slope`
    [N, K, 1024], by which the score rises from the mean features to these, exactly:
    `score = average_scores() + slope (embedding - average)`. Where the head bends, that is the multiplier of DeepLIFT's
    rescale rule (Shrikumar et al., 2017, Learning important features through propagating activation differences), not
    the gradient.

    Attributes:
        average: Mean pooled features of the training images, [1024]: what evidence is counted from.
    """

    average: Array
    reads: ClassVar[str | None] = None


def read_standardisation(head: "keras.Model") -> Standardisation:
    """Read the standardisation of a trained Keras head."""
    layer = head.get_layer("standardise")
    return Standardisation(np.asarray(layer.mean).ravel(), np.sqrt(np.asarray(layer.variance)).ravel())


def read_weights(head: "keras.Model") -> dict[str, list[Any]]:
    """Read the weights of each layer of a trained Keras head, by its name."""
    return {layer.name: layer.get_weights() for layer in head.layers}
