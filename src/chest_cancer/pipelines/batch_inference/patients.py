"""Patients of a batch: whom each file shows, and what its slices say together."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.imaging.pixels import Identifiers
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.patients import PatientReading, PatientRule, why_no_rule
from chest_cancer.network.predictions import probability_columns
from chest_cancer.sources.identity import Identity, patient_in_path
from chest_cancer.sources.table_file import TEXT

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("patient", "rule", "reason"), TEXT),
    **dict.fromkeys(("slices", "declined", "unreadable"), "int64"),
    **dict.fromkeys(("score", "threshold", "probability"), "float64"),
    "reads_positive": "boolean",
}
_COLUMNS = ["patient", "slices", "declined", "unreadable", *PatientReading._fields, "reason"]


def identify(path: str, identifiers: Identifiers | None, way: str, key: bytes) -> Identity:
    """Say whom a file shows.

    Args:
        path: Of the file.
        identifiers: What it says itself, if it is DICOM that can be read.
        way: The parameter `batch_inference.patient`.
        key: Of this project.

    Returns:
        Keyed hashes.
    """
    if way in ("auto", "dicom"):
        return Identity.in_file(key, identifiers)
    name = None if way == "unknown" else patient_in_path(path, way)
    return Identity.of(key, patient=name)


def gather_patients(predictions: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """Read every patient by the classifier's own rule.

    As in the figures of patients, each distinct picture counts once, and one that is declined counts as any other.

    Args:
        predictions: What `predict_images` gives: a row per file. Files whose patient is not known are left out.
        classifier: The trained classifier.

    Returns:
        A row per patient, in alphabetical order: `patient`; `slices`, its distinct pictures; `declined`, how many of
        these have no answer of their own; `unreadable`, how many further files can't be read; the columns of a
        `PatientReading`, empty where there is none, and then the `reason`.
    """
    rule, columns = PatientRule.of(classifier.manifest), probability_columns(classifier.classes)
    reason = "none of its files can be read" if rule else why_no_rule(classifier.manifest)
    rows: list[dict[str, Any]] = []
    for patient, files in predictions.groupby("patient"):
        is_read = files["pixel_sha256"].notna()
        slices = files[is_read].drop_duplicates("pixel_sha256")
        row = {
            "patient": patient,
            "slices": len(slices),
            "declined": int(slices["label"].isna().sum()),
            "unreadable": int((~is_read).sum()),
        }
        if rule is None or slices.empty:
            rows.append(row | {"reason": reason})
        else:
            rows.append(row | rule.read(slices[columns].to_numpy(dtype=np.float64))._asdict())
    return pd.DataFrame(rows, columns=_COLUMNS).astype(_TYPES)
