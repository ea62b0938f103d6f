"""Predictions of a batch, gathered by patient."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from chest_cancer.network.patients import PatientRule
from chest_cancer.network.predictions import probability_columns


def patient_table(
    predictions: pd.DataFrame, patients: Mapping[str, str], classes: list[str], rule: PatientRule
) -> pd.DataFrame:
    """Score every patient by the artefact's rule.

    Args:
        predictions: What `predict_images` gives: a row per file.
        patients: Patient by path; files of no known patient are left out.
        classes: Class names, in the order of the classifier.
        rule: The artefact's rule.

    Returns:
        A row per patient, in alphabetical order: `patient`, `files`, `scored` (how many of them could be read),
        `declined` (how many of these have no answer of their own), `score` in log-odds and `positive`; the last two are
        missing where no file could be read.
    """
    columns = probability_columns(classes)
    table = predictions.assign(patient=predictions["path"].map(dict(patients)))
    table = table[table["patient"].notna()]
    scored = table[table[columns].notna().all(axis=1)]
    members = scored["patient"].to_numpy(dtype=np.str_)
    scores = rule.score_patients(scored[columns].to_numpy(dtype=np.float64), members)
    names = np.unique(members)
    gathered = table.groupby("patient").size().rename("files").to_frame()
    for name, rows in (("scored", scored), ("declined", scored[scored["label"].isna()])):
        gathered[name] = rows.groupby("patient").size().reindex(gathered.index, fill_value=0)
    gathered["score"] = pd.Series(scores, index=names, dtype=float)
    gathered["positive"] = pd.Series(rule.reads_positive(scores), index=names, dtype="boolean")
    return gathered.rename_axis("patient").reset_index()
