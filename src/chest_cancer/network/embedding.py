"""The embedding: spatial means of the last map's channels, then their maxima."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CHANNELS = 512
"""Of VGG16's last map."""
SIZE = 2 * CHANNELS

Float = TypeVar("Float", bound=np.floating)


@dataclass(frozen=True)
class EmbeddingSpace:
    """Where training images lie: centre and spread of the roots of their spatial means, scaled to length 1.

    Attributes:
        centre: [512].
        whitening: [512, 512]; sends a difference from the centre to one whose length is the distance.
    """

    centre: NDArray[np.float32]
    whitening: NDArray[np.float32]


def means_of(embeddings: NDArray[Float]) -> NDArray[Float]:
    """Take the spatial means, [n, 512], out of embeddings, [n, 1024]."""
    means, _ = np.split(embeddings, 2, axis=1)
    return np.asarray(means)


def by_kind(features: NDArray[Float]) -> NDArray[Float]:
    """Arrange a number for each feature, [1024], in two rows, [2, 512]: means, then maxima."""
    return features.reshape(2, -1)


def draw_order(generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw a random order of the features, [1024]: means change places with means, maxima with maxima."""
    return np.concatenate([generator.permutation(CHANNELS), CHANNELS + generator.permutation(CHANNELS)])


def directions(vectors: NDArray[Float]) -> NDArray[Float]:
    """Scale vectors, [n, D], to length 1, in their own precision; a vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))
