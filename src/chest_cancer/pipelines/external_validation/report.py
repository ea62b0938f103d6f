"""The page of an external validation."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.pipelines.external_validation.copies import counted
from chest_cancer.record.trained_models import TrainedModel
from chest_cancer.reporting.external_report import render_external_report
from chest_cancer.reporting.site_plots import plot_both_reliabilities, plot_both_rocs, plot_grey_levels
from chest_cancer.storage.arrays import Arrays

PLOTS = ("roc", "reliability", "grey_levels")
"""Names of what `plot_sites` draws, in its order."""


def plot_sites(
    external_predictions: pd.DataFrame,
    external_looks: Arrays,
    own_answers: pd.DataFrame,
    own_looks: Arrays,
    model: TrainedModel,
    parameters: ModelEvaluationParameters,
) -> tuple[go.Figure, go.Figure, go.Figure]:
    """Draw both sites: ROC curves, reliability and grey levels.

    Args:
        external_predictions: A row per distinct image of the other site; those that are left out do not count.
        external_looks: `grey` of each.
        own_answers: A row per image that the model was made from; empty where these are not here.
        own_looks: Likewise.
        model: Gives the classes.
        parameters: The block `model_evaluation`.

    Returns:
        Three plots.
    """
    manifest, there = model.classifier.manifest, counted(external_predictions)
    tested = own_answers[own_answers["split"] == "test"] if len(own_answers) else own_answers
    sites = {"other site": there} | ({"own test images": tested} if len(tested) else {})
    grey = {"other site": external_looks["grey"][there.index]} | (
        {"own images": own_looks["grey"]} if own_looks else {}
    )
    classes = list(manifest.classes)
    return (
        plot_both_rocs(sites, classes, manifest.normal_class, manifest.positive_classes),
        plot_both_reliabilities(sites, classes, parameters.confidence),
        plot_grey_levels({name: levels.mean(axis=0) for name, levels in grey.items()}),
    )


def write_external_report(
    external_validation: dict[str, Any],
    external_quarantine: pd.DataFrame,
    model: TrainedModel,
    parameters: ModelEvaluationParameters,
    **plots: go.Figure,
) -> str:
    """Write the page: HTML that needs no network.

    Args:
        external_validation: All that was found.
        external_quarantine: Files that were not used, with the reason.
        model: Its manifest says what it was made from.
        parameters: The block `model_evaluation`.
        plots: What `plot_sites` drew, by name.

    Returns:
        The page.
    """
    return render_external_report(
        external_validation, model.classifier.manifest, external_quarantine, plots, parameters.confidence
    )
