"""What deletions cost, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, GREY, ORANGE, percent, styled, whiskers
from chest_cancer.statistics.intervals import in_words

_COSTS = (
    ("beyond_random", "near-duplicates, beyond random", ORANGE),
    ("beyond_same_classes", "beyond random in the same classes", BLUE),
    ("typical", "control: near-duplicates of images that are not tested", GREY),
)


def plot_deletions(rows: list[dict[str, Any]], confidence: float) -> go.Figure:
    """Draw what each deletion costs more than one of the same size at random.

    Args:
        rows: What was deleted and what that cost, as the audit lists it.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        Three points with intervals for each deletion, the control in grey; empty without a row.
    """
    figure = go.Figure()
    if not rows:
        return figure
    labels = [
        f"{row['unit']}: " + ("copies" if row["similarity"] is None else f"cosine {row['similarity']:.2f}")
        for row in rows
    ]
    for key, name, colour in _COSTS:
        costs = [row[key] for row in rows]
        figure.add_scatter(
            x=labels,
            y=[cost["value"] for cost in costs],
            mode="markers",
            name=name,
            marker={"size": 10, "color": colour},
            error_y=whiskers(costs) | {"color": colour},
            customdata=[in_words(cost, 3) for cost in costs],
            hovertemplate=f"%{{x}}<br>{name}<br>%{{customdata}}<extra></extra>",
        )
    figure.add_hline(y=0, line_dash="dot", line_color="#999")
    figure.update_layout(scattermode="group", scattergap=0.6)
    figure.update_yaxes(title="balanced accuracy lost")
    return styled(figure, f"What deletions from training cost, with {percent(confidence)} intervals")
