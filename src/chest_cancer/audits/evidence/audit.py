"""The audit of evidence maps: whether they show the lesion, and what counted for the answer."""

from typing import Any

import pandas as pd

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.evidence.agreement import (
    DELETED_CELLS,
    compare_with_masks,
    delete_cells,
    measure_deletion,
    measure_overlaps,
)
from chest_cancer.audits.evidence.plot import plot_deletion
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.sampling import draw_images
from chest_cancer.storage.arrays import Arrays

_LARGEST_P = 0.01
"""Of the deletion test: above it the maps are not shown to mark what counts."""
_FEWEST_GROUPS = 7
"""With fewer no p is that small, as it is at least one half to the power of the groups."""


def audit_evidence(
    raw_images: ImageFolder,
    test_predictions: pd.DataFrame,
    test_evidence: Arrays,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Compare evidence maps with lesion masks, with the effect of deletions, and with the maps of a shuffled head.

    Args:
        raw_images: The source's files and, for phantoms, lesion masks.
        test_predictions: A row per distinct test image.
        test_evidence: `evidence` in each, [n, K, h, w].
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Random seed for the draw of images, random cells and the shuffled head.

    Returns:
        `overlaps` with masks, None where the data have none; `deletion`, `deleted_cells`, and `shuffled_correlation`,
        the mean rank correlation of maps before and after the head's weights are shuffled, near 0 for maps that depend
        on what was learned (Adebayo et al., 2018, Sanity checks for saliency maps); and a plot of the deletion test.
    """
    maps = test_evidence["evidence"]
    compared = compare_with_masks(raw_images, test_predictions, maps, classifier)
    drawn = draw_images(test_predictions, parameters.deletion_images, seed)
    deleted = delete_cells(raw_images, drawn, maps[drawn.index], classifier, seed)
    facts = {
        "overlaps": measure_overlaps(compared, parameters.confidence),
        "deletion": measure_deletion(deleted),
        "deleted_cells": DELETED_CELLS,
        "shuffled_correlation": float(deleted["shuffled_correlation"].mean()),
    }
    return Finding(facts | listed(find_limitations(facts)), {"deletion": plot_deletion(deleted)})


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    parts, overlaps, deletion = [], facts["overlaps"], facts["deletion"]
    if overlaps is None:
        parts.append("No lesion is outlined in this data, so whether the map shows disease is unknown.")
    elif overlaps["pointing_exact"]["measured"]["low"] <= overlaps["pointing_exact"]["chance"]:
        measured, chance = overlaps["pointing_exact"]["measured"], overlaps["pointing_exact"]["chance"]
        parts.append(
            f"The peak lies in the lesion no more often than by chance: {in_words(measured)}, where chance gives "
            f"{chance:.2f}."
        )
    if deletion["p"] > _LARGEST_P:
        few = f", which takes {_FEWEST_GROUPS} groups at least" if deletion["groups"] < _FEWEST_GROUPS else ""
        parts.append(
            "Deleting the cells of most evidence is not shown to be worse for an answer than deleting random ones: "
            f"p {deletion['p']:.2g} (n {deletion['n']}, in {deletion['groups']} groups), and it is called shown at "
            f"{_LARGEST_P:g} or less{few}."
        )
    return [Limitation("Evidence maps", " ".join(parts))] if parts else []
