"""Interactive plots of the evaluation."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.network.predictions import disease_class, probability_columns
from chest_cancer.reporting.style import BLUE, BLUES, COLOURS, DOTTED, ORANGE, percent, styled
from chest_cancer.statistics.calibration import before_scaling, reliability
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import StoredFigure


def plot_confusion(predictions: pd.DataFrame, classes: list[str]) -> go.Figure:
    """Draw how many images of each class got which answer, or none.

    Args:
        predictions: A row per test image, with `label`, `predicted` and `reason`.
        classes: Class names.

    Returns:
        A heat map with counts, true classes down; answers across, then the reasons for none.
    """
    answered = predictions["reason"].isna()
    answers = [answered & (predictions["predicted"] == name) for name in classes]
    answers += [predictions["reason"] == reason for reason in (NOT_SURE, NOT_A_CHEST_CT_SLICE)]
    counts = np.array([[(given & (predictions["label"] == name)).sum() for given in answers] for name in classes])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=[*classes, *(f"no answer:<br>{reason}" for reason in (NOT_SURE, NOT_A_CHEST_CT_SLICE))],
            y=classes,
            text=counts,
            texttemplate="%{text}",
            textfont={"size": 18},
            colorscale=BLUES,
            zmin=0,
            zmax=1,
            colorbar={"title": "share of<br>true class", "tickformat": ".0%"},
            hovertemplate="true %{y}<br>answer %{x}<br>%{text} images (%{z:.0%})<extra></extra>",
        )
    )
    figure.update_yaxes(title="true class", autorange="reversed")
    figure.update_xaxes(title="answer")
    return styled(figure, f"Answers, {len(predictions)} test images")


def plot_roc(
    predictions: pd.DataFrame, classes: list[str], normal_class: str | None, metrics: Mapping[str, StoredFigure]
) -> go.Figure:
    """Draw the ROC curve of each class against the rest (of disease against none for two classes).

    Args:
        predictions: A row per test image, with `label` and the classes' probabilities.
        classes: Class names.
        normal_class: The class without disease, or None.
        metrics: What was measured; the operating threshold is drawn where there is one.

    Returns:
        Curves of sensitivity over 1 - specificity.
    """
    binary = len(classes) == 2
    curves = [disease_class(classes, normal_class)] if binary else classes
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line=DOTTED, hoverinfo="skip")
    for name, column, colour in zip(curves, probability_columns(curves), cycle(COLOURS), strict=False):
        false_positives, sensitivities, _ = roc_curve(predictions["label"] == name, predictions[column])
        area = metrics["roc_auc" if binary else f"roc_auc_{name}"]
        label = f"{name}: {in_words(area, digits=3)}"
        figure.add_scatter(x=false_positives, y=sensitivities, mode="lines", name=label, line={"color": colour})
    sensitivity, specificity = (
        metrics[name]["value"] if name in metrics else None
        for name in ("threshold_sensitivity", "threshold_specificity")
    )
    if sensitivity is not None and specificity is not None:
        figure.add_scatter(
            x=[1 - specificity],
            y=[sensitivity],
            mode="markers",
            name="operating threshold (any disease), were every image answered",
            marker={"size": 11, "symbol": "diamond", "color": "#222"},
        )
    figure.update_xaxes(title="1 - specificity", range=[-0.02, 1.02], constrain="domain")
    figure.update_yaxes(title="sensitivity", range=[-0.02, 1.02], scaleanchor="x")
    return styled(figure, f"ROC, {len(predictions)} test images; area with interval")


def plot_reliability(
    predictions: pd.DataFrame, classes: list[str], temperature: float | None, confidence: float
) -> go.Figure:
    """Draw how often the most probable class is the true one, over its probability.

    Args:
        predictions: A row per test image: `label`, `group` and a `probability_<class>` for each class.
        classes: Class names.
        temperature: Temperature that calibrated the probabilities; if given, the diagram before calibration is drawn
            too.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        A point with its interval for each bin of equally many images, and the line of perfect calibration.
    """
    numbers = predictions["label"].map(classes.index).to_numpy()
    probabilities = predictions[probability_columns(classes)].to_numpy(dtype=np.float64)
    groups = predictions["group"].to_numpy()
    series = [("calibrated", BLUE, probabilities)]
    if temperature is not None:
        series.insert(0, ("before temperature scaling", ORANGE, before_scaling(probabilities, temperature)))

    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect", line=DOTTED, hoverinfo="skip")
    for name, colour, stated in series:
        add_reliability(figure, name, colour, numbers, stated, groups, confidence)
    lowest = max(0.0, 1 / len(classes) - 0.05)
    figure.update_xaxes(title="probability of the most probable class", range=[lowest, 1.02])
    figure.update_yaxes(title="share of images where it is the true class", range=[-0.02, 1.02])
    return styled(figure, f"Reliability, {len(predictions)} test images; bins with {percent(confidence)} intervals")


def add_reliability(
    figure: go.Figure,
    name: str,
    colour: str,
    numbers: NDArray[np.int64],
    stated: NDArray[np.float64],
    groups: NDArray[np.int64],
    confidence: float,
) -> None:
    """Add the bins of a reliability diagram to a plot.

    Args:
        figure: The plot, changed in place.
        name: What the bins are of.
        colour: Theirs.
        numbers: True class numbers, [n].
        stated: Probability of each class, [n, K].
        groups: Group of each image, [n].
        confidence: Confidence level of the intervals, 0..1.
    """
    bins = reliability(numbers, stated, groups, confidence)
    error = np.average(np.abs(bins["value"] - bins["confidence"]), weights=bins["n"])
    figure.add_scatter(
        x=bins["confidence"],
        y=bins["value"],
        error_y={"array": bins["high"] - bins["value"], "arrayminus": bins["value"] - bins["low"]},
        customdata=bins[["n", "low", "high"]],
        mode="lines+markers",
        name=f"{name}: error {error:.3f}",
        line={"color": colour},
        hovertemplate="confidence %{x:.3f}<br>true %{y:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}]"
        "<br>%{customdata[0]} images<extra></extra>",
    )


def plot_history(history: pd.DataFrame) -> go.Figure:
    """Draw the loss of each epoch.

    Args:
        history: `loss` and `val_loss`, a row per epoch.

    Returns:
        Two curves; the epoch whose weights were kept is marked.
    """
    best = int(np.argmin(history["val_loss"]))
    figure = go.Figure()
    epochs = history.index
    figure.add_scatter(x=epochs, y=history["loss"], mode="lines", name="training", line={"color": BLUE})
    figure.add_scatter(x=epochs, y=history["val_loss"], mode="lines", name="validation", line={"color": ORANGE})
    figure.add_vline(x=best + 1, line_dash="dot", annotation_text=f"kept: epoch {best + 1}")
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="cross-entropy", rangemode="tozero")
    return styled(figure, "Training")
