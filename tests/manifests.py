"""Manifests for tests."""

from typing import Any

from chest_cancer.imaging.standardise import PREPROCESSING_VERSION
from chest_cancer.network.manifest import Manifest

FACTS: dict[str, Any] = {
    "format_version": 1,
    "preprocessing_version": PREPROCESSING_VERSION,
    "classes": ["adenocarcinoma", "normal"],
    "normal_class": "normal",
    "input": {"name": "image", "shape": [None, 224, 224, 3], "dtype": "uint8", "colour": "RGB"},
    "head": "linear",
    "head_reason": "asked for",
    "temperature": 1.5,
    "operating_point": {"threshold": 0.42, "target_sensitivity": 0.95},
    "precision": "fp32",
    "validation": {"images": 48, "loss": 0.4, "accuracy": 0.8},
    "splits": {"test": 48, "train": 144, "validation": 48},
    "split_digest": "e" * 64,
    "data": {
        "location": "phantom",
        "kind": "phantom",
        "synthetic": True,
        "archive_sha256": None,
        "digest": "38169b7d" * 8,
        "files": 240,
        "readable": 240,
        "quarantined": 0,
        "images": 240,
        "distinct_by_content": 240,
        "distinct_by_pixels": 240,
        "patients": None,
        "classes": {"adenocarcinoma": {"images": 120, "distinct": 120}, "normal": {"images": 120, "distinct": 120}},
    },
    "provenance": {
        "created": "2026-11-23T06:33:34+00:00",
        "code_version": "1.2.3",
        "git_commit": "0123456789abcdef",
        "git_clean": True,
        "mlflow_run_id": "5fa5a1e684634dff",
    },
}
"""Those of a classifier of phantoms, without what the first classifiers lacked."""

PATIENT_RULE: dict[str, Any] = {
    "rule": "noisy-or", "k": 3, "threshold": 0.5, "target_sensitivity": 0.9, "reason": "asked for",
    "positive": 12, "negative": 13, "compared": [],
}  # fmt: skip
"""How one whose patients were known reads them."""


def manifest_of(**changes: Any) -> Manifest:
    """Make a manifest; changes to `data` and `provenance` go into what these hold, other ones replace."""
    nested = {name: FACTS[name] | changes.pop(name, {}) for name in ("data", "provenance")}
    return Manifest.model_validate(FACTS | nested | changes)
