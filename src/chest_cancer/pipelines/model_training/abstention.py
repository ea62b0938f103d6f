"""When the classifier declines to answer, or says no probability: limits of distance and probability."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct, norm

from chest_cancer.network.manifest import Limits
from chest_cancer.parameters.blocks import AbstentionParameters

_CERTAINTY = 0.95
"""With which the distance limit keeps its promise, for slices like the validation ones."""


def fit_limits(
    distances: NDArray[np.float64],
    usual_distances: NDArray[np.float64],
    confidences: NDArray[np.float64],
    parameters: AbstentionParameters,
) -> Limits:
    """Set all limits on images that the classifier was made from.

    The distance limit is an upper tolerance bound of log-normal distances (Hahn and Meeker, 1991, Statistical
    intervals), which is the higher the fewer the validation images, times a margin. The usual distance is a quantile
    of distances from others: it assumes nothing of their distribution, and rests on training images too, for a bound
    on few images would lie beyond other scanners. The confidence limit is Chow's (1970, On optimum recognition error
    and reject tradeoff): calibrated, the answer's probability is the chance that it is right. It is lowered where it
    would leave too many validation images without an answer.

    Args:
        distances: Distances of the validation images, [n], greater than 0; n at least 2.
        usual_distances: What `distances_from_others` gives for training and validation images, [m].
        confidences: Calibrated probabilities of the validation images' answers, [n].
        parameters: The block `model_training.abstention`.

    Returns:
        The limits and what they do to the validation images.
    """
    logarithms, count = np.log(distances), len(distances)
    noncentrality = norm.isf(parameters.max_false_refusal) * np.sqrt(count)
    factor = nct.ppf(_CERTAINTY, count - 1, noncentrality) / np.sqrt(count)
    distance_limit = float(parameters.distance_margin * np.exp(logarithms.mean() + factor * logarithms.std(ddof=1)))
    usual = float(np.quantile(usual_distances, 1 - parameters.max_unusual, method="higher"))
    usual_distance = min(usual, distance_limit)
    allowed = np.quantile(confidences, parameters.max_unsure, method="lower")
    confidence_limit = min(parameters.min_confidence, float(allowed))
    return Limits(
        distance_limit=distance_limit,
        usual_distance=usual_distance,
        confidence_limit=confidence_limit,
        validation_images=count,
        validation_refused=float((distances > distance_limit).mean()),
        validation_unusual=float((distances > usual_distance).mean()),
        validation_unsure=float((confidences < confidence_limit).mean()),
    )
