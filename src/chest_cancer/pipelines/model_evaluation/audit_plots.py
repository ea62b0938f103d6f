"""Interactive plots of the audits."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.pipelines.model_evaluation.comparison import in_words

_MODEL, _LOOK_UP, _SHORTCUT, _OTHER = "#1f5a85", "#c4572b", "#c4572b", "#8a949c"
_BANDS = {_MODEL: "rgba(31, 90, 133, 0.15)", _LOOK_UP: "rgba(196, 87, 43, 0.15)"}


def plot_leakage_curve(curve: dict[str, Any]) -> go.Figure:
    """Draw accuracy over the similarity that makes two slices one group.

    Args:
        curve: What `draw_leakage_curve` returned.

    Returns:
        A line with a band for the model and for the look-up; hovering tells the number of groups.
    """
    points = curve["points"]
    similarities = [point["similarity"] for point in points]
    figure = go.Figure()
    for key, name, colour in (
        ("model", "model (linear head)", _MODEL),
        ("look_up", "nearest-neighbour look-up", _LOOK_UP),
    ):
        scores = [point[key]["accuracy"] for point in points]
        figure.add_scatter(
            x=similarities + similarities[::-1],
            y=[score["high"] for score in scores] + [score["low"] for score in scores[::-1]],
            mode="lines",
            fill="toself",
            fillcolor=_BANDS[colour],
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=similarities,
            y=[score["value"] for score in scores],
            mode="lines+markers",
            name=name,
            line={"color": colour},
            customdata=[
                [in_words(point[key]["accuracy"]), in_words(point[key]["roc_auc"]), point["groups"]] for point in points
            ],
            hovertemplate=(
                f"{name}<br>one group from cosine %{{x:.2f}}<br>accuracy %{{customdata[0]}}<br>AUC %{{customdata[1]}}"
                "<br>%{customdata[2]} groups<extra></extra>"
            ),
        )
    figure.update_xaxes(
        title="similarity (cosine) from which on two slices are kept on one side; 1: exact copies only",
        autorange="reversed",
        tickformat=".2f",
    )
    figure.update_yaxes(title="accuracy, grouped 5-fold")
    return _styled(figure, "Leakage curve, with 95 % intervals")


def plot_shortcuts(audit: dict[str, Any]) -> go.Figure:
    """Draw the area under the ROC curve of the model and of each baseline that sees no anatomy.

    Args:
        audit: What `audit_shortcuts` returned.

    Returns:
        A point with its interval for each, the model on top; shortcuts are coloured.
    """
    rows = [*audit["baselines"][::-1], {"name": "the model", "sees": "the embedding", **audit["model"]}]
    colours = [_MODEL if "shortcut" not in row else _SHORTCUT if row["shortcut"] else _OTHER for row in rows]
    areas = [row["roc_auc"] for row in rows]
    figure = go.Figure()
    for row, area, colour in zip(rows, areas, colours, strict=True):
        figure.add_scatter(
            x=[area["value"]],
            y=[row["name"]],
            mode="markers",
            showlegend=False,
            marker={"size": 11, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [area["high"] - area["value"]],
                "arrayminus": [area["value"] - area["low"]],
                "color": colour,
            },
            hovertemplate=(
                f"{row['name']}: {row['sees']}<br>AUC {in_words(area)}<br>accuracy {in_words(row['accuracy'])}"
                "<extra></extra>"
            ),
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color="#999", annotation_text="chance")
    figure.update_xaxes(title="area under the ROC curve, grouped 5-fold", range=[0, 1.02])
    return _styled(figure, "What can be had without anatomy, with 95 % intervals")


def _styled(figure: go.Figure, title: str) -> go.Figure:
    figure.update_layout(
        title=title,
        template="plotly_white",
        height=440,
        margin={"l": 110, "r": 20, "t": 60, "b": 60},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure
