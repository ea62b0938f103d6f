"""Interactive plots of the evaluation."""

import textwrap
from collections.abc import Collection, Iterable, Mapping
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from chest_cancer.jobs.progress import kept_epoch
from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.network.predictions import disease_class, probability_columns
from chest_cancer.reporting.style import BLUE, BLUES, COLOURS, DOTTED, ORANGE, make_square, percent, styled, translucent
from chest_cancer.statistics.calibration import before_scaling, reliability
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.roc import roc_with_band
from chest_cancer.storage.figures import StoredFigure

_TICK = 14
"""Letters of a class name in a line below a plot."""
_LINE_OF_COUNTS = 0.05
_WIDTH_OF_COUNT = 0.08
"""In units of the axes, 0..1, on a narrow page too."""


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
            x=[_in_lines(name) for name in (*classes, NOT_SURE, NOT_A_CHEST_CT_SLICE)],
            y=[_in_lines(name) for name in classes],
            text=counts,
            texttemplate="%{text}<br>%{z:.0%}",
            textfont={"size": 15},
            colorscale=BLUES,
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="true %{y}<br>answer %{x}<br>%{text} images (%{z:.0%})<extra></extra>",
        )
    )
    figure.update_yaxes(title="true class", autorange="reversed")
    figure.update_xaxes(title="answer, or why there is none", tickangle=0, tickfont_size=11)
    return styled(figure, f"Answers, {len(predictions)} test images")


def _in_lines(name: str) -> str:
    """Break a long name into lines, for a tick of an axis."""
    return "<br>".join(textwrap.wrap(name, _TICK)) or name


def plot_roc(
    predictions: pd.DataFrame,
    classes: list[str],
    normal_class: str | None,
    metrics: Mapping[str, StoredFigure],
    confidence: float,
    positive_classes: Collection[str] | None = None,
) -> go.Figure:
    """Draw the ROC curve of disease against none, with its band, and for more than two classes of each class.

    Args:
        predictions: A row per test image, with `label`, `group` and the classes' probabilities.
        classes: Class names.
        normal_class: The class without disease, or None.
        metrics: What was measured; the operating threshold is drawn where there is one, on the curve of any disease.
        confidence: Confidence level of the band, 0..1.
        positive_classes: Those that sensitivity is about, where they were asked for.

    Returns:
        Curves of sensitivity over 1 - specificity, in a square.
    """
    binary = len(classes) == 2
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line=DOTTED, hoverinfo="skip")
    if binary or normal_class is not None:
        disease = disease_class(classes, normal_class, positive_classes)
        normal = normal_class or next(name for name in classes if name != disease)
        (column,) = probability_columns([normal])
        sick, scores = (predictions["label"] != normal).to_numpy(), 1 - predictions[column].to_numpy(dtype=np.float64)
        name = f"{disease}: {in_words(metrics['roc_auc'], 3)}" if binary else "any disease"
        _add_main_curve(figure, name, sick, scores, predictions["group"].to_numpy(), confidence)
        _add_operating_point(figure, metrics)
    for name, column, colour in zip(
        [] if binary else classes, probability_columns(classes), cycle(COLOURS[1:]), strict=False
    ):
        false_positives, sensitivities, _ = roc_curve(predictions["label"] == name, predictions[column])
        label = f"{name}: {in_words(metrics[f'roc_auc_{name}'], digits=3)}"
        figure.add_scatter(
            x=false_positives, y=sensitivities, mode="lines", name=label, line={"color": colour, "width": 1.5}
        )
    make_square(figure, "1 - specificity", "sensitivity")
    return styled(figure, f"ROC, {len(predictions)} test images; area with interval", height=600).update_layout(
        legend_y=-0.13
    )


def _add_main_curve(
    figure: go.Figure,
    name: str,
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
    groups: NDArray[np.int64],
    confidence: float,
) -> None:
    if positive.all() or not positive.any():
        return
    curve, upper, lower = roc_with_band(positive, scores, groups, confidence)
    around = np.vstack([upper, lower[::-1]])
    figure.add_scatter(
        x=around[:, 0],
        y=around[:, 1],
        mode="lines",
        fill="toself",
        fillcolor=translucent(BLUE),
        line={"width": 0},
        hoverinfo="skip",
        name=f"{percent(confidence)} band",
    )
    figure.add_scatter(x=curve[:, 0], y=curve[:, 1], mode="lines", name=name, line={"color": BLUE, "width": 3})


