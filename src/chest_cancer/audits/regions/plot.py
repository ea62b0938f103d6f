"""What can be told from each region, drawn."""

from typing import Any

import plotly.graph_objects as go

from chest_cancer.reporting.style import BLUE, ORANGE, add_area, mark_areas, percent, styled
from chest_cancer.statistics.intervals import in_words


def plot_regions(regions: list[dict[str, Any]], confidence: float) -> go.Figure:
    """Draw the area under the ROC curve of each region.

    Args:
        regions: What `compare_regions` returned.
        confidence: Confidence level of its intervals, 0..1.

    Returns:
        A point with its interval for each, whole images on top, without the lungs in another colour; empty without a
        region.
    """
    if not regions:
        return go.Figure()
    figure = go.Figure()
    for region in regions[::-1]:
        area, colour = region["roc_auc"], ORANGE if region["name"] == "without lungs" else BLUE
        add_area(figure, region["title"], area, colour, f"{region['title']}<br>AUC {in_words(area)}")
    mark_areas(figure)
    return styled(figure, f"What parts of the images tell, with {percent(confidence)} intervals", height=280)
