"""How every plot looks: colours, fonts and margins."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chest_cancer.storage.figures import Figure

if TYPE_CHECKING:  # a slow import, which pages without a plot don't need
    import plotly.graph_objects as go

BLUE, ORANGE, GREEN, PURPLE, GREY = COLOURS = ("#2f78ad", "#c4572b", "#4c8f4f", "#7b5ea7", "#8a949c")
"""Each stands out from a white page and from a dark one."""
BLUES = [[0.0, "#f4f8fb"], [1.0, BLUE]]
_ACROSS, _UP = 40, 32
"""Letters of an axis title that fit on a narrow page."""
DOTTED = {"dash": "dot", "color": "#999"}


def styled(figure: "go.Figure", title: str, height: int = 400) -> "go.Figure":
    """Give a plot its title and the look that all plots share.

    Args:
        figure: The plot, changed in place.
        title: Title above the plot.
        height: Height in pixels.

    Returns:
        The same figure.
    """
    figure.for_each_xaxis(lambda axis: _wrap(axis, _ACROSS))
    figure.for_each_yaxis(lambda axis: _wrap(axis, _UP))
    # The name of a line stands above it: at its upper end it would cover the first row.
    figure.for_each_annotation(lambda note: note.update(yanchor="bottom"), {"yref": "y domain", "y": 1})
    return figure.update_layout(
        title={"text": title, "font": {"size": 16}, "x": 0, "xref": "paper"},
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#1d2733"},
        height=height,
        margin={"l": 10, "r": 20, "t": 60, "b": 10},
        # At the lower edge, below axis titles of any number of lines.
        legend={"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom"},
        # Margins grow with labels such as long class names.
        xaxis_automargin=True,
        yaxis_automargin=True,
    )


def add_curve(
    figure: "go.Figure", x: Sequence[float], y: Sequence[Figure], name: str, colour: str, **hover: object
) -> None:
    """Draw a line through measured figures, on the band of their intervals.

    Args:
        figure: The plot, changed in place.
        x: Where the figures lie.
        y: A figure for each.
        name: Name of the line in the legend.
        colour: Of the line, `#rrggbb`; the band has the same, translucent.
        hover: What plotly shows of a point: `customdata` and `hovertemplate`.
    """
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[each["high"] for each in y] + [each["low"] for each in reversed(y)],
        mode="lines",
        fill="toself",
        fillcolor=translucent(colour),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    values = [each["value"] for each in y]
    figure.add_scatter(x=x, y=values, mode="lines+markers", name=name, line={"color": colour}, **hover)


def add_area(figure: "go.Figure", row: str, area: Figure, colour: str, said: str) -> None:
    """Draw an area under the ROC curve with its interval, in a row of its own.

    Args:
        figure: The plot, changed in place; `mark_areas` gives it its axis.
        row: Name of the row.
        area: The area.
        colour: Of the point.
        said: What plotly shows of it.
    """
    figure.add_scatter(
        x=[area["value"]],
        y=[row],
        mode="markers",
        showlegend=False,
        marker={"size": 11, "color": colour},
        error_x=whiskers([area]) | {"color": colour},
        hovertemplate=f"{said}<extra></extra>",
    )


def mark_areas(figure: "go.Figure") -> None:
    """Give a plot of areas its axis, and the line of chance."""
    figure.add_vline(x=0.5, line_dash="dot", line_color="#999", annotation_text="chance")
    figure.update_xaxes(title="area under the ROC curve, grouped 5-fold", range=[0, 1.02])


def make_square(figure: "go.Figure", across: str, up: str) -> None:
    """Give a plot two axes from 0 to 1 of the same length, with these titles."""
    figure.update_xaxes(title=across, range=[-0.02, 1.02], constrain="domain")
    figure.update_yaxes(title=up, range=[-0.02, 1.02], scaleanchor="x", constrain="domain")


def _wrap(axis: "go.layout.XAxis | go.layout.YAxis", letters: int) -> None:
    """Break a long title into lines: Plotly cuts off what a narrow page has no room for."""
    if axis.title.text:
        axis.title.text = "<br>".join(textwrap.wrap(axis.title.text, letters))


def translucent(colour: str) -> str:
    """Make a colour, `#rrggbb`, translucent, to fill a band with."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.15)"


def percent(share: float) -> str:
    """Write 0.95 as `95 %`."""
    return f"{100 * share:g} %"


def whiskers(figures: Sequence[Figure]) -> dict[str, Any]:
    """Turn intervals into error bars around their values."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [each["high"] - each["value"] for each in figures],
        "arrayminus": [each["value"] - each["low"] for each in figures],
    }
