"""The deletion test, drawn."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, DOTTED, styled


def plot_deletion(deleted: pd.DataFrame) -> go.Figure:
    """Draw how far the log-odds of the predicted class fall, by image.

    Args:
        deleted: What `delete_cells` returned.

    Returns:
        A point per image: the fall without random cells to the right, without the cells of most evidence upwards.
        Points above the line are as they should be.
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
