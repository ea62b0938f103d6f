"""Nodes of model_evaluation."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from tqdm import tqdm

from chest_cancer.classifier import Classifier
from chest_cancer.datasets.image_folder import ImageFolder
from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.pipelines.model_evaluation.metrics import Figure, measure, probability_columns, unknown_as_none
from chest_cancer.pipelines.model_evaluation.plots import plot_confusion, plot_history, plot_roc
from chest_cancer.pipelines.model_evaluation.report import render_report

_BATCH = 16


def predict_test_images(images: ImageFolder, split_table: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """Send the locked test images through the artefact that is served.

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `label`, `group` and `split`.
        classifier: The trained classifier.

    Returns:
        A row per distinct test image: `path`, `label`, `group`, `predicted` and `probability_<class>`.
    """
    test = split_table[split_table["split"] == "test"]
    rows = []
    with tqdm(total=len(test), desc="Predicting test images", unit="image", mininterval=0.5) as bar:
        for start in range(0, len(test), _BATCH):
            batch = test.iloc[start : start + _BATCH]
            pixels = [images.pixels(path) for path in batch["path"]]
            rows += [
                [prediction.label, *prediction.probabilities.values()] for prediction in classifier.predict(pixels)
            ]
            bar.update(len(batch))
    columns = ["predicted", *probability_columns(list(classifier.classes))]
    predictions = pd.DataFrame(rows, columns=columns, index=test.index)
    return test[["path", "label", "group"]].join(predictions).reset_index(drop=True)


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
    operating_point = manifest["operating_point"]
    threshold = operating_point["threshold"] if operating_point else None
    figures = measure(
        test_predictions,
        list(classifier.classes),
        manifest["normal_class"],
        threshold,
        parameters,
        seed,
        manifest["temperature"],
    )
    return unknown_as_none(figures)


def plot_evaluation(
    test_predictions: pd.DataFrame,
    metrics: dict[str, Figure],
    classifier: Classifier,
    training_history: pd.DataFrame,
) -> tuple[go.Figure, go.Figure, go.Figure]:
    """Draw what people would rather look at than read.

    Args:
        test_predictions: A row per distinct test image.
        metrics: What was measured on them.
        classifier: Gives the classes.
        training_history: Loss of each epoch.

    Returns:
        Confusion matrix, ROC curve and training curves.
    """
    classes = list(classifier.classes)
    return (
        plot_confusion(test_predictions, classes),
        plot_roc(test_predictions, classes, classifier.manifest["normal_class"], metrics),
        plot_history(training_history),
    )


def write_report(
    metrics: dict[str, Figure],
    classifier: Classifier,
    quarantine: pd.DataFrame,
    confusion_plot: go.Figure,
    roc_plot: go.Figure,
    history_plot: go.Figure,
    duplicates: dict[str, Any],
    leakage: dict[str, Any],
    leakage_plot: go.Figure,
    shortcuts: dict[str, Any],
    shortcuts_plot: go.Figure,
) -> str:
    """Write the report: one HTML page that needs no network.

    Args:
        metrics: What was measured on the test images.
        classifier: Its manifest says what it was trained on.
        quarantine: Files that were not used, with the reason.
        confusion_plot: Confusion matrix.
        roc_plot: ROC curve.
        history_plot: Training curves.
        duplicates: Copies and near-duplicates; empty without audits.
        leakage: Naive score beside the grouped one, and the leakage curve; empty without audits.
        leakage_plot: The curve.
        shortcuts: Baselines that see no anatomy; empty without audits.
        shortcuts_plot: Their figures.

    Returns:
        The page.
    """
    audits = {"duplicates": duplicates, "leakage": leakage, "shortcuts": shortcuts}
    plots = {"roc": roc_plot, "confusion": confusion_plot, "history": history_plot}
    plots |= {"leakage": leakage_plot, "shortcuts": shortcuts_plot}
    return render_report(metrics, classifier.manifest, quarantine, audits, plots)
