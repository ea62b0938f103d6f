"""All that came of an external validation, in one place, and what it does not support."""

from typing import Any

import pandas as pd

from chest_cancer.network.features import known_patients
from chest_cancer.pipelines.external_validation.copies import Copies, counted
from chest_cancer.record.trained_models import TrainedModel
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import KNOWN, PATIENTS, UNKNOWN, Figure, title_of

_FEW = 10
"""Patients of a class below which its figures say little."""
_OTHER_MIX = 0.1
"""By how much the share of a class may differ without a word: of figures that depend on it, about as much is owed to
that."""
_JUDGED_BY = (("patient_roc_auc", "roc_auc"), ("accuracy",), ("coverage",))
"""What the model is judged by: telling classes apart, answering rightly, answering; of each the first that is known."""


def sum_up(
    model: TrainedModel,
    external_summary: dict[str, Any],
    external_predictions: pd.DataFrame,
    external_copies: Copies,
    external_figures: dict[str, Any],
    external_recalibration: dict[str, Any],
    external_shift: dict[str, Any],
) -> dict[str, Any]:
    """Gather what was found, and say in words what it comes to.

    Args:
        model: The model that was measured.
        external_summary: Counts of the other site's files.
        external_predictions: A row per distinct image.
        external_copies: What was left out.
        external_figures: External and internal figures with their difference.
        external_recalibration: What another temperature would give.
        external_shift: How far the sites are apart.

    Returns:
        All of it, with `model`, `source`, `compared`, `verdict` and `limitations`; fits into JSON.
    """
    compared = counted(external_predictions)
    patients = known_patients(compared)
    manifest = model.classifier.manifest
    known = ("location", "kind", "synthetic", "files", "quarantined", "images", "distinct_by_pixels", "notes", "odd")
    facts: dict[str, Any] = {
        "model": {
            "name": model.name,
            "version": model.version,
            "manifest_sha256": model.manifest_sha256,
            "run_id": manifest.provenance.mlflow_run_id,
        },
        "source": {name: external_summary[name] for name in known},
        "compared": {
            "images": len(compared),
            "groups": int(compared["group"].nunique()),
            "patients": None if patients is None else len(set(patients)),
            "classes": {
                name: {"images": int((compared["label"] == name).sum()), "groups": _groups_of(compared, name)}
                for name in manifest.classes
            },
        },
        PATIENTS: UNKNOWN if patients is None else KNOWN,
        "verdict": _verdict(external_figures),
        "copies": external_copies,
        "figures": external_figures,
        "recalibration": external_recalibration,
        "shift": external_shift,
    }
    return facts | listed(_limitations(facts, model))


def _groups_of(compared: pd.DataFrame, name: str) -> int:
    return int(compared.loc[compared["label"] == name, "group"].nunique())


def _verdict(figures: dict[str, Any]) -> list[str]:
    """Say in sentences how the model does there, as far as the intervals of the differences tell."""
    judged = [next((name for name in names if figures.get(name, {}).get("difference")), None) for names in _JUDGED_BY]
    said = [_compare(title_of(name), **figures[name]) for name in judged if name is not None]
    return said or ["Nothing can be compared: no figure is known both there and of the model's own test images."]


def _compare(title: str, external: Figure, internal: Figure, difference: Figure) -> str:
    told = "the images do not tell where it is higher"
    if difference["high"] < 0:
        told = "it is lower there"
    elif difference["low"] > 0:
        told = "it is higher there"
    return (
        f"{title[0].upper()}{title[1:]}: {in_words(external, 3)} at the other site (n {external['n']}), "
        f"{in_words(internal, 3)} on the model's own test images (n {internal['n']}), a difference of "
        f"{in_words(difference, 3)}: {told}."
    )


def _limitations(facts: dict[str, Any], model: TrainedModel) -> list[Limitation]:
    """List what a reader must know, the gravest first."""
    found, compared, data = [], facts["compared"], model.classifier.manifest.data
    if facts["source"]["synthetic"] or data.synthetic:
        text = "Phantoms, drawn by a computer, are among the images: they say nothing about patients."
        found.append(Limitation("Synthetic data", text))
    if facts["copies"]["searched"] != "likeness":
        text = f"{facts['copies']['words']} If any are among these images, the figures are too good."
        found.append(Limitation("Copies of training images", text))
    if missing := [name for name, counts in compared["classes"].items() if not counts["images"]]:
        text = f"There is no image of {', '.join(missing)}: figures that need this class are unknown."
        found.append(Limitation("A class without images", text))
    if few := [name for name, counts in compared["classes"].items() if 0 < counts["groups"] < _FEW]:
        text = f"Fewer than {_FEW} patients (or groups of images) are {', '.join(few)}: their figures say little."
        found.append(Limitation("Few patients", text))
    if compared["patients"] is None:
        text = (
            "It is not known which images are of one patient: near-duplicates are counted as one patient, and the "
            "intervals are narrower than they ought to be where patients have images that differ."
        )
        found.append(Limitation("Unknown patients", text))
    found += _other_mix(facts["figures"], list(compared["classes"]))
    if not model.metrics:
        text = "The figures of the model's own test images are not here, so there is nothing to compare with."
        found.append(Limitation("No figures to compare with", text))
    text = "Threshold, temperature and limits are the model's own. This is one other site: a third one may differ."
    return [*found, Limitation("One other site", text)]


def _other_mix(figures: dict[str, Any], classes: list[str]) -> list[Limitation]:
    """Say that classes are not as common as among the model's own test images, which moves accuracy."""
    there, here = (_shares(figures, classes, side) for side in ("external", "internal"))
    if not there or not here:
        return []
    name = max(classes, key=lambda each: abs(there[each] - here[each]))
    if abs(there[name] - here[name]) <= _OTHER_MIX:
        return []
    text = (
        f"{there[name]:.2f} of the images there are {name}, and {here[name]:.2f} of the model's own test images. "
        "Accuracy, coverage and predictive values differ by that alone: compare sensitivity and specificity, or the "
        "recall of each class."
    )
    return [Limitation("Other shares of classes", text)]


def _shares(figures: dict[str, Any], classes: list[str], side: str) -> dict[str, float]:
    """Share of each class among the images of a side; empty where it is not known."""
    known = {name: figure for name in classes if (figure := figures.get(f"recall_{name}", {}).get(side))}
    images = sum(figure["n"] for figure in known.values())
    return (
        {name: figure["n"] / images for name, figure in known.items()} if images and len(known) == len(classes) else {}
    )
