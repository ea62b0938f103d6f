"""The manifest: today's files, those of older classifiers, and what a wrong one says."""

import json
import subprocess
import sys
from typing import Any

import pytest

from chest_cancer.network.manifest import Manifest
from chest_cancer.parameters.blocks import StandardisationParameters
from manifests import FACTS, manifest_of

LATER = ("head_reason", "preprocessing_version", "split_digest")
WHOLE = FACTS | {
    "preprocessing_version": 1,
    "standardisation": {"window": "lung", "brightness": "clahe", "crop": "body"},
    "head": "kernel",
    "kernel": {"width": 0.7, "landmarks": 30},
    "answer_rule": "operating threshold",
    "positive_classes": ["adenocarcinoma"],
    "patient_rule": {
        "rule": "noisy-or",
        "k": 3,
        "threshold": -0.25,
        "target_sensitivity": 0.95,
        "reason": "largest area",
        "positive": 12,
        "negative": 14,
        "compared": [{"rule": "noisy-or", "roc_auc": 0.9, "low": 0.7, "high": 1.0, "patients": 26}],
    },
    "abstention": {
        "distance_limit": 2.0,
        "usual_distance": 1.5,
        "confidence_limit": 0.6,
        "validation_images": 48,
        "validation_refused": 0.0,
        "validation_unusual": 0.05,
        "validation_unsure": 0.1,
    },
    "self_test": {"probabilities": {"adenocarcinoma": 0.25, "normal": 0.75}},
    "int8": {
        "kept": True,
        "reason": "größer",
        "calibration_images": 6,
        "compared": [
            {
                "precision": "fp32",
                "images": 6,
                "accuracy": 1.0,
                "changed": 0,
                "cosine": 1.0,
                "evidence_cosine": 0.5,
            }
        ],
    },
}


@pytest.mark.parametrize("facts", [FACTS, WHOLE])
def test_what_is_read_is_written_as_it_was(facts: dict[str, Any]) -> None:
    order = [name for name in Manifest.model_fields if name in facts]
    content = json.dumps({name: facts[name] for name in order}, indent=2, ensure_ascii=False) + "\n"

    assert Manifest.read(content).to_json() == content
    assert Manifest.read(content.encode()) == Manifest.read(content)


def test_what_a_manifest_got_by_default_in_a_part_is_written_out() -> None:
    chosen = StandardisationParameters(crop="body")

    written = json.loads(manifest_of(standardisation=chosen).to_json())

    assert written["standardisation"] == {"window": "lung", "brightness": "none", "crop": "body"}


def test_the_manifest_of_an_older_classifier_says_what_held_then() -> None:
    older = Manifest.read(json.dumps({name: fact for name, fact in FACTS.items() if name not in LATER}))

    assert older.preprocessing_version == 1
    assert older.standardisation == StandardisationParameters(brightness="none", crop="none")
    assert (older.head_reason, older.kernel, older.abstention, older.split_digest) == (None, None, None, None)
    assert (older.self_test, older.int8) == (None, None)
    assert (older.positive_classes, older.patient_rule) == (None, None)
    assert older.answer_rule == "most probable class"


@pytest.mark.parametrize("version", [0, 2, None])
def test_another_format_is_refused_with_the_cure(version: int | None) -> None:
    with pytest.raises(ValueError, match=rf"expected format_version 1\. Received: {version}\. Train the model again"):
        Manifest.read(json.dumps(FACTS | {"format_version": version}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"head": "conv"},
            r"`head`: Input should be 'linear', 'dense', 'kernel' or 'cells'\. Received: conv\.",
        ),
        ({"note": 1}, r"`note`: Extra inputs are not permitted\. Received: 1\."),
        (
            {"standardisation": {"brightness": "gamma"}},
            r"`standardisation\.brightness`: Input should be 'none', 'percentile', 'equalise' or 'clahe'\. Received: g",
        ),
        ({"temperature": None}, r"`temperature`: Input should be a valid number\. Received: None\."),
    ],
)
def test_a_wrong_entry_is_named_with_what_was_expected_and_received(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^Invalid manifest: {message}"):
        Manifest.read(json.dumps(FACTS | changes))


def test_a_manifest_is_read_without_numpy() -> None:
    code = "import sys, chest_cancer.network.manifest; print('numpy' in sys.modules)"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "False"
