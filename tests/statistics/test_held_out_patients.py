"""Figures of patients against hand computation; without patients nothing changes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from chest_cancer.network.patients import PatientRule
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.held_out_patients import PATIENT_METRICS
from chest_cancer.statistics.intervals import unknown_as_none, wilson
from measured import measure

CLASSES = ["benign", "malignant", "normal"]
FEW = ModelEvaluationParameters(bootstrap_repetitions=100)
RULE = PatientRule("top-k mean", (0, 1), 0.0)
NAMES = {name for name, _ in PATIENT_METRICS}


def table() -> pd.DataFrame:
    """Six patients of two slices each; `e` has slices of two classes, `c` is missed and `f` is a false alarm."""
    labels = ["malignant"] * 2 + ["benign"] * 2 + ["malignant"] * 2 + ["normal"] * 2 + ["normal", "benign"]
    labels += ["normal"] * 2
    normal = np.array([0.2, 0.3, 0.1, 0.4, 0.9, 0.8, 0.9, 0.9, 0.7, 0.1, 0.3, 0.4])
    rows = {
        "label": labels,
        "predicted": np.where(normal > 0.5, "normal", "malignant"),
        "group": np.repeat(np.arange(6), 2),
        "reason": None,
        "warning": None,
        "patient": np.repeat(list("abcdef"), 2),
        "probability_benign": 0.25 * (1 - normal),
        "probability_malignant": 0.75 * (1 - normal),
        "probability_normal": normal,
    }
    return pd.DataFrame(rows)


def test_figures_of_patients_equal_those_counted_by_hand_and_rest_on_patients() -> None:
    figures = measure(table(), CLASSES, "normal", 0.5, FEW, 0, patient_rule=RULE)

    expected = {"accuracy": (4, 6), "sensitivity": (3, 4), "specificity": (1, 2), "ppv": (3, 4), "npv": (1, 2)}
    for name, (hits, among) in (expected | {"mixed": (1, 6)}).items():
        figure = figures[f"patient_{name}"]
        assert (figure["value"], figure["n"]) == (pytest.approx(hits / among), among), name
        low, high = wilson(hits / among, among, 1.959964)
        assert (figure["low"], figure["high"]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    means = [0.75, 0.75, 0.15, 0.1, 0.6, 0.65]
    assert figures["patient_roc_auc"]["value"] == pytest.approx(roc_auc_score([1, 1, 1, 0, 1, 0], means))
    assert figures["patient_roc_auc"]["n"] == 6


def test_patients_of_one_group_count_as_correlated() -> None:
    apart, joined = (
        measure(rows, CLASSES, "normal", 0.5, FEW, 0, patient_rule=RULE)["patient_accuracy"]
        for rows in (table(), table().assign(group=np.repeat([0, 1, 2], 4)))
    )

    assert apart["value"] == joined["value"]
    assert joined["high"] - joined["low"] > apart["high"] - apart["low"]


@pytest.mark.parametrize("known", ["no column", "one missing", "no rule"])
def test_without_patients_there_are_no_figures_of_them_and_the_others_stay_as_they_are(known: str) -> None:
    rows, rule = table(), None if known == "no rule" else RULE
    if known == "no column":
        rows = rows.drop(columns="patient")
    if known == "one missing":
        rows.loc[3, "patient"] = None

    figures = measure(rows, CLASSES, "normal", 0.5, FEW, 0, patient_rule=rule)

    assert not NAMES & set(figures)
    whole = measure(table(), CLASSES, "normal", 0.5, FEW, 0, patient_rule=RULE)
    others = {name: figure for name, figure in whole.items() if name not in NAMES}
    assert unknown_as_none(figures) == unknown_as_none(others)


@pytest.mark.parametrize("normal_class", ["normal", None])
def test_sensitivity_is_about_the_positive_classes_and_the_threshold_about_any_disease(
    normal_class: str | None,
) -> None:
    threshold = None if normal_class is None else 0.5
    figures = measure(
        table(), CLASSES, normal_class, threshold, FEW, 0, None, ["malignant"], PatientRule("top-k mean", (1,), 0.0)
    )

    # Of four malignant slices two are answered as malignant, and of the other eight three.
    assert (figures["sensitivity"]["value"], figures["sensitivity"]["n"]) == (0.5, 4)
    assert (figures["specificity"]["value"], figures["specificity"]["n"]) == (3 / 8, 8)
    assert (figures["patient_sensitivity"]["value"], figures["patient_sensitivity"]["n"]) == (0.5, 2)
    if normal_class:
        assert figures["threshold_sensitivity"]["n"] == 7
