"""Distances from the training images, drawn."""

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.audits.refusal.foreign_images import KINDS
from chest_cancer.reporting.style import BLUE, ORANGE, styled


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
