"""The rule for patients is chosen on validation patients, and says by what."""

import numpy as np
import pytest

from chest_cancer.network.patients import RULES, PatientRule
from chest_cancer.pipelines.model_training.patients import fit_patient_rule

# Slices of each positive and negative patient, such that one rule alone tells all of them apart.
BEST = {
    "mean log-odds": ([0.6] * 5, [0.95, 0.001, 0.001, 0.001, 0.001]),
    "top-k mean": ([0.9, 0.9, 0.9, 0.0001, 0.0001, 0.0001], [0.85] * 30),
    "noisy-or": ([0.3] * 30, [0.5] * 3),
}


def validation(positive: list[float], negative: list[float], of_each: int) -> tuple:
    slices = [*positive * of_each, *negative * of_each]
    labels = np.repeat([0, 1], [len(positive) * of_each, len(negative) * of_each])
    members = [number for number in range(of_each) for _ in positive]
    members += [of_each + number for number in range(of_each) for _ in negative]
    stated = np.array(slices)
    patients = np.array([f"patient {number:03d}" for number in members])
    return np.stack([stated, 1 - stated], axis=1), labels, np.array(members), patients


@pytest.mark.parametrize("name", BEST)
def test_the_rule_that_tells_validation_patients_apart_is_chosen(name: str) -> None:
    point = fit_patient_rule(*validation(*BEST[name], 12), (0,), 0.9)

    areas = {area.rule: area for area in point.compared}
    assert point.rule == name
    assert list(areas) == list(RULES)
    assert areas[name].roc_auc == 1.0 > areas[name].low
    assert {area.patients for area in point.compared} == {24}
    assert point.reason.startswith("largest area under the ROC curve of 12 positive and 12 negative validation")


def test_equal_rules_leave_the_mean_of_log_odds_and_the_threshold_reaches_the_target() -> None:
    probabilities, labels, groups, patients = validation([0.9], [0.1], 12)
    probabilities[:2] = [0.3, 0.7]

    point = fit_patient_rule(probabilities, labels, groups, patients, (0,), 0.9)

    assert point.rule == "mean log-odds"
    assert "top-k mean and noisy-or gave the same" in point.reason
    rule = PatientRule(point.rule, (0,), point.threshold)
    said = rule.reads_positive(rule.score_patients(probabilities, patients))
    assert said[:12].mean() >= 0.9
    assert not said[12:].any()


def test_too_few_patients_leave_the_mean_of_log_odds_and_the_reason_says_so() -> None:
    point = fit_patient_rule(*validation(*BEST["noisy-or"], 9), (0,), 0.9)

    assert point.rule == "mean log-odds"
    assert "9 positive and 9 negative validation patients are too few to choose by" in point.reason


def test_without_patients_or_without_both_kinds_there_is_no_rule() -> None:
    probabilities, labels, groups, patients = validation([0.9], [0.1], 12)

    assert fit_patient_rule(probabilities, labels, groups, None, (0,), 0.9) is None
    assert fit_patient_rule(probabilities, labels, groups, patients, None, 0.9) is None
    assert fit_patient_rule(probabilities, labels, groups, np.full(24, "one"), (0,), 0.9) is None
