"""Answers about slices, the same for the page and for programs."""

from dataclasses import dataclass, replace
from typing import Any

from app import metrics
from app.capacity import Capacity
from app.evidence import Evidence, pixels_url
from app.model import Model
from app.slices import Slice
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.network.answers import NOT_SURE
from chest_cancer.network.classifier import Prediction
from chest_cancer.network.explanation import explain
from chest_cancer.network.studies import reason_of_chest


@dataclass(frozen=True)
class Answer:
    """A slice and what the model says of it.

    Attributes:
        slice: What was asked about.
        prediction: What the model says.
        evidence: For the class that the model chooses, whether it answers or not.
    """

    slice: Slice
    prediction: Prediction
    evidence: Evidence

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
    def unsure(self) -> bool:
        """Whether the model gives no answer because none is probable enough."""
        return self.prediction.reason == NOT_SURE

    @property
    def picture_url(self) -> str:
        """The slice as the decoder sees it, as a data URL."""
        return pixels_url(self.slice.shown)


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
    answers = [_answer(*pair, model) for pair in zip(slices, predictions, strict=True)]
    for one in answers:
        metrics.ANSWERS.labels(one.prediction.reason or one.prediction.leaning).inc()
    return answers


def _answer(one: Slice, prediction: Prediction, model: Model) -> Answer:
    if not one.shows_lung:
        prediction = replace(prediction, reason=NO_LUNG, warning=None)
    elif one.chest:
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
    prediction, limits = one.prediction, model.manifest.abstention
    asked = one.slice.shows_lung
    provenance = model.manifest.provenance
    return {
        "image": "Not sure" if prediction.abstained else one.name,
        "abstained": prediction.abstained,
        "reason": prediction.reason,
        "warning": prediction.warning,
        "label": prediction.label,
        "probability": None if prediction.probability is None else round(prediction.probability, 6),
        "probabilities": {label: round(value, 6) for label, value in prediction.probabilities.items()} if asked else {},
        "distance": round(prediction.distance, 6) if asked and limits else None,
        "limits": {"distance": limits.distance_limit, "probability": limits.confidence_limit} if limits else None,
        **({"evidence": one.evidence.map_url, "explanation": one.evidence.record()} if explain and asked else {}),
        "model": {
            "version": provenance.code_version,
            "run_id": provenance.mlflow_run_id,
            "synthetic": model.manifest.data.synthetic,
        },
        "request_id": request_id,
        **({"filename": one.slice.filename} if one.slice.filename else {}),
    }
