"""What can be told from each region, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, ORANGE, percent, styled, whiskers
from chest_cancer.statistics.intervals import in_words


def plot_regions(regions: list[dict[str, Any]], confidence: float) -> go.Figure:
    """Draw the area under the ROC curve of each region.

    Args:
        regions: What `compare_regions` returned.
        confidence: Confidence level of its intervals, 0..1.

    Returns:
        A point with its interval for each, whole images on top, without the lungs in another colour; empty without a
        region.
    """
    figure = go.Figure()
    if not regions:
        return figure
    for region in regions[::-1]:
        area, colour = region["roc_auc"], ORANGE if region["name"] == "without lungs" else BLUE
        figure.add_scatter(
            x=[area["value"]],
            y=[region["title"]],
            mode="markers",
            showlegend=False,
            marker={"size": 11, "color": colour},
            error_x=whiskers([area]) | {"color": colour},
            hovertemplate=f"{region['title']}<br>AUC {in_words(area)}<extra></extra>",
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color="#999", annotation_text="chance")
    figure.update_xaxes(title="area under the ROC curve, grouped 5-fold", range=[0, 1.02])
    return styled(figure, f"What parts of the images tell, with {percent(confidence)} intervals", height=280)
