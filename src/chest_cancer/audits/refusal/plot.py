"""Distances from the training images, and what limits do, drawn."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.audits.refusal.detection import Trade
from chest_cancer.audits.refusal.foreign_chests import CHESTS
from chest_cancer.audits.refusal.foreign_images import KINDS
from chest_cancer.network.manifest import Limits
from chest_cancer.reporting.style import BLUE, COLOURS, ORANGE, styled, whiskers
from chest_cancer.statistics.intervals import in_words

_SERVED = {"usual": "no probability beyond", "refused": "refused beyond"}


def plot_refusal(test_predictions: pd.DataFrame, foreign_predictions: pd.DataFrame, limits: Limits) -> go.Figure:
    """Draw every image's distance from the training images.

    Args:
        test_predictions: A row per test image, with `distance`.
        foreign_predictions: What `predict_foreign_images` returned.
        limits: Those of the classifier.

    Returns:
        A strip of points for the held-out slices and for each kind of other image, with the limits.
    """
    strips = {"held-out slice": test_predictions} | {
        kind: foreign_predictions[foreign_predictions["kind"] == kind] for kind in (*CHESTS, *KINDS)
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
            marker={"color": BLUE if rows is test_predictions else ORANGE, "size": 6, "opacity": 0.6},
            hoveron="points",
        )
    if limits.usual_distance is not None:
        note = {"annotation_text": f"usual {limits.usual_distance:.2f}", "annotation_position": "top left"}
        figure.add_vline(x=limits.usual_distance, line_dash="dot", **note)
    figure.add_vline(x=limits.distance_limit, line_dash="dot", annotation_text=f"limit {limits.distance_limit:.2f}")
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="distance from training images", rangemode="tozero")
    return styled(figure, "What is unlike the training images").update_layout(showlegend=False)


def plot_trade(trade: Sequence[Trade]) -> go.Figure:
    """Draw what a distance limit costs in own slices, and lets through of foreign ones.

    Args:
        trade: What `measure_trade` returned.

    Returns:
        A curve over all limits, and the limits that are served with their intervals.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[point["own_beyond"]["value"] for point in trade],
        y=[point["foreign_within"]["value"] for point in trade],
        mode="lines",
        line={"color": BLUE},
        text=[f"{point['limit']:.2f}" for point in trade],
        hovertemplate="limit %{text}: %{x:.1%} of own slices beyond, %{y:.1%} of foreign ones within<extra></extra>",
        name="all limits",
    )
    for point, colour in zip((point for point in trade if point["served"]), COLOURS[1:], strict=False):
        own, foreign = point["own_beyond"], point["foreign_within"]
        figure.add_scatter(
            x=[own["value"]],
            y=[foreign["value"]],
            mode="markers",
            marker={"color": colour, "size": 10},
            error_x=whiskers([own]) | {"color": colour},
            error_y=whiskers([foreign]) | {"color": colour},
            text=[f"own slices beyond: {in_words(own)}, foreign ones within: {in_words(foreign)}"],
            hovertemplate="%{text}<extra></extra>",
            name=f"{_SERVED[str(point['served'])]} {point['limit']:.2f}",
        )
    figure.update_xaxes(title="share of own test slices beyond the limit", range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(title="share of foreign chest CT within it", range=[-0.02, 1.02], tickformat=".0%")
    return styled(figure, "What a limit costs, and what it lets through")
