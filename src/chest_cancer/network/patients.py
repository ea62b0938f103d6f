"""From a patient's slices to one answer: the one rule of training, evaluation, the web and batches.

Which rule it is was chosen on validation patients and is part of the artefact, by what the manifest says. Needs nothing
but NumPy and the manifest.

Scores are log-odds, so that many slices do not all end at a probability of 1, where they could not be told apart. A
slice that is declined counts as any other: a patient's score is what all slices say together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chest_cancer.network.manifest import Manifest, PatientRuleName
from chest_cancer.network.predictions import positive_numbers

TOP = 3
"""Slices that `top-k mean` looks at."""
_SMALLEST = 1e-6
"""Probabilities count as at least this, and at most 1 less this: float32 knows no finer steps near 1."""


def mean_log_odds(probabilities: NDArray[np.float64]) -> float:
    """Average the slices' log-odds: the logarithmic opinion pool (Genest and Zidek, 1986, Combining distributions).

    Args:
        probabilities: Probability of each slice, 0..1, [n], n > 0.

    Returns:
        Log-odds.
    """
    clipped = _clipped(probabilities)
    return float(np.mean(np.log(clipped) - np.log1p(-clipped)))


def top_mean(probabilities: NDArray[np.float64], k: int = TOP) -> float:
    """Average the largest probabilities: a tumour shows in some slices only.

    Args:
        probabilities: Probability of each slice, 0..1, [n], n > 0.
        k: How many slices are averaged; all of them where there are fewer.

    Returns:
        Log-odds of the average.
    """
    mean = np.mean(_clipped(probabilities)[-k:])
    return float(np.log(mean) - np.log1p(-mean))


def noisy_or(probabilities: NDArray[np.float64]) -> float:
    """Compute the chance that any slice is positive, were they independent of each other.

    Pearl, 1988, Probabilistic reasoning in intelligent systems, section 4.3.2; for bags of instances Maron and
    Lozano-Pérez, 1998, A framework for multiple-instance learning.

    Args:
        probabilities: Probability of each slice, 0..1, [n], n > 0.

    Returns:
        Log-odds of the chance.
    """
    none = np.sum(np.log1p(-_clipped(probabilities)))  # the logarithm of the chance that no slice is
    return float(np.log(-np.expm1(none)) - none)


RULES: Mapping[PatientRuleName, Callable[[NDArray[np.float64], int], float]] = MappingProxyType(
    {
        "mean log-odds": lambda probabilities, _: mean_log_odds(probabilities),
        "top-k mean": top_mean,
        "noisy-or": lambda probabilities, _: noisy_or(probabilities),
    }
)
"""The rules by name; of equally good ones the first is chosen."""


def score_patients(
    name: PatientRuleName, probabilities: NDArray[np.float64], patients: Sequence[str] | NDArray[Any], k: int = TOP
) -> NDArray[np.float64]:
    """Score every patient by one of the rules.

    Args:
        name: Which rule.
        probabilities: Probability of each slice to be positive, 0..1, [n].
        patients: Patient of each slice, [n].
        k: How many slices `top-k mean` looks at.

    Returns:
        Log-odds of each patient, [m], in the order of `numpy.unique`.
    """
    _, members, counts = np.unique(patients, return_inverse=True, return_counts=True)
    by_patient = probabilities[np.argsort(members, kind="stable")]
    parts = np.split(by_patient, np.cumsum(counts))[:-1]  # behind the last one nothing is left
    return np.array([RULES[name](slices, k) for slices in parts], dtype=np.float64)


class PatientReading(NamedTuple):
    """What a rule says of one patient.

    Attributes:
        rule: Which of `RULES`.
        score: Log-odds.
        threshold: Log-odds from which on a patient reads as positive.
        probability: The score by `as_probability`: it has the form of one, and is not calibrated as one.
        reads_positive: Whether the score reaches the threshold.
    """

    rule: PatientRuleName
    score: float
    threshold: float
    probability: float
    reads_positive: bool


@dataclass(frozen=True)
class PatientRule:
    """How a patient's slices become one score, and from which score on a patient reads as positive.

    Attributes:
        name: Which of `RULES`.
        positive: Numbers of the classes that are positive.
        threshold: Log-odds from which on a patient reads as positive.
        k: How many slices `top-k mean` looks at.
    """

    name: PatientRuleName
    positive: tuple[int, ...]
    threshold: float
    k: int = TOP

    @classmethod
    def of(cls, manifest: Manifest) -> Self | None:
        """Read the rule of a classifier from its manifest; None where its patients were not known."""
        point = manifest.patient_rule
        positive = positive_numbers(manifest.classes, manifest.normal_class, manifest.positive_classes)
        return None if point is None or positive is None else cls(point.rule, positive, point.threshold, point.k)

    def read(self, probabilities: NDArray[np.float64]) -> PatientReading:
        """Read one patient.

        Args:
            probabilities: Of each class, of each distinct slice of the patient, calibrated, each row summing to 1,
                [n, K], n > 0, in any order.
        """
        score = RULES[self.name](probability_of(probabilities, self.positive), self.k)
        positive = self.reads_positive(np.array(score)).item()
        return PatientReading(self.name, score, self.threshold, as_probability(score), positive)

    def score_patients(
        self, probabilities: NDArray[np.float64], patients: Sequence[str] | NDArray[Any]
    ) -> NDArray[np.float64]:
        """Score every patient.

        Args:
            probabilities: Calibrated, of each class, each row summing to 1, [n, K].
            patients: Patient of each slice, [n].

        Returns:
            Log-odds of each patient, [m], in the order of `numpy.unique`.
        """
        return score_patients(self.name, probability_of(probabilities, self.positive), patients, self.k)

    def reads_positive(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which patients read as positive, [m], by their scores, [m]."""
        return np.asarray(scores >= self.threshold)


def as_probability(log_odds: float) -> float:
    """Turn log-odds into a probability, 0..1, by the logistic function."""
    return 1 / (1 + math.exp(-log_odds))


def why_no_rule(manifest: Manifest) -> str:
    """Say in words why a classifier has no rule for patients."""
    if positive_numbers(manifest.classes, manifest.normal_class, manifest.positive_classes) is None:
        return "the classifier has no rule for patients: training did not say which classes are positive"
    if manifest.data.patients is None:
        return "the classifier has no rule for patients: its patients were not known in training"
    return "the classifier has no rule for patients: its validation patients were all of one kind"


def probability_of(probabilities: NDArray[np.float64], positive: Sequence[int]) -> NDArray[np.float64]:
    """Compute how probable the positive classes are together.

    Args:
        probabilities: Of each class, each row summing to 1, [n, K].
        positive: Numbers of the positive classes.

    Returns:
        0..1, [n].
    """
    return np.asarray(probabilities[:, list(positive)].sum(axis=1))


def _clipped(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities in rising order, so that no sum depends on the order of slices, away from 0 and 1."""
    return np.clip(np.sort(np.asarray(probabilities, dtype=np.float64)), _SMALLEST, 1 - _SMALLEST)
