"""The audit of identity: what a score owes to slices of one patient on both sides of a fold."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.identity.finders import count_pairs, look_up_patients
from chest_cancer.audits.identity.folds import compare_folds
from chest_cancer.audits.sample import Sample
from chest_cancer.imaging.afar import Looks
from chest_cancer.network.features import known_patients
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.intervals import in_words


def audit_identity(
    audit_sample: Sample, audit_looks: Looks, parameters: ModelEvaluationParameters, seed: int
) -> Finding:
    """Compare random folds, folds of near-duplicates and folds of patients, where the patients are known.

    Args:
        audit_sample: The images, with `patient`, `group` and `near_duplicates`.
        audit_looks: How they look from afar.
        parameters: The block `model_evaluation`.
        seed: Random seed for folds and draws.

    Returns:
        `images` and `patients` that the audit rests on, `compared` (see `compare_folds`), `pairs` (`count_pairs`),
        `look_up` (`look_up_patients`), and `images_left_out` of data that are too large. Nothing where the patient of
        any image is not known.
    """
    rows = audit_sample.images
    if known_patients(rows) is None:
        return NOTHING
    patients = pd.factorize(rows["patient"])[0].astype(np.int64)
    facts: dict[str, Any] = {
        "images": len(rows),
        "patients": int(patients.max()) + 1,
        "compared": compare_folds(audit_sample, parameters, seed),
        "pairs": count_pairs(patients, rows["near_duplicates"].to_numpy(dtype=np.int64)),
        "look_up": look_up_patients(audit_looks["border"], audit_sample.embeddings, patients, parameters.confidence),
        "images_left_out": audit_sample.left_out,
    }
    return Finding(facts | listed(find_limitations(facts)), {})


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    found, compared, look_up = [], facts["compared"], facts["look_up"]
    if compared and compared["optimism"]["random"]["roc_auc"]["low"] > 0:
        folds, more = compared["folds"], compared["optimism"]["random"]["roc_auc"]
        text = (
            "Folds that deal the slices of a patient to both sides would have given an area under the ROC curve of "
            f"{in_words(folds['random']['roc_auc'])}; with each patient on one side it is "
            f"{in_words(folds['patients']['roc_auc'])}, lower by {in_words(more)}. The figures of "
            "this report keep patients apart."
        )
        found.append(Limitation("Random splits of patients", text))
    if look_up and look_up["border"]["low"] > look_up["chance"]:
        text = (
            "The border of an image, which shows couch and field of view and no anatomy, finds another image of the "
            f"same patient in {in_words(look_up['border'])} of the images, where chance gives {look_up['chance']:.2f}: "
            "it is a fingerprint, and where it differs by class a model can use it."
        )
        found.append(Limitation("Fingerprints", text))
    return found
