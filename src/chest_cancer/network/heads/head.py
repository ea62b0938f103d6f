"""What a head is: trained in Keras, served in ONNX, and fitted quickly in scikit-learn."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chest_cancer.parameters.blocks import KernelParameters, ModelTrainingParameters

if TYPE_CHECKING:
    import keras
    from sklearn.base import ClassifierMixin

Array = NDArray[np.floating]
Constants = dict[str, NDArray[np.generic]]


class Standardisation(NamedTuple):
    """Mean and deviation that pooled features are standardised by.

    Attributes:
        mean: Mean of each feature, [1024].
        deviation: Standard deviation of each feature, [1024], greater than 0.
    """

    mean: Array
    deviation: Array


class Head(ABC):
    """A trained head; its class also says how it is built in Keras, and what stands in for it in cross-validation.

    Keras and scikit-learn are imported inside the methods: a server has neither.

    Attributes:
        average: Mean pooled features of the training images, [1024]: what evidence is counted from.
        temperature: Divisor of the logits, greater than 0.
        shuffled: Constants with the weights of each feature, or landmark, and the axis that they lie along. Shuffled,
            they show how much of an evidence map depends on what was learned.
    """

    average: Array
    temperature: float
    shuffled: ClassVar[dict[str, int]]

    @classmethod
    @abstractmethod
    def build_hidden(
        cls, standardised: "keras.KerasTensor", training: Array, parameters: ModelTrainingParameters, seed: int
    ) -> "keras.KerasTensor":
        """Build the Keras layers between the standardised features and the last, linear layer.

        Args:
            standardised: Pooled features, standardised, [N, 1024].
            training: Standardised features of the training images, [n, 1024].
            parameters: The block `model_training`.
            seed: Random seed for what is drawn.

        Returns:
            The input of the last layer, [N, m].
        """

    @classmethod
    @abstractmethod
    def read(cls, head: "keras.Model", average: Array, temperature: float) -> Self:
        """Read the weights of a trained Keras head.

        Args:
            head: From pooled features to logits; its layers are `standardise`, those of `build_hidden`, and `logits`.
            average: Mean pooled features of the training images, [1024].
            temperature: Divisor of the logits.
        """

    @classmethod
    @abstractmethod
    def quick(cls, kernel: KernelParameters | None, seed: int) -> "ClassifierMixin":
        """Build what stands in for this head where one is fitted many times.

        Args:
            kernel: What the head was trained with, where it has a kernel.
            seed: Random seed for what is drawn.

        Returns:
            A scikit-learn classifier of embeddings [n, 1024], not fitted yet.
        """

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes, K."""

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """Write the head's ONNX nodes.

        They may use `embedding` [N, 1024], those of the average training image `average` [1, 1024], the axes `one` and
        `two`, and `tiny`, which keeps a quotient of two zeros a number.

        Yields:
            Lines that compute `score` [N, K], the logits divided by the temperature, and `slope` [N, K, 1024], by which
            the score rises from the mean features to these: `score = average_scores() + slope (embedding - average)`,
            exactly. Where the head bends, that is the multiplier of DeepLIFT's rescale rule (Shrikumar et al., 2017,
            Learning important features through propagating activation differences), not the gradient.
        """

    @abstractmethod
    def average_scores(self) -> Array:
        """Compute the score of each class for `average`, [K]."""

    @abstractmethod
    def constants(self) -> Constants:
        """Return the constants that `lines` uses, by name."""


def read_standardisation(head: "keras.Model") -> Standardisation:
    """Read the standardisation of a trained Keras head."""
    layer = head.get_layer("standardise")
    return Standardisation(np.asarray(layer.mean).ravel(), np.sqrt(np.asarray(layer.variance)).ravel())


def read_weights(head: "keras.Model") -> dict[str, list[Any]]:
    """Read the weights of each layer of a trained Keras head, by its name."""
    return {layer.name: layer.get_weights() for layer in head.layers}
