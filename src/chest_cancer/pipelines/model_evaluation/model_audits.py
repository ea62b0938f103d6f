"""Nodes that look at the classifier: what it refuses, what it looks at, and what makes it change its mind."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.audits.evidence.agreement import (
    DELETED_CELLS,
    compare_with_masks,
    delete_cells,
    measure_deletion,
    measure_overlaps,
)
from chest_cancer.audits.refusal.detection import measure_refusal, predict_foreign_images
from chest_cancer.audits.robustness.changes import measure_robustness, predict_perturbed_images
from chest_cancer.datasets.arrays import Arrays
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.pipelines.model_evaluation.audit_plots import plot_deletion, plot_refusal, plot_robustness
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import unknown_as_none
from chest_cancer.statistics.sampling import draw_images


def audit_refusal(
    test_predictions: pd.DataFrame, classifier: Classifier, parameters: ModelEvaluationParameters, seed: int
) -> tuple[dict[str, Any], go.Figure]:
    """Show the classifier images that are no chest CT.

    Args:
        test_predictions: A row per distinct test image, with `distance`.
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Of crops and drawings.

    Returns:
        How many are refused, of each kind, and a plot of distances; empty without audits or without limits.
    """
    limits = classifier.manifest.abstention
    if not parameters.audits or limits is None:
        return {}, go.Figure()
    foreign = predict_foreign_images(classifier, parameters.foreign_images, seed)
    plot = plot_refusal(test_predictions, foreign, limits.distance_limit)
    return unknown_as_none(measure_refusal(foreign, parameters.confidence)), plot


def audit_evidence(
    images: ImageFolder,
    test_predictions: pd.DataFrame,
    test_evidence: Arrays,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> tuple[dict[str, Any], go.Figure]:
    """Compare evidence maps with lesion masks, with what deletions do, and with those of a shuffled head.

    Args:
        images: The source's files and, for phantoms, lesion masks.
        test_predictions: A row per distinct test image.
        test_evidence: `evidence` in each, [n, K, h, w].
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Of the draw of images, of random cells and the shuffled head.

    Returns:
        `overlaps` with masks, None where there are none; `deletion`, `deleted_cells`, and `shuffled_correlation`, the
        mean rank correlation of maps before and after the head's weights are shuffled, near 0 for maps that depend on
        what was learned (Adebayo et al., 2018, Sanity checks for saliency maps); and a plot of the deletion test. Empty
        without audits.
    """
    if not parameters.audits:
        return {}, go.Figure()
    maps = test_evidence["evidence"]
    compared = compare_with_masks(images, test_predictions, maps, classifier)
    drawn = draw_images(test_predictions, parameters.deletion_images, seed)
    deleted = delete_cells(images, drawn, maps[drawn.index], classifier, seed)
    audit = {
        "overlaps": measure_overlaps(compared, parameters.confidence),
        "deletion": measure_deletion(deleted),
        "deleted_cells": DELETED_CELLS,
        "shuffled_correlation": float(deleted["shuffled_correlation"].mean()),
    }
    return unknown_as_none(audit), plot_deletion(deleted)


def audit_robustness(
    images: ImageFolder,
    test_predictions: pd.DataFrame,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> tuple[dict[str, Any], go.Figure]:
    """Change test images in ways that do not change what they show.

    Args:
        images: The source's files.
        test_predictions: A row per distinct test image.
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Of the draw of images, and of noise.

    Returns:
        `changes`, an item for the unchanged images and for each perturbation, and their plot; empty without audits.
    """
    if not parameters.audits:
        return {}, go.Figure()
    drawn = draw_images(test_predictions, parameters.perturbed_images, seed)
    perturbed = predict_perturbed_images(images, drawn, classifier, seed)
    normal_class = classifier.manifest.normal_class
    changes = measure_robustness(perturbed, list(classifier.classes), normal_class, parameters.confidence)
    return unknown_as_none({"changes": changes}), plot_robustness(changes, parameters.confidence)
