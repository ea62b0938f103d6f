"""Held-out images and what a classifier said of them: metrics are measured on these."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.network.features import known_patients
from chest_cancer.network.manifest import Manifest
from chest_cancer.network.patients import PatientRule
from chest_cancer.network.predictions import positive_numbers, probability_columns
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.calibration import before_scaling, confidence_and_hits, equal_mass_bins
from chest_cancer.statistics.held_out_patients import HeldOutPatients, Mask, Numbers, Patients
from chest_cancer.statistics.intervals import mean_of, share
from chest_cancer.statistics.roc import area_of_classes, area_under_roc, placements
from chest_cancer.storage.figures import Figure

_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class HeldOut:
    """Held-out images, and what was fixed before anybody looked at them.

    Attributes:
        classes: Class names, in the order of the classifier.
        numbers: True class numbers, [n].
        chosen: Number of the class that the rule chooses, [n]; the answer where there is one.
        probabilities: Probability of each class, [n, K].
        groups: Group of each image, [n]; images of a group count as correlated draws of one.
        reasons: Why there is no answer, [n]; missing where there is one.
        warnings: Why an answer has no probability, [n]; missing where it has one, and where there is no answer.
        normal: Number of the class without disease, or None.
        positive: Numbers of the classes that sensitivity is about; None where nobody said.
        threshold: Probability of disease at and above which an image reads as diseased, or None.
        temperature: Temperature that calibrated the probabilities, or None.
        confidence: Confidence level of the intervals, 0..1.
        bootstrap: Draws of groups, for figures whose intervals have no formula.
        patients: Their patients; None where that of any image is unknown, or the classifier has no rule for patients.
    """

    classes: list[str]
    numbers: Numbers
    chosen: Numbers
    probabilities: NDArray[np.float64]
    groups: Numbers
    reasons: "pd.Series[Any]"
    warnings: "pd.Series[Any]"
    normal: int | None
    positive: tuple[int, ...] | None
    threshold: float | None
    temperature: float | None
    confidence: float
    bootstrap: GroupBootstrap
    patients: HeldOutPatients | None

    @classmethod
    def of(
        cls,
        predictions: pd.DataFrame,
        classes: list[str],
        normal_class: str | None,
        threshold: float | None,
        parameters: ModelEvaluationParameters,
        seed: int,
        temperature: float | None = None,
        positive_classes: Sequence[str] | None = None,
        patient_rule: PatientRule | None = None,
    ) -> Self:
        """Read a table of predictions.

        Args:
            predictions: A row per image: `label`, `predicted` (the class that the rule chooses), `group`, `reason` and
                `warning` (missing where there is none), a `probability_<class>` for each class and, where known,
                `patient`.
            classes: Class names, in the order of the classifier.
            normal_class: The class without disease, or None.
            threshold: Probability of disease at and above which an image reads as diseased, or None.
            parameters: The block `model_evaluation`.
            seed: Random seed for the bootstrap.
            temperature: Temperature that calibrated the probabilities, or None.
            positive_classes: What sensitivity is about; None for all but the normal class.
            patient_rule: How a patient's slices become one answer; without it nothing is known of patients.
        """
        groups = predictions["group"].to_numpy()
        numbers = predictions["label"].map(classes.index).to_numpy(dtype=np.int64)
        probabilities = predictions[probability_columns(classes)].to_numpy(dtype=np.float64)
        return cls(
            classes=classes,
            numbers=numbers,
            chosen=predictions["predicted"].map(classes.index).to_numpy(dtype=np.int64),
            probabilities=probabilities,
            groups=groups,
            reasons=predictions["reason"],
            warnings=predictions["warning"],
            normal=None if normal_class is None else classes.index(normal_class),
            positive=positive_numbers(classes, normal_class, positive_classes),
            threshold=threshold,
            temperature=temperature,
            confidence=parameters.confidence,
            bootstrap=GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed),
            patients=_patients(
                known_patients(predictions), numbers, groups, probabilities, patient_rule, parameters.confidence
            ),
        )

    @classmethod
    def served(
        cls, predictions: pd.DataFrame, manifest: Manifest, parameters: ModelEvaluationParameters, seed: int
    ) -> Self:
        """Read what a classifier said as it is served, by the rules of its manifest; other arguments as in `of`."""
        return cls.of(
            predictions,
            list(manifest.classes),
            manifest.normal_class,
            manifest.operating_point.threshold if manifest.operating_point else None,
            parameters,
            seed,
            manifest.temperature,
            manifest.positive_classes,
            PatientRule.of(manifest),
        )

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2

    @cached_property
    def disease(self) -> int:
        """Number of the class that counts as disease, as `disease_class` has it; for two classes only."""
        return self.positive[0] if self.positive else 1

    @property
    def answered(self) -> Mask:
        """Whether each image got an answer, [n]."""
        return np.asarray(self.reasons.isna())

    @property
    def hits(self) -> Mask:
        """Which images the rule sorts into their class, answered or not, [n]."""
        return np.asarray(self.chosen == self.numbers)

    @property
    def right(self) -> Mask:
        """Which images are answered rightly, [n]."""
        return np.asarray(self.answered & self.hits)

    @property
    def wrong(self) -> Mask:
        """Which images are answered wrongly, [n]."""
        return np.asarray(self.answered & ~self.hits)

    def answered_as(self, number: int) -> Mask:
        """Which images are answered as a class, [n]."""
        return np.asarray(self.answered & (self.chosen == number))

    def share(self, hits: Mask, among: Mask | None = None) -> Figure:
        """Measure a share of all images, or of some, with its interval (`intervals.share`)."""
        if among is None:
            return share(hits, self.groups, self.confidence)
        return share(hits[among], self.groups[among], self.confidence)

    def losses(self) -> NDArray[np.float64]:
        """Cross-entropy of each image, in nats, [n]."""
        rows = np.arange(len(self.numbers))
        of_truth = self.probabilities[rows, self.numbers] / self.probabilities.sum(axis=1)
        return np.asarray(-np.log(np.clip(of_truth, _SMALLEST, 1)))

    def squared_errors(self) -> NDArray[np.float64]:
        """Brier score of each image, [n]: 0..1 for two classes and 0..2 for more."""
        squares = (self.probabilities - np.eye(len(self.classes))[self.numbers]) ** 2
        return np.asarray(squares.sum(axis=1) / (2 if self.is_binary else 1))

    @property
    def largest_loss(self) -> float:
        """The largest loss that an image can have, in nats."""
        return float(-np.log(_SMALLEST))

    def calibration_error(self, probabilities: NDArray[np.float64]) -> Figure:
        """Measure how far confidence and hits are apart, over bins that hold equally many images."""
        confidence, hits = confidence_and_hits(self.numbers, probabilities)
        return self.bootstrap.calibration_error(hits - confidence, equal_mass_bins(confidence))

    def uncalibrated(self) -> NDArray[np.float64] | None:
        """Probabilities before calibration, [n, K]; None where no temperature is known."""
        return None if self.temperature is None else before_scaling(self.probabilities, self.temperature)

    @cached_property
    def areas(self) -> tuple[Figure, list[Figure]]:
        """Area under the ROC curve: of disease for two classes; for more, the mean over classes, and each class's."""
        if self.is_binary:
            diseased, scores = self._side(self.disease)
            return area_under_roc(diseased, placements(diseased, scores), self.groups, self.confidence), []
        placed = np.stack([placements(*self._side(k)) for k in range(len(self.classes))], axis=1)
        return area_of_classes(self.numbers, placed, self.groups, self.confidence)

    @cached_property
    def average_precisions(self) -> tuple[Figure, list[Figure]]:
        """Average precision: of disease for two classes; for more, the mean over classes, and each class's own."""
        if self.is_binary:
            return self.bootstrap.average_precision(*self._side(self.disease))[0], []
        measured = [self.bootstrap.average_precision(*self._side(k)) for k in range(len(self.classes))]
        figures, drawn = map(list, zip(*measured, strict=True))
        correlation = pd.DataFrame(np.stack(drawn, axis=1)).corr().to_numpy()
        return mean_of(figures, correlation, len(self.numbers)), figures

    def _side(self, k: int) -> tuple[Mask, NDArray[np.float64]]:
        return np.asarray(self.numbers == k), self.probabilities[:, k]


def _patients(
    patients: NDArray[np.str_] | None,
    numbers: Numbers,
    groups: Numbers,
    probabilities: NDArray[np.float64],
    rule: PatientRule | None,
    confidence: float,
) -> HeldOutPatients | None:
    if patients is None or rule is None:
        return None
    scores = rule.score_patients(probabilities, patients)
    known = Patients.of(patients, numbers, groups, rule.positive)
    return HeldOutPatients(known, scores, rule.reads_positive(scores), confidence)
