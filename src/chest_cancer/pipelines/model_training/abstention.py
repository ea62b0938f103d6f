"""When the classifier declines to answer: a distance from the training images, and limits set on validation data.

The distance is Mahalanobis's (Lee et al., 2018, A simple unified framework for detecting out-of-distribution samples)
between spatial means scaled to length 1 (as Sun et al., 2022, Out-of-distribution detection with deep nearest
neighbors, scale them) under a shrunk covariance (Ledoit and Wolf, 2004). On real chest CT and on phantoms, over grouped
splits, it put every foreign image beyond every held-out slice, with a wider gap than the distance to the fifth nearest
training image and than that to the space of principal components (Wang et al., 2022, ViM). Without the scaling all of
these failed: an image of low contrast has short feature vectors, which are close to everything.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct, norm
from sklearn.covariance import ledoit_wolf

from chest_cancer.network.embedding import directions, means_of
from chest_cancer.network.graph import EmbeddingSpace
from chest_cancer.network.manifest import Limits
from chest_cancer.parameters.blocks import AbstentionParameters

_CERTAINTY = 0.95
"""With which the distance limit keeps its promise, for slices like the validation ones."""


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


def fit_limits(
    distances: NDArray[np.float64], confidences: NDArray[np.float64], parameters: AbstentionParameters
) -> Limits:
    """Set both limits on validation images.

    The distance limit is an upper tolerance bound of log-normal distances (Hahn and Meeker, 1991, Statistical
    intervals), which is the higher the fewer the validation images, times a margin. The confidence limit is Chow's
    (1970, On optimum recognition error and reject tradeoff): calibrated, the answer's probability is the chance that
    it is right. It is lowered where it would leave too many validation images without an answer.

    Args:
        distances: Distances of the validation images, [n], greater than 0; n at least 2.
        confidences: Calibrated probabilities of their answers, [n].
        parameters: The block `model_training.abstention`.

    Returns:
        The limits and what they do to the validation images.
    """
    logarithms, count = np.log(distances), len(distances)
    noncentrality = norm.isf(parameters.max_false_refusal) * np.sqrt(count)
    factor = nct.ppf(_CERTAINTY, count - 1, noncentrality) / np.sqrt(count)
    distance_limit = float(parameters.distance_margin * np.exp(logarithms.mean() + factor * logarithms.std(ddof=1)))
    allowed = np.quantile(confidences, parameters.max_unsure, method="lower")
    confidence_limit = min(parameters.min_confidence, float(allowed))
    return Limits(
        distance_limit=distance_limit,
        confidence_limit=confidence_limit,
        validation_images=count,
        validation_refused=float((distances > distance_limit).mean()),
        validation_unsure=float((confidences < confidence_limit).mean()),
    )


def _directions(pooled: NDArray[np.float32]) -> NDArray[np.float64]:
    """Spatial means, scaled to length 1."""
    return directions(means_of(pooled.astype(np.float64)))
