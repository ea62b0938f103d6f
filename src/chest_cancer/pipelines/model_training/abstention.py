"""When the classifier declines to answer: limits, set on validation data."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct, norm

from chest_cancer.network.manifest import Limits
from chest_cancer.parameters.blocks import AbstentionParameters

_CERTAINTY = 0.95
"""With which the distance limit keeps its promise, for slices like the validation ones."""


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
