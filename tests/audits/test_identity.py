"""The audit of identity: it finds the optimism of random folds where patients leave a mark, and none where not."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.audits.audit import NOTHING
from chest_cancer.audits.identity.audit import audit_identity, find_limitations
from chest_cancer.audits.identity.finders import count_pairs
from chest_cancer.audits.sample import look_at, sample_images
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from chest_cancer.sources.image_folder import ImageFolder

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=200)
PATIENTS, EACH = 60, 4


def png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def audit(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> Callable[..., dict[str, Any]]:
    """Audits images of patients whose embeddings hold their class, and of the patient as much as is asked for."""

    def run(signature: float, **changes: Any) -> dict[str, Any]:
        generator = np.random.default_rng(6)
        patient = np.repeat(np.arange(PATIENTS), EACH)
        label = np.where(patient % 2, "tumour", "normal")
        marks, borders = generator.normal(size=(PATIENTS, 512)), generator.integers(0, 256, (PATIENTS, 4))
        seen = generator.normal(size=(len(patient), 512)) + signature * 2 * marks[patient]
        seen[:, 0] += np.where(label == "tumour", 0.8, -0.8)
        pixels = generator.integers(0, 256, (len(patient), 32, 32))
        if signature:
            pixels[:, :2], pixels[:, -2:] = (borders[patient][:, side, None, None] for side in (0, 1))
            pixels[:, :, :2], pixels[:, :, -2:] = (borders[patient][:, side, None, None] for side in (2, 3))
        table = pd.DataFrame(
            {
                "path": [f"{name}/{number}.png" for number, name in enumerate(label)],
                "label": label,
                "pixel_sha256": [f"{number:064}" for number in range(len(patient))],
                "patient": patient.astype(str),
                "group": patient,
                "near_duplicates": np.arange(len(patient)),
            }
        ).assign(**changes)
        files = {path: png(grey) for path, grey in zip(table["path"], pixels, strict=True)}
        embedding = np.concatenate([seen, np.zeros_like(seen)], axis=1).astype(np.float32)
        features = {"pixel_sha256": table["pixel_sha256"].to_numpy(), "embedding": embedding}
        sample = sample_images(table, features, 3)
        looks = look_at(image_folder(files), sample, "lung")
        return audit_identity(sample, looks, PARAMETERS, 3).facts

    return run


def test_a_mark_of_the_patient_raises_the_score_of_random_folds_alone(audit: Callable[..., dict[str, Any]]) -> None:
    facts = audit(1.0)

    assert (facts["images"], facts["patients"]) == (PATIENTS * EACH, PATIENTS)
    folds, optimism = facts["compared"]["folds"], facts["compared"]["optimism"]
    assert [folds[kind]["groups"] for kind in ("random", "near-duplicates", "patients")] == [240, 240, 60]
    assert optimism["random"]["roc_auc"]["low"] > 0.1
    assert optimism["random"]["roc_auc"]["value"] == pytest.approx(
        folds["random"]["roc_auc"]["value"] - folds["patients"]["roc_auc"]["value"], abs=1e-6
    )
    assert facts["look_up"]["embedding"]["value"] > 0.9
    assert facts["look_up"]["border"]["low"] > 0.5 > facts["look_up"]["chance"] == pytest.approx(3 / 239)
    assert [limitation["title"] for limitation in facts["limitations"]] == [
        "Random splits of patients",
        "Fingerprints",
    ]
    (section,) = fill_sections([AuditedPart("identity", "", facts, {})])
    assert "<td>nothing: random folds</td>" in section.html
    assert "Of 360 pairs of images of one patient, groups of near-duplicates hold 0 (0.0 %)" in section.html


def test_without_a_mark_random_folds_are_no_better_and_nothing_is_found(audit: Callable[..., dict[str, Any]]) -> None:
    facts = audit(0.0)

    more = facts["compared"]["optimism"]["random"]["roc_auc"]
    assert more["low"] <= 0 <= more["high"]
    assert facts["look_up"]["border"]["low"] <= facts["look_up"]["chance"]
    assert facts["limitations"] == []


def test_where_a_patient_is_not_known_nothing_is_said(audit: Callable[..., dict[str, Any]]) -> None:
    assert audit(1.0, patient=[None, *["a"] * (PATIENTS * EACH - 1)]) == NOTHING.facts


def test_a_single_patient_of_a_class_gives_no_folds(audit: Callable[..., dict[str, Any]]) -> None:
    facts = audit(0.0, group=lambda table: np.where(table["label"] == "tumour", 0, table["group"] + 1))

    assert facts["compared"] is None
    assert find_limitations(facts) == []
    (section,) = fill_sections([AuditedPart("identity", "", facts, {})])
    assert "A class has a single patient" in section.html


def test_pairs_are_those_of_a_count_by_hand() -> None:
    patients, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])

    assert count_pairs(patients, groups) == {
        "same_patient": 4,
        "same_group": 3,
        "both": 1,
        "recall": 1 / 4,
        "precision": 1 / 3,
    }
    alone = count_pairs(np.arange(3), np.arange(3))
    assert (alone["recall"], alone["precision"]) == (None, None)
