"""The first sentence of the reports is true whatever the figures are."""

from typing import Any

import pytest

from chest_cancer.reporting.templates import AuditedPart
from chest_cancer.reporting.verdict import judge, judge_data
from manifests import manifest_of

REAL = manifest_of(data={"synthetic": False})


def figure(low: float, value: float | None, high: float, n: int = 81) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": n}


def metrics(area: dict[str, Any], patients: str = "known") -> dict[str, Any]:
    counted = {"patient_accuracy": figure(0.4, 0.6, 0.8, 26)} if patients == "known" else {}
    return {"patients": patients, "roc_auc": area, **counted}


def shortcuts(is_one: bool) -> AuditedPart:
    baseline = {"name": "brightness", "shortcut": is_one, "roc_auc": figure(0.91, 0.97, 0.99)}
    return AuditedPart("shortcuts", "", {"best": "brightness", "baselines": [baseline]}, {})


def leakage() -> AuditedPart:
    ends = {"lowest": figure(0.7, 0.8, 0.9), "grouped": figure(0.85, 0.9, 0.95)}
    return AuditedPart("leakage", "", {"other_patients": {"roc_auc": ends}}, {})


@pytest.mark.parametrize(
    ("measured", "audits", "sentence"),
    [
        (
            metrics(figure(0.85, 0.9, 0.95)),
            [shortcuts(False)],
            "The classifier tells adenocarcinoma from normal better than chance in patients that it has not seen (AUC "
            "0.90 [0.85, 0.95], 81 images of 26 patients).",
        ),
        (
            metrics(figure(0.5, 0.7, 0.9)),
            [shortcuts(True)],
            "The classifier was not shown to tell adenocarcinoma from normal any better than chance (AUC 0.70 [0.50, "
            "0.90], 81 images of 26 patients).",
        ),
        (
            metrics(figure(0.6, 0.8, 0.95)),
            [shortcuts(False)],
            "The classifier tells adenocarcinoma from normal better than chance in patients that it has not seen (AUC "
            "0.80 [0.60, 0.95], 81 images of 26 patients), but so few patients can't say how much better.",
        ),
        (
            metrics(figure(0.6, 0.9, 0.95), "unknown"),
            [shortcuts(True), leakage()],
            "The classifier tells adenocarcinoma from normal better than chance on test images whose patients it may "
            "have seen (AUC 0.90 [0.60, 0.95], 81 images), but brightness alone, without anatomy, tells the classes "
            "apart with AUC 0.97 [0.91, 0.99], and for other patients it may be 0.70 to 0.95, "
            "intervals included.",
        ),
        (
            metrics(figure(0.85, 0.9, 0.95), "unknown"),
            [],
            "The classifier tells adenocarcinoma from normal better than chance on test images whose patients it may "
            "have seen (AUC 0.90 [0.85, 0.95], 81 images), but nobody looked for copies, leakage and shortcuts, and "
            "for other patients nothing was measured.",
        ),
        (
            metrics(figure(0.85, 0.9, 0.95), "unknown"),
            [leakage()],
            "The classifier tells adenocarcinoma from normal better than chance on test images whose patients it may "
            "have seen (AUC 0.90 [0.85, 0.95], 81 images), but whether anything without anatomy tells the classes "
            "apart is not known, and for other patients it may be 0.70 to 0.95, intervals included.",
        ),
        (
            metrics(figure(0.0, None, 1.0)),
            [],
            "How well the classifier tells adenocarcinoma from normal is not known: the test split lacks images of a "
            "class.",
        ),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_the_figures(
    measured: dict[str, Any], audits: list[AuditedPart], sentence: str
) -> None:
    assert judge(measured, REAL, audits) == sentence


def test_the_verdict_on_phantoms_says_so() -> None:
    sentence = judge(metrics(figure(0.85, 0.9, 0.95)), manifest_of(), [shortcuts(False)])

    assert sentence.startswith("On computer-drawn phantoms, the classifier tells adenocarcinoma from normal better")


def test_the_verdict_counts_more_than_two_classes() -> None:
    many = manifest_of(classes=["a", "b", "c"], normal_class=None, data={"synthetic": False})

    assert judge(metrics(figure(0.85, 0.9, 0.95)), many, []).startswith("The classifier tells its 3 classes apart bet")


def test_the_verdict_on_data_counts_pictures_and_names_a_shortcut() -> None:
    data = REAL.data.model_copy(update={"files": 343, "distinct_by_pixels": 249})

    assert judge_data(data, [shortcuts(True)]) == (
        "The images are 249 distinct pictures in 343 files, of patients that are not known; brightness alone, without "
        "anatomy, tells the classes apart with AUC 0.97 [0.91, 0.99]."
    )
    assert judge_data(data, [shortcuts(False)]).endswith("no anatomy was found to tell the classes apart.")
    assert judge_data(data, []).endswith("nobody looked for copies, leakage and shortcuts.")
    assert judge_data(manifest_of(data={"patients": 40}).data, []).startswith(
        "Phantoms drawn by a computer are 240 distinct pictures in 240 files, of 40 patients; "
    )
