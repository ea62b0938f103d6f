"""Interactive plots of the audits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from chest_cancer.audits.refusal.foreign_images import KINDS
from chest_cancer.reporting.style import BLUE, DOTTED, GREY, ORANGE, percent, styled, translucent
from chest_cancer.statistics.intervals import Figure, in_words

_CHANGES = {"flipped": "changed answers", "accuracy": "accuracy", "roc_auc": "AUC"}


def plot_leakage_curve(curve: dict[str, Any], confidence: float) -> go.Figure:
    """Draw accuracy over the similarity that makes two slices one group.

    Args:
        curve: What `draw_leakage_curve` returned.
        confidence: Of its intervals, 0..1.

    Returns:
        A line with a band for the model and for the look-up; hovering tells the number of groups.
    """
    points = curve["points"]
    similarities = [point["similarity"] for point in points]
    figure = go.Figure()
    for key, name, colour in (
        ("model", "model", BLUE),
        ("look_up", "nearest-neighbour look-up", ORANGE),
    ):
        scores = [point[key]["accuracy"] for point in points]
        figure.add_scatter(
            x=similarities + similarities[::-1],
            y=[score["high"] for score in scores] + [score["low"] for score in scores[::-1]],
            mode="lines",
            fill="toself",
            fillcolor=translucent(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=similarities,
            y=[score["value"] for score in scores],
            mode="lines+markers",
            name=name,
            line={"color": colour},
            customdata=[
                [in_words(point[key]["accuracy"]), in_words(point[key]["roc_auc"]), point["groups"]] for point in points
            ],
            hovertemplate=(
                f"{name}<br>one group from cosine %{{x:.2f}}<br>accuracy %{{customdata[0]}}<br>AUC %{{customdata[1]}}"
                "<br>%{customdata[2]} groups<extra></extra>"
            ),
        )
    figure.update_xaxes(
        title="similarity (cosine) from which on two slices are kept on one side; 1: exact copies only",
        autorange="reversed",
        tickformat=".2f",
    )
    figure.update_yaxes(title="accuracy, grouped 5-fold")
    return styled(figure, f"Leakage curve, with {percent(confidence)} intervals")


def plot_shortcuts(audit: dict[str, Any], confidence: float) -> go.Figure:
    """Draw the area under the ROC curve of the model and of each baseline that sees no anatomy.

    Args:
        audit: What `audit_shortcuts` returned.
        confidence: Of its intervals, 0..1.

    Returns:
        A point with its interval for each, the model on top; shortcuts are coloured.
    """
    rows = [*audit["baselines"][::-1], {"name": "the model", "sees": "the embedding", **audit["model"]}]
    colours = [BLUE if "shortcut" not in row else ORANGE if row["shortcut"] else GREY for row in rows]
    figure = go.Figure()
    for row, colour in zip(rows, colours, strict=True):
        area = row["roc_auc"]
        figure.add_scatter(
            x=[area["value"]],
            y=[row["name"]],
            mode="markers",
            showlegend=False,
            marker={"size": 11, "color": colour},
            error_x=_whiskers([area]) | {"color": colour},
            hovertemplate=(
                f"{row['name']}: {row['sees']}<br>AUC {in_words(area)}<br>accuracy {in_words(row['accuracy'])}"
                "<extra></extra>"
            ),
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color="#999", annotation_text="chance")
    figure.update_xaxes(title="area under the ROC curve, grouped 5-fold", range=[0, 1.02])
    return styled(figure, f"What can be had without anatomy, with {percent(confidence)} intervals", height=340)


def plot_refusal(test_predictions: pd.DataFrame, foreign_predictions: pd.DataFrame, limit: float) -> go.Figure:
    """Draw every image's distance from the training images.

    Args:
        test_predictions: A row per test image, with `distance`.
        foreign_predictions: What `predict_foreign_images` returned.
        limit: Beyond which an image is refused.

    Returns:
        A strip of points for the held-out slices and for each kind of foreign image, with the limit.
    """
    strips = {"held-out slice": test_predictions} | {
        kind: foreign_predictions[foreign_predictions["kind"] == kind] for kind in KINDS
    }
    figure = go.Figure()
    for name, rows in strips.items():
        figure.add_box(
            x=rows["distance"],
            name=f"{name} ({len(rows)})",
            boxpoints="all",
            jitter=0.6,
            pointpos=0,
            fillcolor="rgba(0,0,0,0)",
            line={"width": 0},
            marker={"color": ORANGE if name in KINDS else BLUE, "size": 6, "opacity": 0.6},
            hoveron="points",
        )
    figure.add_vline(x=limit, line_dash="dot", annotation_text=f"limit {limit:.2f}")
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="distance from the training images (1 is usual)", rangemode="tozero")
    return styled(figure, "What is refused as no chest CT slice").update_layout(showlegend=False)


def plot_deletion(deleted: pd.DataFrame) -> go.Figure:
    """Draw how far the log-odds of the predicted class fall, by image.

    Args:
        deleted: What `delete_cells` returned.

    Returns:
        A point per image: random cells across, the cells of most evidence up; points above the line are as they should.
    """
    low, high = (float(bound) for bound in np.quantile(deleted[["strongest", "random"]], [0, 1]))
    figure = go.Figure()
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line=DOTTED, hoverinfo="skip")
    figure.add_scatter(
        x=deleted["random"],
        y=deleted["strongest"],
        mode="markers",
        marker={"color": BLUE, "size": 8, "opacity": 0.7},
        text=deleted["path"],
        hovertemplate="%{text}<br>random %{x:.2f}, strongest %{y:.2f}<extra></extra>",
    )
    figure.update_xaxes(title="fall of the log-odds without random cells")
    figure.update_yaxes(title="without the cells of most evidence")
    return styled(figure, f"Deletion test, {len(deleted)} test images").update_layout(showlegend=False)


def plot_robustness(robustness: Sequence[Mapping[str, Any]], confidence: float) -> go.Figure:
    """Draw changed answers, accuracy and area under the ROC curve of each perturbation.

    Args:
        robustness: What `measure_robustness` returned.
        confidence: Of its intervals, 0..1.

    Returns:
        Points with intervals, a row per perturbation; dotted lines show the unchanged images.
    """
    figure = make_subplots(cols=len(_CHANGES), shared_yaxes=True, subplot_titles=list(_CHANGES.values()))
    for column, name in enumerate(_CHANGES, start=1):
        figures: list[Figure] = [row[name] for row in robustness]
        figure.add_scatter(
            x=[each["value"] for each in figures],
            y=[row["label"] for row in robustness],
            mode="markers",
            marker={"color": BLUE, "size": 9},
            error_x=_whiskers(figures) | {"color": BLUE, "thickness": 1.5},
            text=[in_words(each) for each in figures],
            hovertemplate="%{y}: %{text}<extra></extra>",
            row=1,
            col=column,
        )
        if np.isfinite(figures[0]["value"]):
            figure.add_vline(x=figures[0]["value"], line_dash="dot", line_color="#999", row=1, col=column)
        figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%" if name != "roc_auc" else ".1f", row=1, col=column)
    figure.update_yaxes(autorange="reversed")
    title = f"Robustness, {robustness[0]['accuracy']['n']} test images, with {percent(confidence)} intervals"
    return styled(figure, title, height=460).update_layout(showlegend=False, margin_t=90)


def _whiskers(figures: list[Figure]) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [each["high"] - each["value"] for each in figures],
        "arrayminus": [each["value"] - each["low"] for each in figures],
    }
