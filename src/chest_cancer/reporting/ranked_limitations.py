"""What the figures of a run do not support, in plain words and the gravest first; from the figures and the audits."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from chest_cancer.network.manifest import DataSummary, Manifest
from chest_cancer.parameters.values import PooledHeadName
from chest_cancer.reporting.limitation import Limitation
from chest_cancer.reporting.style import percent
from chest_cancer.reporting.templates import AuditedPart
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import StoredFigure

GRAVEST_FIRST = (
    # Nothing follows for patients.
    "Synthetic data",
    "No answers",
    # The score may come from something else than disease, or nobody looked.
    "Not audited",
    "Shortcuts",
    "Where the information is",
    "Classes that differ in metadata",
    # Other patients may get another score.
    "One source, unknown patients",
    "Small test split",
    "A threshold from few patients",
    "Memory",
    "What near-duplicates are worth",
    "Audited with another head",
    # A model could go by these.
    "Black lungs",
    "Drawn marks",
    "Fingerprints",
    # Some answers are worse than the figures, or of no use.
    "A class that is never answered",
    "Subgroups that differ",
    "Bad calibration",
    "Decisions",
    "Abstention does not help",
    "Abstention",
    "Prediction sets",
    "Robustness",
    # What was not, or can't be, shown here.
    "One source",
    "Subgroups are too small",
    "Evidence maps",
    "Size of the test split",
    # Of the data; the figures allow for it.
    "Suspects",
    "Copies",
    "Random splits of patients",
    "Random splits",
)
"""Titles of all limitations, by what they do to the figures. Cards and reports list them in this order, and the first
screen shows the first three; one that is not named here comes last."""

FIRST = 3
"""How many are on the first screen of a report."""

_WIDE = 0.2
"""An accuracy whose interval is wider comes from a small test split."""

_FEWEST_PATIENTS = 50
"""With as many, a threshold that finds 0.95 of validation patients finds between about 0.86 and 0.99 of others."""

_LARGEST_CALIBRATION_ERROR = 0.1
"""Where even the lower end of its interval is above, probabilities are not to be read as chances."""


_UNKNOWN: StoredFigure = {"value": None, "low": 0.0, "high": 1.0, "n": 0}


def find_limitations(
    metrics: Mapping[str, Any], manifest: Manifest, audits: list[AuditedPart], confidence: float
) -> list[Limitation]:
    """List what a reader must know before the figures are used, in the order of `GRAVEST_FIRST`.

    Args:
        metrics: Figures of the test split, and whether patients are known.
        manifest: The classifier's.
        audits: What the audits found.
        confidence: Confidence level of all intervals, 0..1.
    """
    of_answers = [*_never_answered(metrics, manifest.classes), *_abstention(metrics), *_calibration(metrics)]
    of_size = [_size(metrics, confidence), *_patient_threshold(metrics, manifest)]
    audited = [*_of_audits(audits), *_another_head(manifest, audits)]
    return _ranked([_origin(manifest.data), *of_size, *of_answers, *audited])


def find_data_limitations(data: DataSummary, audits: list[AuditedPart]) -> list[Limitation]:
    """List what a reader must know of the images, in the same order.

    Args:
        data: Summary of the source's images.
        audits: What the audits of the data found.
    """
    return _ranked([_origin(data), *_of_audits(audits)])


def _ranked(limitations: list[Limitation]) -> list[Limitation]:
    places = {title: place for place, title in enumerate(GRAVEST_FIRST)}
    return sorted(limitations, key=lambda limitation: places.get(limitation.title, len(places)))


def _of_audits(audits: list[AuditedPart]) -> list[Limitation]:
    if not any(part.facts for part in audits):
        missing = "The audits were switched off, so nothing is known of copies, leakage and shortcuts."
        return [Limitation("Not audited", missing)]
    return [Limitation(**found) for part in audits for found in part.facts.get("limitations", [])]


def _another_head(manifest: Manifest, audits: list[AuditedPart]) -> list[Limitation]:
    """Audits that train many heads know the pooled features alone."""
    if manifest.head in get_args(PooledHeadName) or not any(part.facts for part in audits):
        return []
    text = (
        "Audits that train a head many times (leakage, shortcuts, folds of patients) take the linear head on pooled "
        "features. The served head reads cells of an earlier map: how much of its score is memory was not measured."
    )
    return [Limitation("Audited with another head", text)]


def _origin(data: DataSummary) -> Limitation:
    if data.synthetic:
        text = (
            "The slices are phantoms, drawn by a computer. They show that the program works, and say nothing about "
            "patients."
        )
        return Limitation("Synthetic data", text)
    elsewhere = "No slice from another hospital, scanner or population was seen."
    if data.patients is not None:
        text = f"{elsewhere} The {data.patients} patients are those that the source names, and each is in one split."
        return Limitation("One source", text)
    return Limitation(
        "One source, unknown patients",
        f"{elsewhere} It is not known which slices are of one patient: groups of near-duplicates stand in for "
        "patients, and slices of a patient that look different may be in two splits.",
    )


def _size(metrics: Mapping[str, StoredFigure], confidence: float) -> Limitation:
    accuracy = metrics["accuracy"]
    text = (
        f"The figures rest on {accuracy['n']} test images: the accuracy may be anything from {accuracy['low']:.2f} to "
        f"{accuracy['high']:.2f} ({percent(confidence)} interval)."
    )
    is_wide = accuracy["high"] - accuracy["low"] > _WIDE
    return Limitation("Small test split" if is_wide else "Size of the test split", text)


def _patient_threshold(metrics: Mapping[str, Any], manifest: Manifest) -> list[Limitation]:
    """What reads a patient as positive was fitted on few patients."""
    rule = manifest.patient_rule
    if rule is None or min(rule.positive, rule.negative) >= _FEWEST_PATIENTS:
        return []
    found, spared = (metrics.get(f"patient_{name}", _UNKNOWN) for name in ("sensitivity", "specificity"))
    text = (
        f"From which score on a patient reads as positive was set on {rule.positive} positive and {rule.negative} "
        f"negative validation patients (fewer than {_FEWEST_PATIENTS}), to find {percent(rule.target_sensitivity)} of "
        f"the positive ones. On test patients the sensitivity is {in_words(found)} (n {found['n']}) and the "
        f"specificity {in_words(spared)} (n {spared['n']})."
    )
    return [Limitation("A threshold from few patients", text)]


def _never_answered(metrics: Mapping[str, StoredFigure], classes: Iterable[str]) -> list[Limitation]:
    """A class that has test images and that no image was answered as."""
    found = []
    for name in classes:
        recall, precision = metrics.get(f"recall_{name}"), metrics.get(f"precision_{name}")
        if recall is None or precision is None or not recall["n"] or precision["n"]:
            continue
        text = f"Not one test image was answered as {name}, though {recall['n']} are {name}."
        found.append(Limitation("A class that is never answered", text))
    return found


def _abstention(metrics: Mapping[str, StoredFigure]) -> list[Limitation]:
    """Images are declined, and the answers that are left are no better for it."""
    names = ("abstained", "selective_accuracy", "forced_accuracy")
    abstained, given, forced = (metrics.get(name, _UNKNOWN) for name in names)
    if not abstained["value"] or forced["value"] is None:
        return []
    if given["value"] is None:
        return [Limitation("No answers", f"Not one of {abstained['n']} test images was answered.")]
    if given["value"] > forced["value"]:
        return []
    text = (
        f"{in_words(abstained)} of the test images get no answer (n {abstained['n']}), and that does not make the "
        f"answers better: {in_words(given, 3)} of those given are right, and {in_words(forced, 3)} would be "
        "if every image were answered."
    )
    return [Limitation("Abstention does not help", text)]


def _calibration(metrics: Mapping[str, StoredFigure]) -> list[Limitation]:
    error = metrics.get("ece", _UNKNOWN)
    if error["value"] is None or error["low"] <= _LARGEST_CALIBRATION_ERROR:
        return []
    text = (
        f"The stated probabilities are off by {in_words(error, 3)} on average (calibration error, n {error['n']}; more "
        f"than {_LARGEST_CALIBRATION_ERROR:g} at the lower end is called bad): do not read them as chances."
    )
    return [Limitation("Bad calibration", text)]
