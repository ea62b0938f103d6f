"""What perturbations change, drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from chest_cancer.reporting.style import BLUE, percent, styled, whiskers
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import Figure

_CHANGES = {"flipped": "changed answers"}
_SCORES = {"accuracy": "accuracy", "roc_auc": "AUC"}

FEWEST_FOR_SCORES = 50
"""With fewer images, intervals of accuracy and area are wider than what a change does to them: they are not drawn."""


def plot_robustness(robustness: Sequence[Mapping[str, Any]], confidence: float) -> go.Figure:
    """Draw changed answers of each perturbation and, of enough images, accuracy and area under the ROC curve.

    Args:
        robustness: What `measure_robustness` returned.
        confidence: Confidence level of its intervals, 0..1.

    Returns:
        Points with intervals, a row per perturbation; dotted lines show the unchanged images.
    """
    images = robustness[0]["accuracy"]["n"]
    drawn = _CHANGES | _SCORES if images >= FEWEST_FOR_SCORES else _CHANGES
    figure = make_subplots(cols=len(drawn), shared_yaxes=True, subplot_titles=list(drawn.values()))
    for column, name in enumerate(drawn, start=1):
        figures: list[Figure] = [row[name] for row in robustness]
        figure.add_scatter(
            x=[each["value"] for each in figures],
            y=[row["label"] for row in robustness],
            mode="markers",
            marker={"color": BLUE, "size": 9},
            error_x=whiskers(figures) | {"color": BLUE, "thickness": 1.5},
            text=[in_words(each) for each in figures],
            hovertemplate="%{y}: %{text}<extra></extra>",
            row=1,
            col=column,
        )
        if np.isfinite(figures[0]["value"]):
            figure.add_vline(x=figures[0]["value"], line_dash="dot", line_color="#999", row=1, col=column)
        figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%" if name != "roc_auc" else ".1f", row=1, col=column)
    figure.update_yaxes(autorange="reversed")
    title = f"Robustness, {images} test images, with {percent(confidence)} intervals"
    return styled(figure, title, height=460).update_layout(showlegend=False, margin_t=90)
