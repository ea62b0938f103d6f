"""Whether confidence can be trusted: temperature, and bins of the reliability diagram."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from chest_cancer.statistics.intervals import share

BINS = 10
_SMALLEST_BIN = 10


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Fit the temperature that makes the labels most likely.

    Guo et al., 2017, On calibration of modern neural networks. The labels are softened as Platt (1999, Probabilistic
    outputs for support vector machines) does, by one more image of every class: otherwise a few images that are all
    classified correctly would call for certainty.

    Args:
        logits: Logits of each class, [n, K].
        labels: Class numbers, [n].

    Returns:
        Divisor of the logits, between 0.05 and 20.
    """
    classes = logits.shape[1]
    counts = np.bincount(labels, minlength=classes)[labels][:, None]
    targets = (counts * np.eye(classes)[labels] + 1) / (counts + classes)

    def loss(log_temperature: float) -> float:
        return float(-(targets * log_softmax(logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def scale_probabilities(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Scale probabilities by a temperature.

    Args:
        probabilities: [n, K].
        temperature: Divisor of their logarithms.

    Returns:
        Probabilities, [n, K].
    """
    return np.asarray(softmax(logarithms(probabilities) / temperature, axis=1))


def before_scaling(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Undo temperature scaling.

    Args:
        probabilities: Calibrated, [n, K].
        temperature: The divisor of the logits that calibrated them.

    Returns:
        Probabilities before calibration, [n, K].
    """
    return scale_probabilities(probabilities, 1 / temperature)


def logarithms(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take logarithms, finite ones of probabilities of 0 too: logits up to a constant."""
    return np.asarray(np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)))


def confidence_and_hits(
    numbers: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Find each image's highest probability, and whether it is the true class's.

    Args:
        numbers: True class numbers, [n].
        probabilities: Probability of each class, [n, K].

    Returns:
        Confidence, 1 / K to 1, and hits, both [n].
    """
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == numbers


def equal_mass_bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort images by confidence into bins that hold equally many.

    Nixon et al., 2019, Measuring calibration in deep learning: bins of equal width would leave most of them empty.

    Args:
        confidence: Confidence of each image, [n].

    Returns:
        Bin of each image, [n]: 10 bins, fewer where one would hold less than 10 images. Images with the same confidence
        share a bin.
    """
    count = min(BINS, max(1, len(confidence) // _SMALLEST_BIN))
    edges = np.quantile(confidence, np.arange(1, count) / count)
    return np.unique(np.searchsorted(edges, confidence), return_inverse=True)[1].astype(np.int64)


def reliability(
    numbers: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.int64],
    confidence_level: float,
) -> pd.DataFrame:
    """Compare confidence with what came true, bin by bin.

    Args:
        numbers: True class numbers, [n].
        probabilities: [n, K].
        groups: Group of each image, [n].
        confidence_level: Confidence level of the intervals, 0..1.

    Returns:
        A row per bin: mean `confidence`; share of hits as `value`, `low`, `high`; `n` images. The mean over images of
        the difference between confidence and value is the expected calibration error.
    """
    confidence, hits = confidence_and_hits(numbers, probabilities)
    bins = equal_mass_bins(confidence)
    members = [bins == number for number in range(int(bins.max()) + 1)]
    return pd.DataFrame(
        [
            {"confidence": confidence[inside].mean(), **share(hits[inside], groups[inside], confidence_level)}
            for inside in members
        ]
    )
