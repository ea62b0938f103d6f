"""The audit of refusal: whether the classifier declines what is no chest CT, and knows where its probabilities hold."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.refusal.detection import (
    measure_chests,
    measure_refusal,
    measure_trade,
    predict_foreign_images,
)
from chest_cancer.audits.refusal.foreign_chests import foreign_chests
from chest_cancer.audits.refusal.foreign_images import foreign_images
from chest_cancer.audits.refusal.plot import plot_refusal, plot_trade
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import StoredFigure

_MOST_FALSE_REFUSALS, _FEWEST_DETECTED, _MOST_PROBABLE = 0.05, 0.95, 0.2
"""What abstention is expected to reach; beyond any of them it is a limitation."""


def audit_refusal(
    test_predictions: pd.DataFrame,
    metrics: dict[str, StoredFigure],
    classifier: Classifier,
    raw_images: ImageFolder,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Show the classifier images that are no chest CT, and chest CT unlike its training images.

    Args:
        test_predictions: A row per distinct test image, with `path`, `group` and `distance`.
        metrics: What was measured on them.
        classifier: The trained classifier.
        raw_images: The source's files.
        parameters: The block `model_evaluation`.
        seed: Random seed for crops and drawings.

    Returns:
        How many images of each kind are refused, `chests`, what becomes of chest CT, `trade`, what other limits would
        do, `own`, what they do to test slices, and plots of distances and of the trade; nothing for a classifier
        without limits.
    """
    limits = classifier.manifest.abstention
    if limits is None:
        return NOTHING
    most, confidence = parameters.foreign_images, parameters.confidence
    foreign = predict_foreign_images(classifier, foreign_images(seed, most))
    chests = predict_foreign_images(classifier, foreign_chests(classifier, raw_images, test_predictions, seed, most))
    trade = measure_trade(test_predictions, chests, limits, confidence)
    facts = {
        **measure_refusal(foreign, confidence),
        "chests": measure_chests(chests, confidence),
        "trade": trade,
        "own": {name: metrics[name] for name in ("false_refusal", "warned")},
    }
    shown = pd.concat([chests, foreign], ignore_index=True)
    plots = {"refusal": plot_refusal(test_predictions, shown, limits), "refusal_trade": plot_trade(trade)}
    return Finding(facts | listed(find_limitations(facts, metrics)), plots)


def find_limitations(facts: dict[str, Any], metrics: Mapping[str, StoredFigure]) -> list[Limitation]:
    """Say what the facts, and the figures of the test split, do not support."""
    parts, detected, refused = [], facts["photographs_and_text"]["refused"], metrics["false_refusal"]
    if detected["value"] is not None and detected["value"] < _FEWEST_DETECTED:
        parts.append(f"Of photographs and text pages only {in_words(detected)} are refused (n {detected['n']}).")
    if refused["value"] is not None and refused["value"] > _MOST_FALSE_REFUSALS:
        parts.append(f"Of test slices {in_words(refused)} are called no chest CT (n {refused['n']}).")
    probable = facts["chests"]["foreign"]["probable"]
    if probable["value"] is not None and probable["value"] > _MOST_PROBABLE:
        parts.append(
            f"Of chest CT unlike the training images {in_words(probable)} are answered with a probability, as if it "
            f"held for them (n {probable['n']})."
        )
    return [Limitation("Abstention", " ".join(parts))] if parts else []
