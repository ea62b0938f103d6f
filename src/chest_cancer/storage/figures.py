"""Measured figures, in memory and in `metrics.json`, and what people call them."""

from collections.abc import Mapping
from typing import Any, Generic, TypedDict, TypeVar

_Value = TypeVar("_Value", float, float | None)


class _Figure(TypedDict, Generic[_Value]):
    """A value, its confidence interval, and the number of images, or in `patient_` figures of patients, behind it."""

    value: _Value
    low: float
    high: float
    n: int


Figure = _Figure[float]
"""In memory: NaN where the value is unknown, so that figures can be calculated with."""

StoredFigure = _Figure[float | None]
"""In a file: None where the value is unknown, for JSON has no NaN."""

PATIENTS = "patients"
"""What `metrics.json` says beside its figures: whether it is known which images are of one patient."""
KNOWN, UNKNOWN = "known", "unknown"
CONFIDENCE = "confidence"
"""What it says beside them, too: the level of their intervals, 0..1."""

FIRST_FIGURES = ("coverage", "accuracy", "wrong", "selective_accuracy", "sensitivity", "specificity", "roc_auc")
"""What reports and pages show first: of the answers that a user gets, and the area under the ROC curve."""

_TITLES = {
    "abstained": "not answered",
    "accuracy": "answered rightly (accuracy)",
    "average_precision": "average precision",
    "brier": "Brier score",
    "coverage": "answered (coverage)",
    "ece": "calibration error",
    "ece_uncalibrated": "calibration error before temperature scaling",
    "false_refusal": "called not a chest CT slice",
    "forced_accuracy": "accuracy if every image were answered",
    "loss": "cross-entropy, nats",
    "macro_npv": "mean negative predictive value",
    "macro_precision": "mean precision",
    "macro_recall": "mean recall",
    "macro_specificity": "mean specificity",
    "not_sure": "called not sure",
    "npv": "negative predictive value",
    "patient_accuracy": "patients: read rightly (accuracy)",
    "patient_mixed": "patients: with slices of several classes",
    "ppv": "positive predictive value",
    "roc_auc": "area under the ROC curve",
    "selective_accuracy": "accuracy of the answers given",
    "selective_sensitivity": "sensitivity of the answers given",
    "selective_specificity": "specificity of the answers given",
    "warned": "answered without a probability",
    "wrong": "answered wrongly",
}
_OF_CLASSES = {
    "average_precision": "average precision",
    "brier": "Brier score",
    "coverage": "answered",
    "npv": "negative predictive value",
    "precision": "precision",
    "recall": "answered rightly (recall)",
    "roc_auc": "area under the ROC curve",
    "specificity": "specificity",
    "wrong": "answered wrongly",
}
PATIENT = "patient_"
"""What the names of figures of patients begin with."""
_AT_THRESHOLD, _AT_PREVALENCE = "threshold_", "_at_prevalence_"


def figures_in(metrics: Mapping[str, Any]) -> dict[str, StoredFigure]:
    """Take the figures out of what `metrics.json` holds."""
    return {name: figure for name, figure in metrics.items() if name not in (PATIENTS, CONFIDENCE)}


def patients_of(metrics: Mapping[str, Any]) -> str:
    """Read whether patients are `known` or, as where `metrics.json` says nothing of them, `unknown`."""
    return str(metrics.get(PATIENTS, UNKNOWN))


def confidence_of(metrics: Mapping[str, Any]) -> float | None:
    """Read the level of the intervals, 0..1; None where `metrics.json` does not say it."""
    level: float | None = metrics.get(CONFIDENCE)
    return level


def title_of(name: str) -> str:
    """Return what people call a figure.

    Args:
        name: Its name in `metrics.json`.

    Returns:
        E.g. `area under the ROC curve`, `normal: precision`; by default the name, in words.
    """
    if name in _TITLES:
        return _TITLES[name]
    if name.startswith(PATIENT):
        return f"patients: {title_of(name.removeprefix(PATIENT))}"
    if name.startswith(_AT_THRESHOLD):
        kind, found, percent = name.removeprefix(_AT_THRESHOLD).partition(_AT_PREVALENCE)
        title = f"{title_of(kind)} at the threshold"
        return f"{title} if {percent} % had disease" if found else title
    for kind, title in _OF_CLASSES.items():
        if name.startswith(f"{kind}_"):
            return f"{name.removeprefix(f'{kind}_')}: {title}"
    return name.replace("_", " ")
