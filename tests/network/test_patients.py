"""The rules for patients: from slices to one score."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chest_cancer.network.patients import RULES, PatientRule, mean_log_odds, noisy_or, score_patients, top_mean
from chest_cancer.network.predictions import positive_numbers
from manifests import manifest_of

CLASSES = ("benign", "malignant", "normal")
POINT = {
    "rule": "noisy-or", "k": 3, "threshold": 0.5, "target_sensitivity": 0.9, "reason": "asked for",
    "positive": 12, "negative": 13, "compared": [],
}  # fmt: skip
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
    assert PatientRule(name, (0,), 0.0).score(np.array([0.7])) == pytest.approx(log_odds(0.7))


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
    stated, rule = np.array(slices), PatientRule(name, (0,), 0.0)

    assert rule.score(np.random.default_rng(seed).permutation(stated)) == rule.score(stated)
    raised = stated.copy()
    raised[0] = max(raised[0], more)
    assert rule.score(raised) >= rule.score(stated) - 1e-9


def test_every_patient_is_scored_by_its_own_slices_in_alphabetical_order() -> None:
    stated = np.array([0.1, 0.6, 0.3, 0.9])

    scores = score_patients("top-k mean", stated, ["b", "a", "b", "a"], k=1)

    assert scores == pytest.approx([log_odds(0.9), log_odds(0.3)])


def test_the_manifest_says_which_rule_and_about_which_classes() -> None:
    assert PatientRule.of(manifest_of()) is None
    of_all = PatientRule.of(manifest_of(classes=CLASSES, patient_rule=POINT))
    asked = PatientRule.of(manifest_of(classes=CLASSES, patient_rule=POINT, positive_classes=["malignant"]))

    assert of_all == PatientRule("noisy-or", (0, 1), 0.5, 3)
    assert asked == PatientRule("noisy-or", (1,), 0.5, 3)
    assert asked.score_patients(np.array([[0.2, 0.7, 0.1]]), ["a"]) == pytest.approx([log_odds(0.7)])
    assert asked.reads_positive(np.array([0.4, 0.5])).tolist() == [False, True]


def test_positive_is_what_was_asked_for_or_all_but_the_normal_class() -> None:
    assert positive_numbers(CLASSES, "normal", None) == (0, 1)
    assert positive_numbers(CLASSES, None, ["malignant"]) == (1,)
    assert positive_numbers(CLASSES, None, None) is None
