"""How far images lie from others: what the classifier refuses by, and warns by.

The distance is Mahalanobis's (Lee et al., 2018, A simple unified framework for detecting out-of-distribution samples)
under a shrunk covariance (Ledoit and Wolf, 2004), between the square roots of spatial means, scaled to length 1, as
Arandjelović and Zisserman (2012, Three things everyone should know to improve object retrieval) compare histograms.
Without the scaling an image of low contrast, whose features are all small, is close to everything. Without the roots a
few strong channels hide the many weak ones, in which other scanners differ: `docs/results.md` has the figures, and
those of nearest neighbours and of the space of principal components (Wang et al., 2022, ViM).
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.model_selection import GroupKFold

from chest_cancer.network.embedding import EmbeddingSpace, directions, means_of

_FOLDS = 5


def fit_space(pooled: NDArray[np.float32]) -> EmbeddingSpace:
    """Describe where training images lie.

    Args:
        pooled: Spatial means and maxima of training images, [n, 1024]; n at least 2.

    Returns:
        Centre and whitening of their directions, scaled so that directions from this distribution have a mean square
        distance of 1.
    """
    unit = _directions(pooled)
    covariance, _ = ledoit_wolf(unit)
    channels = unit.shape[1]
    # Where all training images are one, any other is far away, yet not infinitely.
    precision = np.linalg.inv(covariance + np.finfo(np.float32).eps * np.eye(channels))
    whitening = np.linalg.cholesky(precision) / np.sqrt(channels)
    return EmbeddingSpace(unit.mean(axis=0).astype(np.float32), whitening.astype(np.float32))


def distances_from(space: EmbeddingSpace, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute what the classifier's graph gives as `distance`.

    Args:
        space: Where training images lie.
        pooled: Spatial means and maxima, [n, 1024].

    Returns:
        Distances, [n], at least 0.
    """
    distances: NDArray[np.float64] = np.linalg.norm((_directions(pooled) - space.centre) @ space.whitening, axis=1)
    return distances


def distances_from_others(pooled: NDArray[np.float32], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute how far each image lies from images of other groups.

    Args:
        pooled: Spatial means and maxima, [n, 1024].
        groups: Group of each image, [n]; at least two.

    Returns:
        Distances, [n], each from the space of about four fifths of the others.
    """
    distances = np.empty(len(pooled))
    folds = GroupKFold(min(_FOLDS, len(np.unique(groups))))
    for others, held_out in folds.split(pooled, groups=groups):
        distances[held_out] = distances_from(fit_space(pooled[others]), pooled[held_out])
    return distances


def _directions(pooled: NDArray[np.float32]) -> NDArray[np.float64]:
    """Square roots of spatial means, scaled to length 1."""
    return directions(np.sqrt(means_of(pooled.astype(np.float64))))
