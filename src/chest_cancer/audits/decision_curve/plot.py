"""The decision curve, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, DOTTED, ORANGE, add_curve, percent, styled
from chest_cancer.statistics.intervals import in_words


def plot_decision_curve(points: list[dict[str, Any]], confidence: float) -> go.Figure:
    """Draw net benefit over thresholds.

    Args:
        points: What the audit measured at each threshold.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        A line with a band for the model and for treating all; treating nobody is worth 0.
    """
    figure = go.Figure()
    thresholds = [point["threshold"] for point in points]
    for key, name, colour in (("model", "by the classifier", BLUE), ("all", "treat everybody", ORANGE)):
        benefits = [point[key] for point in points]
        add_curve(
            figure,
            thresholds,
            benefits,
            name,
            colour,
            customdata=[in_words(benefit) for benefit in benefits],
            hovertemplate=f"{name}<br>threshold %{{x:.2f}}<br>net benefit %{{customdata}}<extra></extra>",
        )
    figure.add_scatter(x=thresholds, y=[0.0] * len(points), mode="lines", name="treat nobody", line=DOTTED)
    lowest = min(point["model"]["low"] for point in points)
    figure.update_xaxes(title="threshold: lowest probability of disease that is treated")
    # Treating everybody falls without end.
    figure.update_yaxes(
        title="net benefit", range=[min(lowest, -0.05) - 0.02, max(p["all"]["high"] for p in points) + 0.05]
    )
    return styled(figure, f"Decision curve, with {percent(confidence)} intervals")
