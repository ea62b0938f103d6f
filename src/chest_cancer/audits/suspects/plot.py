"""Images, by what speaks against their labels and by how far they are from the others."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from chest_cancer.reporting.style import BLUE, GREY, ORANGE, styled


def plot_suspects(looked_at: pd.DataFrame, wrong: NDArray[np.bool_], far: NDArray[np.bool_]) -> go.Figure:
    """Draw each image by its distance and the probability of its label.

    Args:
        looked_at: `probability` and `distance` of each image, and its `path` and `label`, n rows.
        wrong: Whether its label may be wrong, [n].
        far: Whether it is far from the others, [n].

    Returns:
        A point for each image, suspects coloured.
    """
    figure = go.Figure()
    for name, chosen, colour in (
        ("not suspected for either", ~wrong & ~far, GREY),
        ("far from the others", far & ~wrong, BLUE),
        ("label may be wrong", wrong, ORANGE),
    ):
        rows = looked_at[chosen]
        figure.add_scatter(
            x=rows["distance"],
            y=rows["probability"],
            mode="markers",
            name=name,
            marker={"color": colour, "size": 7, "opacity": 0.7},
            text=[f"{path}<br>{label}" for path, label in zip(rows["path"], rows["label"], strict=True)],
            hovertemplate="%{text}<br>distance %{x:.2f}, probability of the label %{y:.2f}<extra></extra>",
        )
    figure.update_xaxes(title="distance from images of other folds")
    figure.update_yaxes(title="probability of the label, out of fold", range=[-0.03, 1.03])
    return styled(figure, "What speaks against labels and images")
