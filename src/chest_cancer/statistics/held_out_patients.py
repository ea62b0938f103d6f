"""Patients of held-out images: what counts once where a patient has many slices.

A patient is positive where any slice's class is, whatever the others are; one with slices of several classes counts
once, as any other, and how many of these there are is a figure of its own. Intervals are over patients; those of one
group of near-duplicates count as correlated draws of one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.roc import area_under_roc, placements
from chest_cancer.storage.figures import Figure

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Patients:
    """Patients, in the order of `numpy.unique`.

    Attributes:
        positive: Whether any slice is of a positive class, [m].
        mixed: Whether slices are of several classes, [m].
        groups: Group of each patient, [m]; patients are joined into groups, so that all slices of one are in one.
    """

    positive: Mask
    mixed: Mask
    groups: Numbers

    @classmethod
    def of(
        cls, patients: Sequence[str] | NDArray[Any], numbers: Numbers, groups: Numbers, positive: Sequence[int]
    ) -> Self:
        """Gather slices by patient.

        Args:
            patients: Patient of each slice, [n].
            numbers: Class number of each slice, [n].
            groups: Group of each slice, [n].
            positive: Numbers of the positive classes.
        """
        members = np.unique(patients, return_inverse=True)[1]
        count = int(members.max()) + 1
        pairs = np.unique(np.stack([members, numbers]), axis=1)
        lowest = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(lowest, members, groups)
        return cls(
            positive=np.bincount(members, np.isin(numbers, list(positive)), count) > 0,
            mixed=np.bincount(pairs[0], minlength=count) > 1,
            groups=lowest,
        )

    def area(self, scores: NDArray[np.float64], confidence: float) -> Figure:
        """Measure the area under the ROC curve of scores, [m], with its interval (`roc.area_under_roc`)."""
        return area_under_roc(self.positive, placements(self.positive, scores), self.groups, confidence)


@dataclass(frozen=True)
class HeldOutPatients:
    """Held-out patients and what the artefact's rule said of them.

    Attributes:
        patients: Who they are.
        scores: Log-odds of each, [m].
        said: Whether each reads as positive, [m].
        confidence: Confidence level of the intervals, 0..1.
    """

    patients: Patients
    scores: NDArray[np.float64]
    said: Mask
    confidence: float

    def share(self, hits: Mask, among: Mask | None = None) -> Figure:
        """Measure a share of all patients, or of some, with its interval (`intervals.share`)."""
        groups = self.patients.groups
        if among is None:
            return share(hits, groups, self.confidence)
        return share(hits[among], groups[among], self.confidence)


PATIENT_METRICS: tuple[tuple[str, Callable[[HeldOutPatients], Figure]], ...] = (
    ("patient_accuracy", lambda h: h.share(h.said == h.patients.positive)),
    ("patient_sensitivity", lambda h: h.share(h.said, h.patients.positive)),
    ("patient_specificity", lambda h: h.share(~h.said, ~h.patients.positive)),
    ("patient_ppv", lambda h: h.share(h.patients.positive, h.said)),
    ("patient_npv", lambda h: h.share(~h.patients.positive, ~h.said)),
    ("patient_roc_auc", lambda h: h.patients.area(h.scores, h.confidence)),
    ("patient_mixed", lambda h: h.share(h.patients.mixed)),
)
"""Name and function of each figure of patients; `metrics.METRICS` takes them up."""
