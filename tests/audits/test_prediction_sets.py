"""The audit of prediction sets: coverage as promised where test patients are like those of validation, and not else."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.prediction_sets.audit import audit_prediction_sets
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from undrawn import undrawn

CLASSES = ("benign", "normal", "tumour")
PARAMETERS = ModelEvaluationParameters()
MODEL = SimpleNamespace(classes=CLASSES)


def predictions(seed: int, groups: int, sharpness: float = 2.0, shift: float = 0.0) -> pd.DataFrame:
    """Three slices of each patient. `shift` makes the truth look less probable than it is."""
    generator = np.random.default_rng(seed)
    of = np.repeat(np.arange(groups), 3)
    numbers = of % len(CLASSES)
    logits = generator.standard_normal((groups, 3))[of] + 0.5 * generator.standard_normal((len(of), 3))
    logits[np.arange(len(of)), numbers] += sharpness - shift
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in CLASSES])
    return table.assign(label=np.array(CLASSES)[numbers], group=of)


def audit(seed: int, groups: int = 40, shift: float = 0.0) -> Finding:
    validation, test = predictions(seed, groups), predictions(seed + 500, 40, shift=shift)
    return audit_prediction_sets(validation, test, MODEL, PARAMETERS, 0)


def of_many(shift: float) -> list[dict]:
    with undrawn("chest_cancer.audits.prediction_sets.audit.plot_sets"):
        return [audit(seed, shift=shift).facts for seed in range(20)]


def test_test_patients_like_validation_patients_are_covered() -> None:
    found = of_many(shift=0.0)

    assert np.mean([facts["coverage"]["value"] for facts in found]) >= 0.9
    assert sum(facts["coverage"]["high"] < 0.9 for facts in found) <= 2


def test_test_patients_unlike_them_are_found_not_to_be() -> None:
    found = of_many(shift=2.0)

    assert sum(any(each["title"] == "Prediction sets" for each in facts["limitations"]) for facts in found) >= 18
    assert "test patients are not like validation patients" in found[0]["limitations"][0]["text"]


def test_sets_are_counted_by_their_size_and_shown() -> None:
    finding = audit(0)

    facts = finding.facts
    assert json.loads(json.dumps(facts)) == facts
    assert sum(figure["value"] for figure in facts["sizes"].values()) == 1
    assert (facts["images"], facts["groups"], facts["coverage"]["n"]) == (120, 40, 120)
    assert set(facts["classes"]) == set(CLASSES)
    (section,) = fill_sections([AuditedPart("prediction_sets", "", facts, finding.plots)])
    assert "90 % were promised" in section.html
    assert "one: an answer" in section.html


def test_too_few_validation_patients_promise_nothing_and_say_so() -> None:
    finding = audit(0, groups=6)

    assert finding.facts["limit"] == 0
    assert finding.facts["sizes"]["3"]["value"] == 1
    (section,) = fill_sections([AuditedPart("prediction_sets", "", finding.facts, finding.plots)])
    assert "6 groups of validation images are too few to promise 90 %" in section.html
