"""Plots of two sites, one over the other."""

from collections.abc import Collection, Mapping
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from chest_cancer.network.predictions import disease_class, probability_columns
from chest_cancer.reporting.plots import add_reliability
from chest_cancer.reporting.style import BLUE, COLOURS, DOTTED, ORANGE, make_square, percent, styled

_LINES = ("solid", "dot")
_SITES = (ORANGE, BLUE)
_WIDTH = 8
"""Grey levels in a bin."""


def plot_both_rocs(
    sites: Mapping[str, pd.DataFrame],
    classes: list[str],
    normal_class: str | None,
    positive_classes: Collection[str] | None = None,
) -> go.Figure:
    """Draw the ROC curve of each class against the rest (of disease against none for two classes), at each site.

    Args:
        sites: By name, a row per image, with `label` and the classes' probabilities.
        classes: Class names.
        normal_class: The class without disease, or None.
        positive_classes: Those that sensitivity is about, where they were asked for.

    Returns:
        Curves of sensitivity over 1 - specificity; none for a class that has no image at a site, or all.
    """
    curves = [disease_class(classes, normal_class, positive_classes)] if len(classes) == 2 else classes
    figure = go.Figure()
    for (site, rows), line, shade in zip(sites.items(), _LINES, _SITES, strict=False):
        for name, column, colour in zip(curves, probability_columns(curves), cycle(COLOURS), strict=False):
            positive = rows["label"] == name
            if positive.all() or not positive.any():
                continue
            false_positives, sensitivities, _ = roc_curve(positive, rows[column])
            figure.add_scatter(
                x=false_positives,
                y=sensitivities,
                mode="lines",
                name=f"{name}, {site}",
                line={"color": shade if len(curves) == 1 else colour, "dash": "solid" if len(curves) == 1 else line},
            )
    if not figure.data:
        return figure
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line=DOTTED, hoverinfo="skip")
    make_square(figure, "1 - specificity", "sensitivity")
    return styled(figure, "ROC", height=480)


def plot_both_reliabilities(sites: Mapping[str, pd.DataFrame], classes: list[str], confidence: float) -> go.Figure:
    """Draw how often the most probable class is the true one, over its probability, at each site.

    Args:
        sites: By name, a row per image: `label`, `group` and a `probability_<class>` for each class.
        classes: Class names.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        A point with its interval for each bin of equally many images, and the line of perfect calibration.
    """
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect", line=DOTTED, hoverinfo="skip")
    for (site, rows), colour in zip(sites.items(), _SITES, strict=False):
        numbers = rows["label"].map(classes.index).to_numpy()
        stated = rows[probability_columns(classes)].to_numpy(dtype=np.float64)
        add_reliability(figure, site, colour, numbers, stated, rows["group"].to_numpy(), confidence)
    make_square(figure, "probability of the most probable class", "share of images where it is the true class")
    return styled(figure, f"Reliability; bins with counts and {percent(confidence)} intervals", height=480)


def plot_grey_levels(sites: Mapping[str, NDArray[np.floating]]) -> go.Figure:
    """Draw the mean histogram of what the network gets, at each site.

    Args:
        sites: By name, the share of each of 256 grey levels, [256].

    Returns:
        A line for each site.
    """
    figure = go.Figure()
    for (site, levels), colour in zip(sites.items(), _SITES, strict=False):
        bins = np.asarray(levels).reshape(-1, _WIDTH).sum(axis=1)
        figure.add_scatter(
            x=np.arange(len(bins)) * _WIDTH + _WIDTH / 2,
            y=bins,
            mode="lines",
            name=site,
            line={"color": colour, "shape": "hvh"},
        )
    figure.update_xaxes(title="grey level of the network's input")
    figure.update_yaxes(title="share of pixels", rangemode="tozero", tickformat=".0%")
    return styled(figure, "Grey levels, mean of all images", height=340)
