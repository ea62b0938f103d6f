"""Nodes that look in the data for what makes figures too good: copies, look-alikes and shortcuts."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.audits.duplicates.copies import (
    count_duplicates,
    find_cross_split_twins,
    group_duplicates,
    show_duplicates,
)
from chest_cancer.audits.leakage.scores import compare_naive_and_grouped, draw_leakage_curve
from chest_cancer.audits.shortcuts.baselines import audit_shortcuts
from chest_cancer.datasets.arrays import Arrays
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.heads.registry import quick_head
from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.pipelines.model_evaluation.audit_plots import plot_leakage_curve, plot_shortcuts
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import unknown_as_none


def find_duplicates(
    images: ImageFolder,
    split_table: pd.DataFrame,
    features: Arrays,
    quarantine: pd.DataFrame,
    parameters: ModelEvaluationParameters,
) -> dict[str, Any]:
    """List copies and near-duplicates, and test images of the source that have a twin in its training folder.

    Args:
        images: The source's files.
        split_table: A row per image file.
        features: `pixel_sha256` and `embedding` of each distinct image.
        quarantine: Files that were not used, with the reason.
        parameters: The block `model_evaluation`.

    Returns:
        `counts`, `twins` and the largest `groups` with thumbnails; empty without audits.
    """
    if not parameters.audits:
        return {}
    twins = find_cross_split_twins(split_table, features)
    return {
        "counts": count_duplicates(split_table, twins, quarantine),
        "twins": twins.to_dict("records"),
        "groups": show_duplicates(group_duplicates(split_table), split_table, images),
    }


def audit_leakage(
    split_table: pd.DataFrame,
    features: Arrays,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> tuple[dict[str, Any], go.Figure]:
    """Compare the naive score with the grouped one, and draw how the score falls as look-alikes are kept together.

    Args:
        split_table: A row per image file.
        features: `pixel_sha256` and `embedding` of each distinct image.
        classifier: Gives the classes and the kind of head.
        parameters: The block `model_evaluation`.
        seed: Of folds and draws.

    Returns:
        `naive_and_grouped` and `curve`, and the curve's plot; empty without audits.
    """
    if not parameters.audits:
        return {}, go.Figure()
    classes, model = list(classifier.classes), quick_head(classifier.manifest, seed)
    compared = compare_naive_and_grouped(split_table, features, classes, model, parameters, seed)
    curve = draw_leakage_curve(split_table, features, classes, model, parameters, seed)
    plot = plot_leakage_curve(curve, parameters.confidence)
    return unknown_as_none({"naive_and_grouped": compared, "curve": curve}), plot


def audit_baselines(
    images: ImageFolder,
    split_table: pd.DataFrame,
    features: Arrays,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> tuple[dict[str, Any], go.Figure]:
    """Score baselines that see no anatomy beside the model.

    Args:
        images: The source's files.
        split_table: A row per image file.
        features: `pixel_sha256` and `embedding` of each distinct image.
        classifier: Gives the classes and the kind of head.
        parameters: The block `model_evaluation`.
        seed: Of folds, forests and draws.

    Returns:
        The baselines' figures and the verdict, and their plot; empty without audits or with too few groups.
    """
    if not parameters.audits:
        return {}, go.Figure()
    audit = audit_shortcuts(images, split_table, features, quick_head(classifier.manifest, seed), parameters, seed)
    return (unknown_as_none(audit), plot_shortcuts(audit, parameters.confidence)) if audit else ({}, go.Figure())
