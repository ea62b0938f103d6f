"""The audit of the decision curve: a classifier that knows something is worth something, and a guess is not."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from chest_cancer.audits.decision_curve.audit import audit_decision_curve
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from undrawn import undrawn

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=200)


def model(normal: str | None = "normal", positive: tuple[str, ...] | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        classes=("normal", "tumour"), manifest=SimpleNamespace(normal_class=normal, positive_classes=positive)
    )


def predictions(seed: int, signal: float, count: int = 160) -> pd.DataFrame:
    """Two slices of each patient; calibrated probabilities of a disease that half of them have."""
    generator = np.random.default_rng(seed)
    groups = np.arange(count) // 2
    risk = 1 / (1 + np.exp(-signal * generator.standard_normal(count // 2)[groups]))
    tumour = generator.random(count) < risk
    return pd.DataFrame(
        {
            "label": np.where(tumour, "tumour", "normal"),
            "group": groups,
            "probability_normal": 1 - risk,
            "probability_tumour": risk,
        }
    )


def audit(seed: int, signal: float) -> dict:
    return audit_decision_curve(predictions(seed, signal), model(), PARAMETERS, 0).facts


def useful(signal: float) -> int:
    """In how many of 20 studies it is worth something at one half."""
    with undrawn("chest_cancer.audits.decision_curve.audit.plot_decision_curve"):
        return sum(0.5 in audit(seed, signal)["useful"] for seed in range(20))


def test_a_classifier_that_knows_is_worth_more_than_treating_all_or_nobody() -> None:
    assert useful(3.0) >= 18


def test_a_guess_is_worth_nothing_beyond_them() -> None:
    assert useful(0.0) <= 2


def test_the_curve_is_told_drawn_and_stored() -> None:
    finding = audit_decision_curve(predictions(0, 3.0), model(), PARAMETERS, 0)

    facts = finding.facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["positive"] == ["tumour"]
    assert facts["limitations"] == []
    assert "acting on the classifier is worth more than treating everybody or nobody" in facts["sentence"]
    first = facts["points"][0]
    assert first["all"]["low"] < first["all"]["value"] < first["all"]["high"]
    assert first["model"]["n"] == 160
    (section,) = fill_sections([AuditedPart("decision_curve", "", facts, finding.plots)])
    assert "plotly-graph-div" in section.html
    assert section.html.count("<tr><td") == 19


def test_no_benefit_is_a_limitation() -> None:
    facts = audit(1, 0.0)

    assert [each["title"] for each in facts["limitations"]] == ["Decisions"]
    assert "At no threshold" in facts["sentence"] or not any(0.05 <= t <= 0.5 for t in facts["useful"])


@pytest.mark.parametrize("labels", ["normal", "tumour"])
def test_without_both_kinds_of_images_there_is_no_curve(labels: str) -> None:
    assert audit_decision_curve(predictions(0, 1.0).assign(label=labels), model(), PARAMETERS, 0).facts == {}


def test_where_nobody_said_what_is_positive_there_is_no_curve() -> None:
    assert audit_decision_curve(predictions(0, 1.0), model(normal=None), PARAMETERS, 0).facts == {}