def _add_operating_point(figure: go.Figure, metrics: Mapping[str, StoredFigure]) -> None:
    sensitivity, specificity = (metrics.get(f"threshold_{name}") for name in ("sensitivity", "specificity"))
    if not sensitivity or not specificity or sensitivity["value"] is None or specificity["value"] is None:
        return
    figure.add_scatter(
        x=[1 - specificity["value"]],
        y=[sensitivity["value"]],
        mode="markers",
        name="operating threshold, if every image were answered",
        marker={"size": 13, "symbol": "diamond", "color": ORANGE, "line": {"color": "white", "width": 1}},
        text=[f"sensitivity {in_words(sensitivity)}<br>specificity {in_words(specificity)}"],
        hovertemplate="%{text}<extra></extra>",
    )


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
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect", line=DOTTED, hoverinfo="skip")
    if temperature is not None:
        before = reliability(numbers, before_scaling(probabilities, temperature), groups, confidence)
        figure.add_scatter(
            x=before["confidence"],
            y=before["value"],
            mode="lines",
            name="before temperature scaling",
            line={"color": ORANGE, "width": 1.5, "dash": "dash"},
        )
    add_reliability(figure, "calibrated", BLUE, numbers, probabilities, groups, confidence)
    make_square(figure, "probability of the most probable class", "share of images where it is the true class")
    title = f"Reliability, {len(predictions)} test images; bins with counts and {percent(confidence)} intervals"
    return styled(figure, title, height=480)


def add_reliability(
    figure: go.Figure,
    name: str,
    colour: str,
    numbers: NDArray[np.int64],
    stated: NDArray[np.float64],
    groups: NDArray[np.int64],
    confidence: float,
) -> None:
    """Add the bins of a reliability diagram to a plot, with their numbers of images at the bottom.

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
        mode="markers",
        marker={"size": 9, "color": colour},
        name=f"{name}: error {error:.3f}",
        hovertemplate="confidence %{x:.3f}<br>true %{y:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}]"
        "<br>%{customdata[0]} images<extra></extra>",
    )
    written = [height for trace in figure.data if trace.mode == "text" for height in trace.y]
    lowest = max(written, default=0.02 - _LINE_OF_COUNTS) + _LINE_OF_COUNTS
    figure.add_scatter(
        x=bins["confidence"],
        y=[lowest + _LINE_OF_COUNTS * line for line in _lines_of(bins["confidence"])],
        mode="text",
        text=bins["n"].astype(str),
        textfont={"size": 11, "color": colour},
        hoverinfo="skip",
        showlegend=False,
    )


def _lines_of(places: Iterable[float]) -> list[int]:
    """Line that each number is written on, the lowest one with room beside its neighbour to the left."""
    ends: list[float] = []
    lines = []
    for place in places:
        line = next((line for line, end in enumerate(ends) if place >= end), len(ends))
        ends[line : line + 1] = [place + _WIDTH_OF_COUNT]
        lines.append(line)
    return lines


def plot_history(history: pd.DataFrame, min_delta: float) -> go.Figure:
    """Draw the loss of each epoch.

    Args:
        history: `loss` and `val_loss`, a row per epoch.
        min_delta: Smallest fall of the loss that counted.

    Returns:
        Two curves; the epoch whose weights were kept is marked.
    """
    kept = kept_epoch(history["val_loss"].tolist(), min_delta)
    figure = go.Figure()
    epochs = history.index
    figure.add_scatter(x=epochs, y=history["loss"], mode="lines", name="training", line={"color": BLUE})
    figure.add_scatter(x=epochs, y=history["val_loss"], mode="lines", name="validation", line={"color": ORANGE})
    figure.add_vline(x=kept, line_dash="dot", annotation_text=f"kept: epoch {kept}")
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="cross-entropy", rangemode="tozero")
    return styled(figure, "Training")
