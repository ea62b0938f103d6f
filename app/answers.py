"""Answers about slices, the same for the page and for programs."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from app import metrics
from app.capacity import Capacity
from app.evidence import Evidence, pixels_url
from app.model import Model, model_record
from app.slices import Slice, UnreadableFile
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.network.answers import NOT_SURE
from chest_cancer.network.classifier import Prediction
from chest_cancer.network.explanation import explain
from chest_cancer.network.studies import reason_of_chest

_THUMBNAIL_SIDE = 96


@dataclass(frozen=True)
class Answer:
    """A slice and what the model says of it.

    Attributes:
        slice: What was asked about.
        prediction: What the model says; None of a slice without lung, about which it is not asked.
        evidence: For the class that the model chooses, whether it answers or not; None where it is not asked.
    """

    slice: Slice
    prediction: Prediction | None
    evidence: Evidence | None

    @property
    def reason(self) -> str | None:
        """Why there is no answer; None where there is one."""
        return NO_LUNG if self.prediction is None else self.prediction.reason

    @property
    def name(self) -> str:
        """What people call the answer; an abstention is shown as what it is, never as a class."""
        if self.reason is not None:
            return self.reason[:1].upper() + self.reason[1:]
        return self.leaning

    @property
    def leaning(self) -> str:
        """What people call the class that the model chooses, whether it answers or not; empty where it is not asked."""
        return display_name(self.prediction.leaning) if self.prediction else ""

    @property
    def unsure(self) -> bool:
        """Whether the model gives no answer because none is probable enough."""
        return self.reason == NOT_SURE

    @property
    def filename(self) -> str | None:
        """What the client calls the file."""
        return self.slice.filename

    @property
    def picture_url(self) -> str:
        """The slice as the decoder sees it, as a data URL."""
        return pixels_url(self.slice.shown)

    @property
    def thumbnail_url(self) -> str:
        """The same, small, for a list of many."""
        picture = Image.fromarray(self.slice.shown)
        picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        return pixels_url(np.asarray(picture))


def answer(files: list[Slice | UnreadableFile], model: Model, capacity: Capacity) -> list[Answer | UnreadableFile]:
    """Classify the slices that there is something to ask about; the network sees no other.

    Args:
        files: Those of one request.
        model: The model that classifies them.
        capacity: Makes them wait for their turn.

    Returns:
        An answer for each slice, in the order of the files; a file that can't be read stays what it is.
    """
    asked = [one.pixels for one in files if isinstance(one, Slice) and one.is_asked]
    with capacity.infer() if asked else nullcontext():
        predictions = iter(model.classifier.predict_standardised(asked))
    answers = [_answer(one, predictions, model) if isinstance(one, Slice) else one for one in files]
    for one in answers:
        counted = one.reason or (one.prediction and one.prediction.leaning) if isinstance(one, Answer) else "unreadable"
        metrics.ANSWERS.labels(counted).inc()
    return answers


def _answer(one: Slice, predictions: Iterator[Prediction], model: Model) -> Answer:
    if not one.is_asked:
        return Answer(one, None, None)
    prediction = next(predictions)
    if one.chest:
        prediction = replace(prediction, reason=reason_of_chest(prediction.reason))
    explanation = explain(model.manifest, prediction.evidence, prediction.leaning)
    return Answer(one, prediction, Evidence(prediction.leaning, explanation, one))


def display_name(label: str) -> str:
    """Return what people call a class: what its makers called it, `_` and `.` as spaces.

    Args:
        label: Name of the class, e.g. "squamous_cell".

    Returns:
        E.g. "Squamous cell", "COVID-19". Only "Adenocarcinoma Cancer" is the name that the public projects give.
    """
    if label == "adenocarcinoma":
        return "Adenocarcinoma Cancer"
    words = " ".join(label.replace("_", " ").replace(".", " ").split()) or label
    return words[:1].upper() + words[1:] if words.islower() else words


def record(one: Answer | UnreadableFile, model: Model, request_id: str, explain: bool) -> dict[str, Any]:
    """Write an answer for programs; `image` is the key that the public projects read.

    Args:
        one: The answer, or the file that got none.
        model: The model that gave it.
        request_id: Id of the request.
        explain: Whether to add the evidence map.

    Returns:
        A JSON object.
    """
    limits = model.manifest.abstention
    prediction, evidence = (one.prediction, one.evidence) if isinstance(one, Answer) else (None, None)
    label, probability = (prediction.label, prediction.probability) if prediction else (None, None)
    probabilities = prediction.probabilities if prediction else {}
    return {
        "image": "Can't be read" if isinstance(one, UnreadableFile) else "Not sure" if one.reason else one.name,
        "abstained": one.reason is not None,
        "reason": one.reason,
        "warning": prediction.warning if prediction else None,
        "label": label,
        "probability": None if probability is None else round(probability, 6),
        "probabilities": {label: round(value, 6) for label, value in probabilities.items()},
        "distance": round(prediction.distance, 6) if prediction and limits else None,
        "limits": {"distance": limits.distance_limit, "probability": limits.confidence_limit} if limits else None,
        **({"evidence": evidence.map_url, "explanation": evidence.record()} if explain and evidence else {}),
        "model": model_record(model.manifest),
        "request_id": request_id,
        **({"filename": one.filename} if one.filename else {}),
    }
