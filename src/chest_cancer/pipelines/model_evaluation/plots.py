"""Interactive plots of the evaluation."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from sklearn.metrics import confusion_matrix, roc_curve

from chest_cancer.pipelines.model_evaluation.metrics import Figure, disease_class, probability_columns

_BLUES = [[0.0, "#f4f8fb"], [1.0, "#1f5a85"]]
_LINES = ["#1f5a85", "#c4572b", "#4c8f4f", "#7b5ea7"]


def plot_confusion(predictions: pd.DataFrame, classes: list[str]) -> go.Figure:
    """Draw how many images of each class were read as which.

    Args:
        predictions: A row per test image, with `label` and `predicted`.
        classes: Class names.

    Returns:
        A heat map with counts, true classes down, predicted classes across.
    """
    counts = confusion_matrix(predictions["label"], predictions["predicted"], labels=classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=classes,
            y=classes,
            text=counts,
            texttemplate="%{text}",
            textfont={"size": 18},
            colorscale=_BLUES,
            zmin=0,
            zmax=1,
            colorbar={"title": "share of<br>true class", "tickformat": ".0%"},
            hovertemplate="true %{y}<br>predicted %{x}<br>%{text} images (%{z:.0%})<extra></extra>",
        )
    )
    figure.update_yaxes(title="true class", autorange="reversed")
    figure.update_xaxes(title="predicted class")
    return _styled(figure, f"Confusion matrix, {len(predictions)} test images")


def plot_roc(
    predictions: pd.DataFrame, classes: list[str], normal_class: str | None, metrics: dict[str, Figure]
) -> go.Figure:
    """Draw the ROC curve of each class against the rest (of disease against none for two classes).

    Args:
        predictions: A row per test image, with `label` and the classes' probabilities.
        classes: Class names.
        normal_class: The class without disease, or None.
        metrics: What was measured; the operating point is drawn where there is one.

    Returns:
        Curves of sensitivity over 1 - specificity.
    """
    binary = len(classes) == 2
    curves = [disease_class(classes, normal_class)] if binary else classes
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="chance", line={"dash": "dot", "color": "#999"}, hoverinfo="skip"
    )
    for name, column, colour in zip(curves, probability_columns(curves), _LINES, strict=False):
        false_positives, sensitivities, _ = roc_curve(predictions["label"] == name, predictions[column])
        area = metrics["roc_auc" if binary else f"roc_auc_{name}"]
        value = "unknown" if area["value"] is None else f"{area['value']:.3f}"
        label = f"{name}: {value} [{area['low']:.3f}, {area['high']:.3f}]"
        figure.add_scatter(x=false_positives, y=sensitivities, mode="lines", name=label, line={"color": colour})
    if "sensitivity" in metrics and None not in (metrics["sensitivity"]["value"], metrics["specificity"]["value"]):
        figure.add_scatter(
            x=[1 - metrics["specificity"]["value"]],
            y=[metrics["sensitivity"]["value"]],
            mode="markers",
            name="operating point (any disease)",
            marker={"size": 11, "symbol": "diamond", "color": "#222"},
        )
    figure.update_xaxes(title="1 - specificity", range=[-0.02, 1.02], constrain="domain")
    figure.update_yaxes(title="sensitivity", range=[-0.02, 1.02], scaleanchor="x")
    return _styled(figure, f"ROC, {len(predictions)} test images; area with interval")


def plot_history(history: pd.DataFrame) -> go.Figure:
    """Draw the loss of each epoch.

    Args:
        history: `loss` and `val_loss`, a row an epoch.

    Returns:
        Two curves; the epoch whose weights were kept is marked.
    """
    best = int(np.argmin(history["val_loss"]))
    figure = go.Figure()
    figure.add_scatter(x=history.index, y=history["loss"], mode="lines", name="training", line={"color": _LINES[0]})
    figure.add_scatter(
        x=history.index, y=history["val_loss"], mode="lines", name="validation", line={"color": _LINES[1]}
    )
    figure.add_vline(x=best + 1, line_dash="dot", annotation_text=f"kept: epoch {best + 1}")
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="cross-entropy", rangemode="tozero")
    return _styled(figure, "Training")


def _styled(figure: go.Figure, title: str) -> go.Figure:
    figure.update_layout(
        title=title,
        template="plotly_white",
        height=480,
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure
