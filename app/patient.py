"""The answer about a patient whose slices are sent together, the same for the page and for programs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Request

from app.answers import Answer, display_name
from app.model import Model
from chest_cancer.network.patients import PatientReading, PatientRule, why_no_rule

FIELD = "one_patient"
_NO = ("", "0", "false")


@dataclass(frozen=True)
class PatientAnswer:
    """What the model says of a patient.

    Attributes:
        slices: Number of distinct pictures, which count.
        copies: Number of further pictures that are the same as one of these.
        declined: How many of the distinct ones have no answer of their own; they count as any other.
        positive_classes: The classes that it reads for, as the model calls them.
        reading: What the model's rule says; None where it has none.
        reason: Why there is no reading; None where there is one.
    """

    slices: int
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

    As in the test figures of patients, a picture that is there twice counts once.

    Args:
        answers: Those to all slices of the patient.
        model: The model that gave them.
    """
    predictions = list({one.slice.pixels.tobytes(): one.prediction for one in answers}.values())
    rule = PatientRule.of(model.manifest)
    stated = np.array([list(one.probabilities.values()) for one in predictions])
    return PatientAnswer(
        slices=len(predictions),
        copies=len(answers) - len(predictions),
        declined=sum(one.abstained for one in predictions),
        positive_classes=tuple(model.manifest.classes[number] for number in rule.positive) if rule else (),
        reading=rule.read(stated) if rule else None,
        reason=None if rule else why_no_rule(model.manifest),
    )


def patient_record(one: PatientAnswer) -> dict[str, Any]:
    """Write the answer about a patient for programs, as a JSON object."""
    said = one.reading._asdict() if one.reading else dict.fromkeys(PatientReading._fields)
    return {
        **{name: round(value, 6) if isinstance(value, float) else value for name, value in said.items()},
        "positive_classes": list(one.positive_classes),
        "slices": one.slices,
        "copies": one.copies,
        "declined": one.declined,
        "reason": one.reason,
    }
