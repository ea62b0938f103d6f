"""The leakage curve, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, ORANGE, add_curve, percent, styled
from chest_cancer.statistics.intervals import in_words


def plot_leakage_curve(curve: dict[str, Any], confidence: float) -> go.Figure:
    """Draw accuracy over the similarity that makes two slices one group.

    Args:
        curve: What `draw_leakage_curve` returned.
        confidence: Confidence level of its intervals, 0..1.

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
        add_curve(
            figure,
            similarities,
            [point[key]["accuracy"] for point in points],
            name,
            colour,
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
