"""The answer about a patient whose slices are sent together, the same for the page and for programs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Request

from app.answers import Answer, display_name
from app.model import Model
from chest_cancer.network.patients import PatientReading, PatientRule, why_no_rule
from chest_cancer.network.studies import WITHOUT_LUNG

FIELD = "one_patient"
_NO = ("", "0", "false")


@dataclass(frozen=True)
class PatientAnswer:
    """What the model says of a patient.

    Attributes:
        slices: Number of distinct pictures that show lung, as far as one can tell: these count.
        without_lung: Number of others, which do not count.
        copies: Number of further pictures that are the same as one of these.
        declined: How many of the distinct ones have no answer of their own; they count as any other.
        positive_classes: The classes that it reads for, as the model calls them.
        reading: What the model's rule says; None where it has none.
        reason: Why there is no reading; None where there is one.
    """

    slices: int
    without_lung: int
    copies: int
    declined: int
    positive_classes: tuple[str, ...]
    reading: PatientReading | None
    reason: str | None

    @property
    def positive_name(self) -> str:
        """What people call the classes that it reads for."""
        return " or ".join(map(display_name, self.positive_classes))


def is_one_patient(request: Request) -> bool:
    """Whether a form says that its images are slices of one patient."""
    return request.form.get(FIELD, "") not in _NO


def answer_patient(answers: list[Answer], model: Model) -> PatientAnswer:
    """Read a patient by the model's rule.

    As in the test figures of patients, a picture that is there twice counts once, and a slice without lung does not.

    Args:
        answers: Those to all slices of the patient.
        model: The model that gave them.
    """
    distinct = list({one.slice.pixels.tobytes(): one for one in answers}.values())
    predictions = [one.prediction for one in distinct if one.prediction]
    rule = PatientRule.of(model.manifest)
    reason = why_no_rule(model.manifest) if rule is None else None if predictions else WITHOUT_LUNG
    stated = np.array([list(one.probabilities.values()) for one in predictions])
    return PatientAnswer(
        slices=len(predictions),
        without_lung=len(distinct) - len(predictions),
        copies=len(answers) - len(distinct),
        declined=sum(one.abstained for one in predictions),
        positive_classes=tuple(model.manifest.classes[number] for number in rule.positive) if rule else (),
        reading=rule.read(stated) if rule and predictions else None,
        reason=reason,
    )


def patient_record(one: PatientAnswer) -> dict[str, Any]:
    """Write the answer about a patient for programs, as a JSON object."""
    said = one.reading._asdict() if one.reading else dict.fromkeys(PatientReading._fields)
    return {
        **{name: round(value, 6) if isinstance(value, float) else value for name, value in said.items()},
        "positive_classes": list(one.positive_classes),
        "slices": one.slices,
        "without_lung": one.without_lung,
        "copies": one.copies,
        "declined": one.declined,
        "reason": one.reason,
    }
