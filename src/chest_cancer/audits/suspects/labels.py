"""Labels that may be wrong: those that a head, which never saw the image or its patient, speaks against."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.cross_validation import Numbers, Scores


def average_probabilities(scores: Scores) -> NDArray[np.float64]:
    """Average what was predicted out of fold over draws of the folds.

    Args:
        scores: [draws, n, K].

    Returns:
        Probabilities [n, K], each row summing to 1.
    """
    probabilities = scores.mean(axis=0)
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def find_wrong_labels(probabilities: NDArray[np.float64], numbers: Numbers) -> NDArray[np.bool_]:
    """Find labels that may be wrong, by confident learning.

    Northcutt, Jiang and Chuang, 2021, Confident learning: estimating uncertainty in dataset labels (Journal of
    Artificial Intelligence Research); as cleanlab computes it, which prunes each pair of classes by its rate of noise.

    Args:
        probabilities: Out of fold, [n, K], each row summing to 1.
        numbers: Class numbers 0 to K - 1, [n]; every class has an image.

    Returns:
        Whether each label may be wrong, [n].
    """
    # Here alone: a slow import.
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]  # cleanlab ships no types

    return np.asarray(find_label_issues(numbers, probabilities, n_jobs=1), dtype=bool)
