"""Nodes of model_evaluation."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image
from tqdm import tqdm

from chest_cancer.audits.refusal.detection import measure_answers
from chest_cancer.datasets.arrays import Arrays
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters import FeatureExtractionParameters, ModelEvaluationParameters
from chest_cancer.reporting.plots import plot_confusion, plot_history, plot_reliability, plot_roc
from chest_cancer.reporting.report import render_data_card, render_model_card, render_report
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import Figure, unknown_as_none
from chest_cancer.statistics.metrics import measure


def predict_test_images(
    images: ImageFolder, split_table: pd.DataFrame, classifier: Classifier
) -> tuple[pd.DataFrame, Arrays]:
    """Send the locked test images through the artefact that is served.

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `label`, `group` and `split`.
        classifier: The trained classifier.

    Returns:
        A row per distinct test image: `path`, `label`, `group`, `predicted`, `distance` from the training images,
        `reason` why the answer should not be used (None where it may be) and `probability_<class>`; and `evidence` of
        each image, float32 [n, K, h, w], in the same order.
    """
    test = split_table[split_table["split"] == "test"]
    # One stream of them all: while the network computes a batch, the next one is decoded.
    paths = tqdm(test["path"], desc="Predicting test images", unit="image", mininterval=0.5)
    predictions = classifier.predict_standardised(
        standardise(images.pixels(path), classifier.standardisation).pixels for path in paths
    )
    rows = [(answer.label, answer.distance, answer.reason, *answer.probabilities.values()) for answer in predictions]
    columns = ["predicted", "distance", "reason", *probability_columns(list(classifier.classes))]
    said = pd.DataFrame(rows, columns=columns, index=test.index)
    table = test[["path", "label", "group"]].join(said).reset_index(drop=True)
    return table, {"evidence": np.stack([answer.evidence for answer in predictions])}


def measure_performance(
    test_predictions: pd.DataFrame, classifier: Classifier, parameters: ModelEvaluationParameters, seed: int
) -> dict[str, Any]:
    """Measure the classifier on the locked test images.

    Args:
        test_predictions: A row per distinct test image.
        classifier: Gives the classes and the operating threshold, both fixed before the test images were looked at.
        parameters: The block `model_evaluation`.
        seed: Of the bootstrap.

    Returns:
        Each figure as `{"value", "low", "high", "n"}` under its plain name; an unknown value is None.
    """
    manifest = classifier.manifest
    operating_point = manifest.operating_point
    threshold = operating_point.threshold if operating_point else None
    figures = measure(
        test_predictions,
        list(classifier.classes),
        manifest.normal_class,
        threshold,
        parameters,
        seed,
        manifest.temperature,
    )
    measured: dict[str, Any] = unknown_as_none(figures | measure_answers(test_predictions, parameters.confidence))
    return measured


def plot_evaluation(
    test_predictions: pd.DataFrame,
    metrics: dict[str, Figure],
    classifier: Classifier,
    training_history: pd.DataFrame,
    parameters: ModelEvaluationParameters,
) -> tuple[go.Figure, go.Figure, go.Figure, go.Figure]:
    """Draw what people would rather look at than read.

    Args:
        test_predictions: A row per distinct test image.
        metrics: What was measured on them.
        classifier: Gives the classes.
        training_history: Loss of each epoch.
        parameters: The block `model_evaluation`.

    Returns:
        Confusion matrix, ROC curve, reliability diagram and training curves.
    """
    classes, manifest = list(classifier.classes), classifier.manifest
    return (
        plot_confusion(test_predictions, classes),
        plot_roc(test_predictions, classes, manifest.normal_class, metrics),
        plot_reliability(test_predictions, classes, manifest.temperature, parameters.confidence),
        plot_history(training_history),
    )


def write_report(
    metrics: dict[str, Figure],
    classifier: Classifier,
    quarantine: pd.DataFrame,
    parameters: ModelEvaluationParameters,
    promotion: dict[str, Any],
    evidence_examples: Image.Image,
    **audits_and_plots: Any,
) -> str:
    """Write the report: one HTML page that needs no network.

    Args:
        metrics: What was measured on the test images.
        classifier: Its manifest says what it was trained on.
        quarantine: Files that were not used, with the reason.
        parameters: The block `model_evaluation`.
        promotion: What the gate decided, and why.
        evidence_examples: Test images under their evidence maps.
        audits_and_plots: Each `<name>_audit`, empty without audits, and each `<name>_plot`.

    Returns:
        The page.
    """
    audits, plots = _by_name(audits_and_plots, "_audit"), _by_name(audits_and_plots, "_plot")
    return render_report(
        metrics,
        classifier.manifest,
        quarantine,
        audits,
        plots,
        parameters.confidence,
        promotion["reason"],
        evidence_examples,
    )


def write_model_card(
    metrics: dict[str, Figure],
    classifier: Classifier,
    test_predictions: pd.DataFrame,
    parameters: ModelEvaluationParameters,
    **audits: Any,
) -> str:
    """Write the model card, in Markdown.

    Args:
        metrics: What was measured on the test images.
        classifier: Its manifest says what it was trained on.
        test_predictions: A row per distinct test image.
        parameters: The block `model_evaluation`.
        audits: Each `<name>_audit`, empty without audits.

    Returns:
        The card.
    """
    named = _by_name(audits, "_audit")
    return render_model_card(metrics, classifier.manifest, test_predictions, named, parameters.confidence)


def write_data_card(
    classifier: Classifier,
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    parameters: FeatureExtractionParameters,
    **audits: Any,
) -> str:
    """Write the data card, in Markdown.

    Args:
        classifier: Its manifest says what it was trained on.
        split_table: A row per image file.
        quarantine: Files that were not used, with the reason.
        parameters: The block `feature_extraction`.
        audits: Those of the data, each `<name>_audit`, empty without audits.

    Returns:
        The card.
    """
    named = _by_name(audits, "_audit")
    return render_data_card(classifier.manifest, split_table, quarantine, named, parameters)


def _by_name(results: dict[str, Any], ending: str) -> dict[str, Any]:
    return {name.removesuffix(ending): result for name, result in results.items() if name.endswith(ending)}
