"""Baselines beside the model, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, GREY, ORANGE, add_area, mark_areas, percent, styled
from chest_cancer.statistics.intervals import in_words


def plot_shortcuts(audit: dict[str, Any], confidence: float) -> go.Figure:
    """Draw the area under the ROC curve of the model and of each baseline that sees no anatomy.

    Args:
        audit: What `audit_shortcuts` returned.
        confidence: Confidence level of its intervals, 0..1.

    Returns:
        A point with its interval for each, the model on top; shortcuts are coloured.
    """
    rows = [*audit["baselines"][::-1], {"name": "the model", "sees": "the embedding", **audit["model"]}]
    colours = [BLUE if "shortcut" not in row else ORANGE if row["shortcut"] else GREY for row in rows]
    figure = go.Figure()
    for row, colour in zip(rows, colours, strict=True):
        area = row["roc_auc"]
        said = f"{row['name']}: {row['sees']}<br>AUC {in_words(area)}<br>accuracy {in_words(row['accuracy'])}"
        add_area(figure, row["name"], area, colour, said)
    mark_areas(figure)
    return styled(figure, f"What can be scored without anatomy, with {percent(confidence)} intervals", height=340)
