"""Patients and studies of a batch: what slices say together."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.patients import PatientReading, PatientRule, why_no_rule
from chest_cancer.network.predictions import probability_columns
from chest_cancer.network.studies import WITHOUT_LUNG, driving_slices
from chest_cancer.sources.table_file import TEXT

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("patient", "study", "series", "rule", "reason"), TEXT),
    **dict.fromkeys(("slices", "without_lung", "declined", "unreadable"), "int64"),
    **dict.fromkeys(("score", "threshold", "probability"), "float64"),
    "reads_positive": "boolean",
    "driving": "object",
}
_COUNTS = ["slices", "without_lung", "declined"]
_COLUMNS = ["patient", *_COUNTS, "unreadable", *PatientReading._fields, "reason"]
_STUDY_COLUMNS = ["study", "series", "patient", *_COUNTS, *PatientReading._fields, "driving", "reason"]


def gather_patients(predictions: Iterable[pd.DataFrame], classifier: Classifier) -> pd.DataFrame:
    """Read every patient by the classifier's own rule.

    As in the figures of patients, each distinct picture counts once, and one that is declined counts as any other. What
    shows no lung doesn't count.

    Args:
        predictions: Parts of the table that `predict_images` plans, each with all rows of its patients. Files whose
            patient is not known are left out.
        classifier: The trained classifier.

    Returns:
        A row per patient, in alphabetical order: `patient`; `slices`, its distinct pictures that count; `without_lung`,
        its distinct slices that don't; `declined`, how many that count have no answer of their own; `unreadable`, how
        many further files can't be read; the columns of a `PatientReading`, empty where there is none, and then the
        `reason`.
    """
    rows = [
        {"patient": patient, "unreadable": int(files["pixel_sha256"].isna().sum()), **_read_together(files, classifier)}
        for part in predictions
        for patient, files in part.groupby("patient")
    ]
    return _as_table(rows, _COLUMNS, ["patient"])


def gather_studies(predictions: Iterable[pd.DataFrame], classifier: Classifier) -> pd.DataFrame:
    """Read every study, series by series, as `predict_study` does.

    Args:
        predictions: As for `gather_patients`, with all rows of the studies. Files that name no study are left out.
        classifier: The trained classifier.

    Returns:
        A row per series, in alphabetical order of the hashes: `study`, `series` and `patient`; the counts and the
        columns of a reading as in `gather_patients`; `driving`, paths of the slices that are most probably positive,
        the most probable first; and the `reason` where there is no reading.
    """
    rows = []
    for part in predictions:
        for (study, series), files in part.dropna(subset="study").groupby(["study", "series"], dropna=False):
            patient = next(iter(files["patient"].dropna()), None)
            rows.append({"study": study, "series": series, "patient": patient, **_read_together(files, classifier)})
    return _as_table(rows, _STUDY_COLUMNS, ["study", "series"])


def _read_together(files: pd.DataFrame, classifier: Classifier) -> dict[str, Any]:
    """Count slices, and read them by the rule for patients."""
    rule = PatientRule.of(classifier.manifest)
    distinct = files[files["pixel_sha256"].notna()].drop_duplicates("pixel_sha256")
    shows_no_lung = distinct["reason"] == NO_LUNG
    slices = distinct[~shows_no_lung]
    counts = len(slices), int(shows_no_lung.sum()), int(slices["label"].isna().sum())
    row: dict[str, Any] = dict(zip(_COUNTS, counts, strict=True))
    if rule is None:
        return row | {"reason": why_no_rule(classifier.manifest)}
    if slices.empty:
        return row | {"reason": "none of its files can be read" if distinct.empty else WITHOUT_LUNG}
    stated = slices[probability_columns(classifier.classes)].to_numpy(dtype=np.float64)
    driving = slices["path"].iloc[list(driving_slices(rule, stated))].tolist()
    return row | rule.read(stated)._asdict() | {"driving": driving}


def _as_table(rows: list[dict[str, Any]], columns: list[str], order: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=columns).astype({name: _TYPES[name] for name in columns})
    return table.sort_values(order, ignore_index=True)
