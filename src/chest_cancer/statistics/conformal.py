"""Conformal prediction: sets of classes that hold the true one as often as was promised."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.cross_validation import Numbers


def fit_limit(of_truth: NDArray[np.float64], groups: Numbers, coverage: float) -> float:
    """Find how improbable a class may be and still be in a set, by split conformal prediction.

    Angelopoulos and Bates, 2021, A gentle introduction to conformal prediction, section 1. Images of a group are no
    independent draws: each group weighs the same, shared by its images, and one more group, of which nothing is known,
    counts against the promise (Lee, Barber and Willett, 2023, Distribution-free inference with hierarchical data). So
    it holds for an image of a new group.

    Args:
        of_truth: Probability of the true class of each calibration image, 0..1, [n].
        groups: Group of each image, [n].
        coverage: Share of the sets that hold the true class, 0..1.

    Returns:
        The least probability of a class in a set; 0 where there are too few groups for the promise.
    """
    _, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(-of_truth, kind="stable")
    held = np.cumsum(1 / (sizes[members[order]] * (len(sizes) + 1)))
    enough = np.flatnonzero(held >= coverage - 1e-12)
    return float(of_truth[order[enough[0]]]) if len(enough) else 0.0
