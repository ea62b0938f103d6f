"""Nodes of data_audit, apart from the audits themselves."""

from typing import Any

import pandas as pd

from chest_cancer.audits.audit import parts_of
from chest_cancer.audits.registry import DATA_AUDITS
from chest_cancer.imaging.afar import Looks
from chest_cancer.network.manifest import DataSummary
from chest_cancer.parameters.blocks import FeatureExtractionParameters, ModelEvaluationParameters
from chest_cancer.reporting.data_report import render_data_card, render_data_report, show_training_images
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.storage.arrays import Arrays


def take_sample(split_table: pd.DataFrame, features: Arrays, parameters: ModelEvaluationParameters, seed: int) -> Any:
    """Sample images, and predict each by linear heads that did not learn from its group: what audits share.

    Args:
        split_table: A row per image file.
        features: `pixel_sha256` and `embedding` of each distinct image.
        parameters: The block `model_evaluation`.
        seed: Random seed for sample and folds.

    Returns:
        A `Sample`; nothing where audits are switched off.
    """
    if not parameters.audits:
        return {}
    # Here alone: a run without audits needs neither their code nor their libraries.
    from chest_cancer.audits.sample import sample_images

    return sample_images(split_table, features, seed)


def look_at_sample(
    raw_images: ImageFolder,
    audit_sample: Any,
    feature_extraction: FeatureExtractionParameters,
    parameters: ModelEvaluationParameters,
) -> Looks:
    """Describe how sampled images look from so far away that no anatomy can be seen.

    Args:
        raw_images: The source's files.
        audit_sample: A `Sample`.
        feature_extraction: The block `feature_extraction`: the window that the network looks through.
        parameters: The block `model_evaluation`.

    Returns:
        What `look_at` returns; nothing where audits are switched off.
    """
    if not parameters.audits:
        return {}
    from chest_cancer.audits.sample import look_at

    return look_at(raw_images, audit_sample, feature_extraction.standardisation.window)


def write_data_report(
    raw_images: ImageFolder,
    data_summary: dict[str, Any],
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    seed: int,
    **audits_and_plots: Any,
) -> str:
    """Write the data report: one HTML page that needs no network.

    Args:
        raw_images: The source's files.
        data_summary: Summary of the images.
        split_table: A row per image file.
        quarantine: Files that were not used, with the reason.
        seed: Random seed for the draw of images that are shown.
        audits_and_plots: Facts and plots of each audit of the data, by catalog name.

    Returns:
        The page.
    """
    return render_data_report(
        DataSummary.of(data_summary),
        _odd(data_summary),
        split_table,
        quarantine,
        parts_of(DATA_AUDITS, audits_and_plots),
        show_training_images(raw_images, split_table, seed),
    )


def write_data_card(
    data_summary: dict[str, Any],
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    parameters: FeatureExtractionParameters,
    **audits: Any,
) -> str:
    """Write the data card, in Markdown.

    Args:
        data_summary: Summary of the images.
        split_table: A row per image file.
        quarantine: Files that were not used, with the reason.
        parameters: The block `feature_extraction`.
        audits: Facts of each audit of the data, by catalog name.

    Returns:
        The card.
    """
    return render_data_card(
        DataSummary.of(data_summary),
        _odd(data_summary),
        split_table,
        quarantine,
        parts_of(DATA_AUDITS, audits),
        parameters,
    )


def _odd(data_summary: dict[str, Any]) -> list[str]:
    return [*data_summary["notes"], *data_summary["odd"]]
