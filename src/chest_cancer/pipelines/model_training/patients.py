"""Which rule makes one score of a patient's slices: chosen, with its threshold, on validation patients only."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.network.manifest import PatientArea, PatientPoint, PatientRuleName
from chest_cancer.network.patients import RULES, TOP, probability_of, score_patients
from chest_cancer.pipelines.model_training.fitting import fit_threshold
from chest_cancer.statistics.held_out_patients import Patients

FEWEST = 10
"""Validation patients of either kind from which on the rules are chosen between."""
_CONFIDENCE = 0.95
_DIGITS = 12
"""Areas that differ by less are equal: they are means, summed in another order."""


def fit_patient_rule(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    patients: NDArray[np.str_] | None,
    positive: tuple[int, ...] | None,
    target_sensitivity: float,
) -> PatientPoint | None:
    """Choose the rule with the largest area under the ROC curve, and the threshold that reaches the target.

    Of equal ones the first of `RULES` is chosen, and that one too where there are too few patients to choose by.

    Args:
        probabilities: Calibrated, of the validation images, [n, K].
        labels: Class numbers, [n].
        groups: Group of each image, [n].
        patients: Patient of each image, [n]; None where that of any is unknown.
        positive: Numbers of the positive classes; None where nobody said.
        target_sensitivity: Share of the positive patients that must reach the threshold, 0..1.

    Returns:
        The rule, its threshold and what each rule gave; None where patients or what is positive are not known, or where
        all patients are of one kind.
    """
    if patients is None or positive is None:
        return None
    known = Patients.of(patients, labels, groups, positive)
    if known.positive.all() or not known.positive.any():
        return None
    stated = probability_of(probabilities, positive)
    scores = {name: score_patients(name, stated, patients) for name in RULES}
    compared = tuple(_area(name, known, of_rule) for name, of_rule in scores.items())
    kinds = int(known.positive.sum()), int((~known.positive).sum())
    rule, reason = _choose(compared, kinds)
    return PatientPoint(
        rule=rule,
        k=TOP,
        threshold=fit_threshold(scores[rule], known.positive, target_sensitivity),
        target_sensitivity=target_sensitivity,
        reason=reason,
        positive=kinds[0],
        negative=kinds[1],
        compared=compared,
    )


def _area(name: PatientRuleName, patients: Patients, scores: NDArray[np.float64]) -> PatientArea:
    area = patients.area(scores, _CONFIDENCE)
    return PatientArea(rule=name, roc_auc=area["value"], low=area["low"], high=area["high"], patients=area["n"])


def _choose(compared: tuple[PatientArea, ...], kinds: tuple[int, int]) -> tuple[PatientRuleName, str]:
    counts = f"{kinds[0]} positive and {kinds[1]} negative validation patients"
    if min(kinds) < FEWEST:
        return compared[0].rule, f"{counts} are too few to choose by: fewer than {FEWEST} of either kind"
    best = max(compared, key=lambda area: round(area.roc_auc, _DIGITS))
    equal = [area.rule for area in compared if round(area.roc_auc, _DIGITS) == round(best.roc_auc, _DIGITS)]
    reason = f"largest area under the ROC curve of {counts}, {best.roc_auc:.3f}"
    return best.rule, reason + (f"; {' and '.join(equal[1:])} gave the same" if equal[1:] else "")
