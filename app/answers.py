"""Answers about slices, the same for the page and for programs."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app import metrics
from app.capacity import Capacity
from app.model import Model
from app.slices import Slice
from chest_cancer.imaging.evidence import class_evidence, draw_evidence
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pictures import picture_url
from chest_cancer.network.classifier import Prediction


@dataclass(frozen=True)
class Answer:
    """A slice and what the model says of it.

    Attributes:
        slice: What was asked about.
        prediction: What the model says.
    """

    slice: Slice
    prediction: Prediction

    @property
    def name(self) -> str:
        """What people call the answer; an abstention is shown as what it is, never as a class."""
        if self.prediction.reason is not None:
            return self.prediction.reason[:1].upper() + self.prediction.reason[1:]
        return self.leaning

    @property
    def leaning(self) -> str:
        """What people call the class that the model chooses, whether it answers or not: the evidence map's."""
        return display_name(self.prediction.leaning)

    @property
    def picture_url(self) -> str:
        """The slice as the decoder sees it, as a data URL."""
        return _url(self.slice.shown)

    @property
    def evidence_url(self) -> str:
        """The evidence map, as a data URL."""
        number = list(self.prediction.probabilities).index(self.prediction.leaning)
        return _url(draw_evidence(class_evidence(self.prediction.evidence, number), self.slice.frame))


def answer(slices: list[Slice], model: Model, capacity: Capacity) -> list[Answer]:
    """Classify slices.

    Args:
        slices: The slices of one request.
        model: The model that classifies them.
        capacity: Makes them wait for their turn.

    Returns:
        An answer for each slice, in order.
    """
    with capacity.infer():
        predictions = model.classifier.predict_standardised([one.pixels for one in slices])
    predictions = [
        prediction if one.shows_lung else replace(prediction, reason=NO_LUNG)
        for one, prediction in zip(slices, predictions, strict=True)
    ]
    for prediction in predictions:
        metrics.ANSWERS.labels(prediction.reason or prediction.leaning).inc()
    return [Answer(one, prediction) for one, prediction in zip(slices, predictions, strict=True)]


def _url(pixels: NDArray[np.uint8]) -> str:
    """Write `[h, w, 3]` or `[h, w, 4]` pixels into a data URL."""
    picture = Image.fromarray(pixels)
    if picture.mode == "RGB" and (pixels[..., :1] == pixels).all():
        picture = picture.convert("L")  # a third of the bytes
    return picture_url(picture, lossless=True)


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


def record(one: Answer, model: Model, request_id: str, explain: bool) -> dict[str, Any]:
    """Write an answer for programs; `image` is the key that the public projects read.

    Args:
        one: The answer.
        model: The model that gave it.
        request_id: Id of the request.
        explain: Whether to add the evidence map.

    Returns:
        A JSON object.
    """
    prediction = one.prediction
    probabilities = prediction.probabilities if one.slice.shows_lung else {}
    provenance = model.manifest.provenance
    return {
        "image": "Not sure" if prediction.abstained else one.name,
        "abstained": prediction.abstained,
        "reason": prediction.reason,
        "label": prediction.label,
        "probability": None if prediction.probability is None else round(prediction.probability, 6),
        "probabilities": {label: round(value, 6) for label, value in probabilities.items()},
        **({"evidence": one.evidence_url} if explain and one.slice.shows_lung else {}),
        "model": {
            "version": provenance.code_version,
            "run_id": provenance.mlflow_run_id,
            "synthetic": model.manifest.data.synthetic,
        },
        "request_id": request_id,
        **({"filename": one.slice.filename} if one.slice.filename else {}),
    }
