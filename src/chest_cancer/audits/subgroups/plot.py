"""Figures of subgroups, drawn."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from chest_cancer.reporting.style import BLUE, ORANGE, percent, styled, whiskers
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import Figure

_ROW, _FRAME = 26, 170
"""Pixels of a row, and of what stands around the rows."""


def plot_subgroups(facts: dict[str, Any], confidence: float) -> go.Figure:
    """Draw each figure of each group that has enough patients.

    Args:
        facts: What `audit_subgroups` found.
        confidence: Confidence level of its intervals, 0..1.

    Returns:
        Points with intervals, a row per group and a panel per figure; dotted lines show all test images, and what
        differs from the others is coloured. Empty where no group has enough patients.
    """
    rows = [(column["name"], row) for column in facts["columns"] for row in column["groups"] if row["figures"]]
    if not rows:
        return go.Figure()
    names = list(facts["figures"])
    titles = [name.replace("roc_auc", "AUC") for name in names]
    figure = make_subplots(cols=len(names), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.02)
    labels = [f"{column}: {row['group']} ({row['patients']})" for column, row in rows]
    for place, name in enumerate(names, start=1):
        found = [row["figures"][name] for _, row in rows]
        for differs, colour in ((False, BLUE), (True, ORANGE)):
            drawn = [
                (label, each["measured"])
                for label, each in zip(labels, found, strict=True)
                if _differs(each, facts["smallest_p"]) == differs
            ]
            _add(figure, drawn, colour, place)
        whole = facts["figures"][name]
        if np.isfinite(whole["value"]):
            figure.add_vline(x=whole["value"], line_dash="dot", line_color="#999", row=1, col=place)
        figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.5, 1], row=1, col=place)
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1])
    people = "patients" if facts["are_patients"] else "groups of near-duplicates"
    title = f"Subgroups of test images (number of {people}), with {percent(confidence)} intervals"
    height = _FRAME + _ROW * len(rows)
    return styled(figure, title, height=height).update_layout(showlegend=False, margin_t=90)


def _differs(found: dict[str, Any], smallest_p: float) -> bool:
    return found["p_holm"] is not None and found["p_holm"] <= smallest_p


def _add(figure: go.Figure, drawn: list[tuple[str, Figure]], colour: str, place: int) -> None:
    figures = [measured for _, measured in drawn]
    figure.add_scatter(
        x=[measured["value"] for measured in figures],
        y=[label for label, _ in drawn],
        mode="markers",
        marker={"color": colour, "size": 9},
        error_x=whiskers(figures) | {"color": colour, "thickness": 1.5},
        text=[f"{in_words(measured)}, n {measured['n']}" for measured in figures],
        hovertemplate="%{y}<br>%{text}<extra></extra>",
        row=1,
        col=place,
    )
