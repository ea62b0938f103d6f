"""Nodes of reporting."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.audits.audit import parts_of
from chest_cancer.audits.registry import AUDITS
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.pictures import Gallery
from chest_cancer.reporting.plots import plot_confusion, plot_history, plot_reliability, plot_roc
from chest_cancer.reporting.report import render_model_card, render_report
from chest_cancer.reporting.verdict import judge
from chest_cancer.storage.figures import StoredFigure

PLOTS = ("confusion", "roc", "reliability", "history")
"""Names of what `plot_evaluation` draws, in its order."""


def plot_evaluation(
    test_predictions: pd.DataFrame,
    metrics: dict[str, StoredFigure],
    classifier: Classifier,
    training_history: pd.DataFrame,
    parameters: ModelEvaluationParameters,
    min_delta: float,
) -> tuple[go.Figure, go.Figure, go.Figure, go.Figure]:
    """Draw the plots of the evaluation.

    Args:
        test_predictions: A row per distinct test image.
        metrics: What was measured on them.
        classifier: Gives the classes.
        training_history: Loss of each epoch.
        parameters: The block `model_evaluation`.
        min_delta: `model_training.early_stopping.min_delta`: which epoch was kept.

    Returns:
        Confusion matrix, ROC curve, reliability diagram and training curves.
    """
    classes, manifest = list(classifier.classes), classifier.manifest
    return (
        plot_confusion(test_predictions, classes),
        plot_roc(
            test_predictions,
            classes,
            manifest.normal_class,
            metrics,
            parameters.confidence,
            manifest.positive_classes,
        ),
        plot_reliability(test_predictions, classes, manifest.temperature, parameters.confidence),
        plot_history(training_history, min_delta),
    )


def write_report(
    metrics: dict[str, Any],
    classifier: Classifier,
    quarantine: pd.DataFrame,
    parameters: ModelEvaluationParameters,
    promotion: dict[str, Any],
    gallery: Gallery,
    **audits_and_plots: Any,
) -> str:
    """Write the report: one HTML page that needs no network.

    Args:
        metrics: What was measured on the test images, and whether patients are known.
        classifier: Its manifest says what it was trained on.
        quarantine: Files that were not used, with the reason.
        parameters: The block `model_evaluation`.
        promotion: Decision of the gate, with its reason.
        gallery: Test images under their evidence maps.
        audits_and_plots: Facts and plots of each audit, and each `evaluation_plot_<name>`, by catalog name.

    Returns:
        The page.
    """
    return render_report(
        metrics,
        classifier.manifest,
        quarantine,
        parts_of(AUDITS, audits_and_plots),
        {name: audits_and_plots[f"evaluation_plot_{name}"] for name in PLOTS},
        parameters.confidence,
        promotion["reason"],
        gallery,
    )


def state_verdict(metrics: dict[str, Any], classifier: Classifier, **audits: Any) -> str:
    """State in one sentence what may be believed: what the report begins with, for the record and the graph.

    Args:
        metrics: What was measured on the test images, and whether patients are known.
        classifier: Its manifest says what it was trained on.
        audits: Facts of each audit, by catalog name.

    Returns:
        The sentence.
    """
    return judge(metrics, classifier.manifest, parts_of(AUDITS, audits))


def write_model_card(
    metrics: dict[str, Any],
    classifier: Classifier,
    test_predictions: pd.DataFrame,
    parameters: ModelEvaluationParameters,
    **audits: Any,
) -> str:
    """Write the model card, in Markdown.

    Args:
        metrics: What was measured on the test images, and whether patients are known.
        classifier: Its manifest says what it was trained on.
        test_predictions: A row per distinct test image.
        parameters: The block `model_evaluation`.
        audits: Facts of each audit, by catalog name.

    Returns:
        The card.
    """
    return render_model_card(
        metrics, classifier.manifest, test_predictions, parts_of(AUDITS, audits), parameters.confidence
    )
