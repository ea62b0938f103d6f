"""The reliability diagram."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from chest_cancer.pipelines.model_evaluation.calibration import before_scaling, reliability
from chest_cancer.pipelines.model_evaluation.metrics import probability_columns

_AFTER, _BEFORE = "#1f5a85", "#c4572b"


def plot_reliability(predictions: pd.DataFrame, classes: list[str], temperature: float | None = None) -> go.Figure:
    """Draw how often the most probable class is the true one, over its probability.

    Args:
        predictions: A row per test image: `label`, `group` and a `probability_<class>` for each class.
        classes: Class names.
        temperature: What calibrated the probabilities; with it the diagram before calibration is drawn as well.

    Returns:
        A point per bin of equally many images, with its 95 % interval, beside the line of perfect calibration.
    """
    numbers = predictions["label"].map(classes.index).to_numpy()
    probabilities = predictions[probability_columns(classes)].to_numpy(dtype=np.float64)
    groups = predictions["group"].to_numpy()
    series = [("calibrated", _AFTER, probabilities)]
    if temperature is not None:
        series.insert(0, ("before temperature scaling", _BEFORE, before_scaling(probabilities, temperature)))

    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="perfect", line={"dash": "dot", "color": "#999"}, hoverinfo="skip"
    )
    for name, colour, stated in series:
        bins = reliability(numbers, stated, groups)
        error = np.average(np.abs(bins["value"] - bins["confidence"]), weights=bins["n"])
        figure.add_scatter(
            x=bins["confidence"],
            y=bins["value"],
            error_y={"array": bins["high"] - bins["value"], "arrayminus": bins["value"] - bins["low"]},
            customdata=bins[["n", "low", "high"]],
            mode="lines+markers",
            name=f"{name}: error {error:.3f}",
            line={"color": colour},
            hovertemplate="confidence %{x:.3f}<br>true %{y:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}]"
            "<br>%{customdata[0]} images<extra></extra>",
        )
    lowest = max(0.0, 1 / len(classes) - 0.05)
    figure.update_xaxes(title="probability of the most probable class", range=[lowest, 1.02])
    figure.update_yaxes(title="share that it is true", range=[-0.02, 1.02])
    figure.update_layout(
        title=f"Reliability, {len(predictions)} test images; bins with interval",
        template="plotly_white",
        height=480,
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure
