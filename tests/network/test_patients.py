"""The rules for patients: from slices to one score."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chest_cancer.network.patients import (
    RULES,
    PatientRule,
    mean_log_odds,
    noisy_or,
    score_patients,
    top_mean,
    why_no_rule,
)
from chest_cancer.network.predictions import positive_numbers
from manifests import PATIENT_RULE, manifest_of

CLASSES = ("benign", "malignant", "normal")
SLICES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_rules_equal_what_is_worked_out_by_hand() -> None:
    slices = np.array([0.2, 0.9, 0.5, 0.8])

    assert mean_log_odds(slices) == pytest.approx((math.log(1 / 4) + math.log(9) + 0 + math.log(4)) / 4)
    assert top_mean(slices, 3) == pytest.approx(log_odds(2.2 / 3))
    assert top_mean(slices, 9) == pytest.approx(log_odds(0.6))
    assert noisy_or(slices) == pytest.approx(log_odds(1 - 0.8 * 0.1 * 0.5 * 0.2))


@pytest.mark.parametrize("name", RULES)
def test_a_single_slice_scores_its_own_log_odds(name: str) -> None:
    assert RULES[name](np.array([0.7]), 3) == pytest.approx(log_odds(0.7))


def test_many_slices_are_still_told_apart_and_certain_ones_stay_finite() -> None:
    assert noisy_or(np.full(2000, 0.5)) < noisy_or(np.full(2001, 0.5))
    for rule in RULES.values():
        assert np.isfinite([rule(np.zeros(3), 3), rule(np.ones(3000), 3)]).all()


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=60, deadline=None)
@given(slices=SLICES, seed=st.integers(0, 99), more=st.floats(0, 1))
def test_the_order_of_slices_does_not_matter_and_a_larger_probability_lowers_no_score(
    name: str, slices: list[float], seed: int, more: float
) -> None:
    stated, score = np.array(slices), RULES[name]

    assert score(np.random.default_rng(seed).permutation(stated), 3) == score(stated, 3)
    raised = stated.copy()
    raised[0] = max(raised[0], more)
    assert score(raised, 3) >= score(stated, 3) - 1e-9


def test_every_patient_is_scored_by_its_own_slices_in_alphabetical_order() -> None:
    stated = np.array([0.1, 0.6, 0.3, 0.9])

    scores = score_patients("top-k mean", stated, ["b", "a", "b", "a"], k=1)

    assert scores == pytest.approx([log_odds(0.9), log_odds(0.3)])


def test_the_manifest_says_which_rule_and_about_which_classes() -> None:
    assert PatientRule.of(manifest_of()) is None
    of_all = PatientRule.of(manifest_of(classes=CLASSES, patient_rule=PATIENT_RULE))
    asked = PatientRule.of(manifest_of(classes=CLASSES, patient_rule=PATIENT_RULE, positive_classes=["malignant"]))

    assert of_all == PatientRule("noisy-or", (0, 1), 0.5, 3)
    assert asked == PatientRule("noisy-or", (1,), 0.5, 3)
    assert asked.score_patients(np.array([[0.2, 0.7, 0.1]]), ["a"]) == pytest.approx([log_odds(0.7)])
    assert asked.reads_positive(np.array([0.4, 0.5])).tolist() == [False, True]


@pytest.mark.parametrize(("threshold", "positive"), [(2.0, True), (2.5, False)])
def test_a_patient_is_read_by_what_all_of_its_slices_say(threshold: float, positive: bool) -> None:
    slices = np.array([[0.1, 0.8, 0.1], [0.3, 0.5, 0.2]])

    reading = PatientRule("noisy-or", (1,), threshold).read(slices)

    assert reading.score == pytest.approx(log_odds(1 - 0.2 * 0.5))
    assert reading.probability == pytest.approx(0.9)
    assert (reading.rule, reading.threshold, reading.reads_positive) == ("noisy-or", threshold, positive)


def test_a_score_that_is_its_threshold_reads_positive() -> None:
    slices = np.array([[0.3, 0.7]])
    score = PatientRule("mean log-odds", (1,), 0.0).read(slices).score

    assert PatientRule("mean log-odds", (1,), score).read(slices).reads_positive


def test_certain_slices_of_large_studies_have_a_probability() -> None:
    for probability in (0.0, 1.0):
        for name in RULES:
            assert PatientRule(name, (0,), 0.0).read(np.full((4000, 1), probability)).probability == pytest.approx(
                probability, abs=0.01
            )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "its patients were not known in training"),
        ({"normal_class": None}, "training did not say which classes are positive"),
        ({"data": {"patients": 9}}, "its validation patients were all of one kind"),
    ],
)
def test_a_classifier_without_a_rule_says_why(changes: dict[str, Any], why: str) -> None:
    assert why_no_rule(manifest_of(**changes)) == f"the classifier has no rule for patients: {why}"


def test_positive_is_what_was_asked_for_or_all_but_the_normal_class() -> None:
    assert positive_numbers(CLASSES, "normal", None) == (0, 1)
    assert positive_numbers(CLASSES, None, ["malignant"]) == (1,)
    assert positive_numbers(CLASSES, None, None) is None
