"""The audit of refusal: whether the classifier declines what is no chest CT, and only that."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from chest_cancer.audits.audit import NOTHING, Audit, Finding
from chest_cancer.audits.refusal.detection import measure_refusal, predict_foreign_images
from chest_cancer.audits.refusal.plot import plot_refusal
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import StoredFigure

_MOST_FALSE_REFUSALS, _FEWEST_DETECTED = 0.05, 0.95
"""What abstention is expected to reach; beyond either it is a limitation."""


def audit_refusal(
    test_predictions: pd.DataFrame,
    metrics: dict[str, StoredFigure],
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Show the classifier images that are no chest CT.

    Args:
        test_predictions: A row per distinct test image, with `distance`.
        metrics: What was measured on them.
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Random seed for crops and drawings.

    Returns:
        How many images of each kind are refused, and a plot of distances; nothing for a classifier without limits.
    """
    limits = classifier.manifest.abstention
    if limits is None:
        return NOTHING
    foreign = predict_foreign_images(classifier, parameters.foreign_images, seed)
    refusal = dict(measure_refusal(foreign, parameters.confidence))
    plots = {"refusal": plot_refusal(test_predictions, foreign, limits.distance_limit)}
    return Finding(refusal | listed(find_limitations(refusal, metrics)), plots)


def find_limitations(facts: dict[str, Any], metrics: Mapping[str, StoredFigure]) -> list[Limitation]:
    """Say what the facts, and the figures of the test split, do not support."""
    parts, detected, refused = [], facts["photographs_and_text"]["refused"], metrics["false_refusal"]
    if detected["value"] is not None and detected["value"] < _FEWEST_DETECTED:
        parts.append(f"Of photographs and text pages only {in_words(detected)} are refused (n {detected['n']}).")
    if refused["value"] is not None and refused["value"] > _MOST_FALSE_REFUSALS:
        parts.append(f"Of test slices {in_words(refused)} are called no chest CT (n {refused['n']}).")
    return [Limitation("Abstention", " ".join(parts))] if parts else []


REFUSAL = Audit(
    name="refusal",
    title="Abstention: what is no chest CT",
    subject="model",
    inputs=("test_predictions", "metrics", "classifier"),
    run=audit_refusal,
    plots=("refusal",),
)
