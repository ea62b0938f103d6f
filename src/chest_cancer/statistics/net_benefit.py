"""Net benefit: what decisions by a threshold are worth, in true positives."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.comparison import Weights

Mask = NDArray[np.bool_]


def net_benefits(
    positive: Mask, scores: NDArray[np.float64], thresholds: NDArray[np.float64], weights: Weights
) -> NDArray[np.float64]:
    """Compute the net benefit of treating whoever reaches a threshold.

    Vickers and Elkin, 2006, Decision curve analysis: a novel method for evaluating prediction models. Whoever would
    treat at a probability t counts one false positive as t / (1 - t) of a true one.

    Args:
        positive: Whether each image is positive, [n].
        scores: Probability of that, 0..1, [n]; ones for treating all.
        thresholds: [t], above 0 and below 1.
        weights: How often each image is in each draw, [draws, n] (`GroupBootstrap.weights`).

    Returns:
        Of each draw and threshold, true positives less weighed false ones, as a share of all images, [draws, t].
    """
    harm = thresholds / (1 - thresholds)
    treated = scores[:, None] >= thresholds
    worth = treated * np.where(positive[:, None], 1.0, -harm)
    return np.asarray(weights @ worth / weights.sum(axis=1, keepdims=True))
