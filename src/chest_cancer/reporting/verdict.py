"""The first sentence of a report: what may be believed, true whatever the figures are."""

from collections.abc import Mapping, Sequence
from typing import Any

from chest_cancer.network.manifest import DataSummary, Manifest
from chest_cancer.network.predictions import disease_class
from chest_cancer.reporting.templates import AuditedPart, other_patients_of
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import KNOWN, StoredFigure, patients_of

_CHANCE = 0.5
_WIDE = 0.2
"""An area under the ROC curve whose interval is wider says little more than that it is above chance."""
_MOST_CAVEATS = 2
_DRAWN = "On computer-drawn phantoms, "


def judge(metrics: Mapping[str, Any], manifest: Manifest, audits: Sequence[AuditedPart]) -> str:
    """Say in one sentence whether the classifier tells the classes apart, for whom, and what speaks against it.

    Args:
        metrics: Figures of the test split, and whether patients are known.
        manifest: The classifier's.
        audits: What the audits found.

    Returns:
        The sentence. Better than chance is said only where the whole interval of the area under the ROC curve is above
        0.5; at most two caveats follow, the gravest first.
    """
    area: StoredFigure | None = metrics.get("roc_auc")
    apart = _apart(manifest)
    if area is None or area["value"] is None:
        sentence = f"how well the classifier tells {apart} is not known: the test split lacks images of a class."
        return _begin(sentence, manifest.data)
    measured = f"(AUC {in_words(area)}, {_counted(metrics, area['n'])})"
    if area["low"] <= _CHANCE:
        sentence = f"the classifier was not shown to tell {apart} any better than chance {measured}."
        return _begin(sentence, manifest.data)
    is_known = patients_of(metrics) == KNOWN
    where = "in patients that it has not seen" if is_known else "on test images whose patients it may have seen"
    caveats = [*_of_audits(audits), *_of_patients(audits, is_known), *_of_width(area, is_known)][:_MOST_CAVEATS]
    but = f", but {', and '.join(caveats)}" if caveats else ""
    return _begin(f"the classifier tells {apart} better than chance {where} {measured}{but}.", manifest.data)


def judge_data(data: DataSummary, audits: Sequence[AuditedPart]) -> str:
    """Say in one sentence how many pictures there are, of whom, and what can be scored without anatomy.

    Args:
        data: Summary of the source's images.
        audits: What the audits of the data found.
    """
    files = f"{data.distinct_by_pixels} distinct pictures in {data.files} files"
    whom = "of patients that are not known" if data.patients is None else f"of {data.patients} patients"
    found = _of_audits(audits) or ["nothing that sees no anatomy was found to tell the classes apart"]
    kind = "phantoms drawn by a computer" if data.synthetic else "the images"
    return f"{kind[0].upper()}{kind[1:]} are {files}, {whom}; {found[0]}."


def _begin(sentence: str, data: DataSummary) -> str:
    return f"{_DRAWN}{sentence}" if data.synthetic else f"{sentence[0].upper()}{sentence[1:]}"


def _apart(manifest: Manifest) -> str:
    classes = list(manifest.classes)
    if len(classes) != 2:
        return f"its {len(classes)} classes apart"
    disease = disease_class(classes, manifest.normal_class, manifest.positive_classes)
    (other,) = (name for name in classes if name != disease)
    return f"{disease} from {other}"


def _counted(metrics: Mapping[str, Any], images: int) -> str:
    """How many images, and of how many patients where that was counted."""
    patients = metrics.get("patient_accuracy")
    return f"{images} images" if patients is None else f"{images} images of {patients['n']} patients"


def _of_audits(audits: Sequence[AuditedPart]) -> list[str]:
    """What tells the classes apart without anatomy, or that nobody looked, or could."""
    if not any(part.facts for part in audits):
        return ["nobody looked for copies, leakage and shortcuts"]
    shortcuts = next((part.facts for part in audits if part.name == "shortcuts" and part.facts), None)
    if shortcuts is None:
        return ["whether anything without anatomy tells the classes apart is not known"]
    best = next(baseline for baseline in shortcuts["baselines"] if baseline["name"] == shortcuts["best"])
    if not best["shortcut"]:
        return []
    return [f"{best['name']} alone, without anatomy, tells the classes apart with AUC {in_words(best['roc_auc'])}"]


def _of_patients(audits: Sequence[AuditedPart], is_known: bool) -> list[str]:
    if is_known:
        return []
    other = other_patients_of(list(audits))
    if other is None:
        return ["for other patients nothing was measured"]
    ends = other["roc_auc"]
    # Wider than the range that stands elsewhere, which is of the values alone.
    return [
        f"for other patients it may be {ends['lowest']['low']:.2f} to {ends['grouped']['high']:.2f}, intervals included"
    ]


def _of_width(area: StoredFigure, is_known: bool) -> list[str]:
    if area["high"] - area["low"] <= _WIDE:
        return []
    return [f"so few {'patients' if is_known else 'images'} can't say how much better"]
