"""The answer about a patient whose slices are sent together, the same for the page and for programs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Request

from app.answers import Answer, display_name, record
from app.model import Model
from app.slices import UnreadableFile
from app.uploads import is_yes
from chest_cancer.network.patients import PatientReading, PatientRule, why_no_rule
from chest_cancer.network.studies import WITHOUT_LUNG

FIELD = "one_patient"


@dataclass(frozen=True)
class PatientAnswer:
    """What the model says of a patient.

    Attributes:
        slices: Number of distinct pictures that show lung, as far as one can tell: these count.
        without_lung: Number of others, which do not count.
        copies: Number of further pictures that are the same as one of these.
        declined: How many of the distinct ones have no answer of their own; they count as any other.
        unreadable: Number of files that can't be read, which do not count.
        positive_classes: The classes that it reads for, as the model calls them.
        reading: What the model's rule says; None where it has none.
        reason: Why there is no reading; None where there is one.
    """

    slices: int
    without_lung: int
    copies: int
    declined: int
    unreadable: int
    positive_classes: tuple[str, ...]
    reading: PatientReading | None
    reason: str | None

    @property
    def positive_name(self) -> str:
        """What people call the classes that it reads for."""
        return " or ".join(map(display_name, self.positive_classes))


def is_one_patient(request: Request) -> bool:
    """Whether a form says that its images are slices of one patient."""
    return is_yes(request.form.get(FIELD, ""))


def answer_patient(files: list[Answer | UnreadableFile], model: Model) -> PatientAnswer:
    """Read a patient by the model's rule.

    As in the test figures of patients, a picture that is there twice counts once, and a slice without lung does not.

    Args:
        files: All that were sent of the patient.
        model: The model that gave them.
    """
    answers = [one for one in files if isinstance(one, Answer)]
    distinct = list({one.slice.digest: one for one in answers}.values())
    predictions = [one.prediction for one in distinct if one.prediction]
    rule = PatientRule.of(model.manifest)
    reason = why_no_rule(model.manifest) if rule is None else None if predictions else WITHOUT_LUNG
    stated = np.array([list(one.probabilities.values()) for one in predictions])
    return PatientAnswer(
        slices=len(predictions),
        without_lung=len(distinct) - len(predictions),
        copies=len(answers) - len(distinct),
        declined=sum(one.abstained for one in predictions),
        unreadable=len(files) - len(answers),
        positive_classes=tuple(model.manifest.classes[number] for number in rule.positive) if rule else (),
        reading=rule.read(stated) if rule and predictions else None,
        reason=reason,
    )


def reading_record(reading: PatientReading | None) -> dict[str, Any]:
    """Write a reading for programs; each of its values is None where there is none."""
    said = reading._asdict() if reading else dict.fromkeys(PatientReading._fields)
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in said.items()}


def patient_record(one: PatientAnswer) -> dict[str, Any]:
    """Write the answer about a patient for programs, as a JSON object."""
    return {
        **reading_record(one.reading),
        "positive_classes": list(one.positive_classes),
        "slices": one.slices,
        "without_lung": one.without_lung,
        "copies": one.copies,
        "declined": one.declined,
        "unreadable": one.unreadable,
        "reason": one.reason,
    }


def records(
    files: list[Answer | UnreadableFile], patient: PatientAnswer | None, model: Model, request_id: str, explain: bool
) -> list[dict[str, Any]]:
    """Write what is answered to a request for programs.

    Args:
        files: A JSON object is written for each.
        patient: What every one of them says of the patient; None where that was not asked.
        model: The model that gave the answers.
        request_id: Id of the request.
        explain: Whether to add the evidence maps.
    """
    said = {"patient": patient_record(patient)} if patient else {}
    return [record(one, model, request_id, explain) | said for one in files]
