"""Measured figures, in memory and in `metrics.json`, and what people call them."""

from typing import Generic, TypedDict, TypeVar

_Value = TypeVar("_Value", float, float | None)


class _Figure(TypedDict, Generic[_Value]):
    """A value, its confidence interval, and the number of images that it rests on."""

    value: _Value
    low: float
    high: float
    n: int


Figure = _Figure[float]
"""In memory: NaN where the value is unknown, so that figures can be calculated with."""

StoredFigure = _Figure[float | None]
"""In a file: None where the value is unknown, for JSON has no NaN."""

_TITLES = {
    "average_precision": "average precision",
    "brier": "Brier score",
    "coverage": "answered (coverage)",
    "ece": "calibration error",
    "ece_uncalibrated": "calibration error before temperature scaling",
    "false_refusal": "called not a chest CT slice",
    "loss": "cross-entropy, nats",
    "macro_npv": "mean negative predictive value",
    "macro_precision": "mean precision",
    "macro_recall": "mean recall",
    "macro_specificity": "mean specificity",
    "not_sure": "called not sure",
    "npv": "negative predictive value",
    "ppv": "positive predictive value",
    "roc_auc": "area under the ROC curve",
    "selective_accuracy": "accuracy of the answers",
}
_OF_CLASSES = ("average_precision", "brier", "npv", "precision", "recall", "roc_auc", "specificity")
_AT_PREVALENCE = "_at_prevalence_"


def title_of(name: str) -> str:
    """Return what people call a figure.

    Args:
        name: Its name in `metrics.json`.

    Returns:
        E.g. `area under the ROC curve`, `recall of normal`; by default the name in words.
    """
    if name in _TITLES:
        return _TITLES[name]
    kind, found, percent = name.partition(_AT_PREVALENCE)
    if found:
        return f"{kind.upper()} if {percent} % had disease"
    for kind in _OF_CLASSES:
        if name.startswith(f"{kind}_"):
            return f"{title_of(kind)} of {name.removeprefix(f'{kind}_')}"
    return name.replace("_", " ")
