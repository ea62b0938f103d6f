"""The audit of metadata: it finds columns that say the class, and none where they say nothing of it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.metadata.audit import audit_metadata
from chest_cancer.audits.sample import sample_images
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from chest_cancer.statistics.association import cramers_v

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=300)
PATIENTS, EACH = 80, 3


def audit(known: bool = True, **columns: Any) -> Finding:
    """Audit images of patients, half of each class, whose embeddings hold their class."""
    generator = np.random.default_rng(4)
    patient = np.repeat(np.arange(PATIENTS), EACH)
    label = np.where(patient % 2, "tumour", "normal")
    table = pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(len(patient))],
            "label": label,
            "pixel_sha256": [f"{number:064}" for number in range(len(patient))],
            "patient": patient.astype(str) if known else None,
            "group": patient,
        }
    )
    embedding = generator.normal(size=(len(patient), 1024)).astype(np.float32)
    embedding[:, 0] += np.where(label == "tumour", 1.5, -1.5)
    features = {"pixel_sha256": table["pixel_sha256"].to_numpy(), "embedding": embedding}
    metadata = pd.DataFrame({"path": table["path"], **{name: of[patient] for name, of in columns.items()}})
    return audit_metadata(sample_images(table, features, 3), metadata.sample(frac=1, random_state=1), PARAMETERS, 3)


RANDOM = np.random.default_rng(5).choice(["F", "M"], PATIENTS)
SAME = np.where(np.arange(PATIENTS) % 2, "site 1", "site 2")


def page(facts: dict[str, Any]) -> str:
    (section,) = fill_sections([AuditedPart("metadata", "", facts, {})])
    return section.html


def test_a_column_that_is_the_class_in_other_words_is_associated_with_it_and_a_random_one_is_not() -> None:
    facts, plots, _ = audit(sex=RANDOM, site=SAME)

    sex, site = facts["columns"]
    assert (sex["name"], site["name"]) == ("sex", "site")
    assert site["association"]["value"] == pytest.approx(1)
    assert sex["association"]["low"] == 0
    assert sex["association"]["value"] < 0.2
    assert site["groups"] == [
        {"group": "site 1", "images": 120, "patients": 40, "classes": {"normal": 0, "tumour": 120}},
        {"group": "site 2", "images": 120, "patients": 40, "classes": {"normal": 120, "tumour": 0}},
    ]
    assert plots == {}
    baseline = facts["baseline"]
    assert baseline["metadata"]["roc_auc"]["value"] == 1
    assert baseline["model_adds"]["high"] < 0
    assert baseline["most_frequent"]["value"] == 0.5
    (limitation,) = facts["limitations"]
    assert limitation["title"] == "Classes that differ in metadata"
    assert "with an area under the ROC curve of 1.00 [0.9" in limitation["text"]
    assert "`site` goes most surely with the class (Cramér's V 1.00 [0." in limitation["text"]
    assert "these columns, and no picture" in page(facts)


def test_columns_that_say_nothing_of_the_class_are_no_limitation() -> None:
    facts, *_ = audit(sex=RANDOM, age=np.random.default_rng(6).choice(["20 to 39", "40 to 59", None], PATIENTS))

    low, high = (facts["baseline"]["metadata"]["roc_auc"][end] for end in ("low", "high"))
    assert low < 0.6
    assert high > 0.4
    assert facts["baseline"]["model_adds"]["low"] > 0
    assert facts["limitations"] == []
    assert [row["group"] for row in facts["columns"][1]["groups"]] == ["20 to 39", "40 to 59", "not stated"]
    assert facts["patients"] == PATIENTS


def test_that_one_class_alone_has_metadata_is_found() -> None:
    facts, *_ = audit(sex=np.where(SAME == "site 1", RANDOM, None))

    assert facts["columns"][0]["association"]["low"] > 0.5
    assert facts["limitations"]


def test_where_patients_are_unknown_groups_of_near_duplicates_stand_in_for_them() -> None:
    facts, *_ = audit(known=False, sex=RANDOM)

    assert facts["patients"] is None
    assert sum(row["patients"] for row in facts["columns"][0]["groups"]) == PATIENTS
    assert "intervals are over groups of near-duplicates" in page(facts)


def test_of_images_that_nobody_described_one_sentence_says_so() -> None:
    facts, plots, _ = audit()

    assert (facts, plots) == ({"columns": [], "limitations": []}, {})
    assert page(facts).count("<p>") == 1
    assert "no table and no DICOM file says sex, age, scanner or the like" in page(facts)


def figure_of(first: list[int], second: list[int], groups: list[int] | None = None) -> dict[str, Any]:
    members = np.array(groups if groups is not None else range(len(first)))
    return {**cramers_v(np.array(first), np.array(second), members, 0.95)}


def test_the_association_is_that_of_bergsmas_formula() -> None:
    table = [[30, 10], [12, 18]]
    first, second = zip(*[(i, j) for i in (0, 1) for j in (0, 1) for _ in range(table[i][j])], strict=True)
    n, counts = 70, np.array(table)
    phi = (counts**2 / (counts.sum(1, keepdims=True) * counts.sum(0))).sum() - 1
    expected = np.sqrt((phi - 1 / (n - 1)) / (1 - 1 / (n - 1)))

    found = figure_of(list(first), list(second))

    assert found["value"] == pytest.approx(expected)
    assert 0 < found["low"] < expected < found["high"] < 1


def test_more_images_of_the_same_patients_are_no_more_proof() -> None:
    generator = np.random.default_rng(8)
    first, second = generator.integers(0, 3, 50).tolist(), generator.integers(0, 2, 50).tolist()

    once, often = figure_of(first, second), figure_of(first * 9, second * 9, list(range(50)) * 9)

    assert {**often, "n": 50} == pytest.approx(once)


def test_a_single_kind_goes_with_nothing() -> None:
    found = figure_of([0, 0, 0, 0], [0, 1, 0, 1])

    assert np.isnan(found["value"])
    assert (found["low"], found["high"]) == (0, 1)
