"""The audit of robustness: what changes answers although it changes nothing that matters."""

from typing import Any

import pandas as pd

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.robustness.changes import measure_robustness, predict_perturbed_images
from chest_cancer.audits.robustness.plot import plot_robustness
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.sampling import draw_images


def audit_robustness(
    raw_images: ImageFolder,
    test_predictions: pd.DataFrame,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Change test images in ways that do not change what they show.

    Args:
        raw_images: The source's files.
        test_predictions: A row per distinct test image.
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Random seed for the draw of images, and for noise.

    Returns:
        `changes`, an item for the unchanged images and for each perturbation, and their plot.
    """
    drawn = draw_images(test_predictions, parameters.perturbed_images, seed)
    perturbed = predict_perturbed_images(raw_images, drawn, classifier, seed)
    normal_class = classifier.manifest.normal_class
    changes = measure_robustness(perturbed, list(classifier.classes), normal_class, parameters.confidence)
    plots = {"robustness": plot_robustness(changes, parameters.confidence)}
    facts = {"changes": changes}
    return Finding(facts | listed(find_limitations(facts)), plots)


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    worst = max(facts["changes"], key=lambda change: change["flipped"]["value"])
    flipped = worst["flipped"]
    if not flipped["value"]:
        return []
    text = f"Under {worst['label']} {in_words(flipped)} of the answers change (n {flipped['n']})."
    return [Limitation("Robustness", text)]
