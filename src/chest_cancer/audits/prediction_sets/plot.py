"""Coverage of prediction sets, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, percent, styled, whiskers
from chest_cancer.statistics.intervals import in_words


def plot_sets(facts: dict[str, Any], confidence: float) -> go.Figure:
    """Draw how many sets hold the true class, of all test images and of each class, beside what was promised.

    Args:
        facts: What the audit measured.
        confidence: Confidence level of the intervals, 0..1.
    """
    known = {name: each for name, each in {"all": facts["coverage"], **facts["classes"]}.items() if each["n"]}
    figure = go.Figure()
    figure.add_scatter(
        x=[each["value"] for each in known.values()],
        y=list(known),
        mode="markers",
        marker={"size": 11, "color": BLUE},
        error_x=whiskers(list(known.values())) | {"color": BLUE},
        text=[f"{in_words(each)}, n {each['n']}" for each in known.values()],
        hovertemplate="%{y}<br>%{text}<extra></extra>",
        showlegend=False,
    )
    figure.add_vline(
        x=facts["promised"],
        line_dash="dot",
        line_color="#999",
        annotation_text="promised",
        annotation_position="top left",
    )
    figure.update_xaxes(title="share of test images whose set holds the true class", range=[0, 1.02])
    figure.update_yaxes(autorange="reversed")
    return styled(figure, f"Coverage, with {percent(confidence)} intervals", height=160 + 40 * len(known))
