"""Nodes of model_evaluation."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.network.answered_images import answer_images
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.features import known_patients
from chest_cancer.network.mapping import Loaded
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.statistics.intervals import unknown_as_none
from chest_cancer.statistics.metrics import measure
from chest_cancer.storage.arrays import Arrays
from chest_cancer.storage.figures import CONFIDENCE, KNOWN, PATIENTS, UNKNOWN


def predict_test_images(
    images: ImageFolder, split_table: pd.DataFrame, classifier: Classifier
) -> tuple[pd.DataFrame, Arrays]:
    """Send the locked test images through the artefact that is served.

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `pixel_sha256`, `label`, `group`, `split` and, where known,
            `patient`.
        classifier: The trained classifier.

    Returns:
        A row per distinct test image: `path`, `label`, `group`, `patient` where there is one, `predicted` (the class
        that the rule chooses), `distance` from the training images, `reason` why that is no answer (None where it is)
        and `probability_<class>`; and `evidence` of each image, float32 [n, K, h, w], in the same order.

    Raises:
        ValueError: A file is not the image that was indexed.
    """
    test = split_table[split_table["split"] == "test"]
    said, predictions, _ = answer_images(
        test,
        lambda path, key: Loaded(None, images.standardised(path, classifier.standardisation, key).pixels),
        classifier,
        "test images",
    )
    known = test.columns.intersection(["path", "label", "group", "patient"], sort=False)
    table = test[known].join(said).reset_index(drop=True)
    return table, {"evidence": np.stack([answer.evidence for answer in predictions])}


def measure_performance(
    test_predictions: pd.DataFrame,
    split_table: pd.DataFrame,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Measure the classifier on the locked test images.

    Args:
        test_predictions: A row per distinct test image.
        split_table: A row per image: says whether patients are known.
        classifier: Has the classes and the operating threshold, both fixed before the test images were looked at.
        parameters: The block `model_evaluation`.
        seed: Random seed for the bootstrap.

    Returns:
        Each figure as `{"value", "low", "high", "n"}` under its plain name; the value is None where it is unknown. And
        `patients`, `known` or `unknown`; and `confidence`, the level of the intervals.
    """
    figures = measure(HeldOut.served(test_predictions, classifier.manifest, parameters, seed))
    patients = UNKNOWN if known_patients(split_table) is None else KNOWN
    return {PATIENTS: patients, CONFIDENCE: parameters.confidence, **unknown_as_none(figures)}
