"""What is fitted after training, on validation data only: the operating threshold, and what the fits come to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from chest_cancer.network.embedding import EmbeddingSpace
from chest_cancer.network.manifest import Limits, OperatingPoint, PatientPoint, Validation


class Calibration(NamedTuple):
    """What turns logits into answers.

    Attributes:
        temperature: Divisor of the logits.
        operating_point: When an image reads as diseased; None without a normal class.
        abstention: When no answer is given.
        space: Where training images lie.
        average: Mean pooled features of the training images, [1024].
        validation: How well all of this works on the images that it was fitted on.
        patient_rule: How a patient's slices become one answer; None where patients are not known.
    """

    temperature: float
    operating_point: OperatingPoint | None
    abstention: Limits
    space: EmbeddingSpace
    average: NDArray[np.float64]
    validation: Validation
    patient_rule: PatientPoint | None = None


def fit_threshold(scores: NDArray[np.float64], diseased: NDArray[np.bool_], target_sensitivity: float) -> float:
    """Find the threshold at which enough of the diseased, and as few as possible of the others, score at least as much.

    Of thresholds that let through the same of the others it is the lowest: a higher one would give up diseased images
    for nothing where the two are told apart well.

    Args:
        scores: Probability of disease, 0..1, or another score that is higher for the diseased, [n].
        diseased: [n], of both kinds.
        target_sensitivity: Share of the diseased that must reach the threshold, 0..1.

    Returns:
        The threshold: a score at or above it reads as disease.
    """
    false_alarms, sensitivities, thresholds = roc_curve(diseased, scores, drop_intermediate=False)
    enough = np.argmax(sensitivities >= target_sensitivity)
    lowest = np.flatnonzero(false_alarms <= false_alarms[enough])[-1]
    return float(thresholds[lowest])
