"""The audit of prediction sets: conformal sets, fitted on validation patients and checked on test patients."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.prediction_sets.plot import plot_sets
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.conformal import fit_limit
from chest_cancer.statistics.intervals import in_words, share


def audit_prediction_sets(
    validation_predictions: pd.DataFrame,
    test_predictions: pd.DataFrame,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,  # noqa: ARG001  # one signature for all audits
) -> Finding:
    """Make the set of each test image's classes that are not too improbable, and count how many hold the true one.

    Args:
        validation_predictions: A row per validation image: `label`, `group` and `probability_<class>`.
        test_predictions: A row per distinct test image, likewise.
        classifier: Gives the classes.
        parameters: The block `model_evaluation`: `prediction_set_coverage` is what is promised.
        seed: Not used.

    Returns:
        `promised`, 0..1; `limit`, the least probability of a class in a set, and the numbers of `images` and `groups`
        that it was fitted on; `coverage` of test images, and by `classes`; `sizes`, the share of sets of each number of
        classes; and a plot.
    """
    classes, promised = list(classifier.classes), parameters.prediction_set_coverage
    known, groups = _read(validation_predictions, classes)
    numbers = _numbers(validation_predictions, classes)
    limit = fit_limit(known[np.arange(len(known)), numbers], groups, promised)

    probabilities, groups_of_test = _read(test_predictions, classes)
    truth = _numbers(test_predictions, classes)
    sets = probabilities >= limit
    held = sets[np.arange(len(sets)), truth]
    confidence = parameters.confidence
    facts: dict[str, Any] = {
        "promised": promised,
        "limit": limit,
        "images": len(known),
        "groups": len(np.unique(groups)),
        "coverage": share(held, groups_of_test, confidence),
        "classes": {
            name: share(held[truth == number], groups_of_test[truth == number], confidence)
            for number, name in enumerate(classes)
        },
        "sizes": {
            str(size): share(sets.sum(axis=1) == size, groups_of_test, confidence) for size in range(len(classes) + 1)
        },
    }
    plots = {"prediction_sets": plot_sets(facts, confidence)}
    return Finding(facts | listed(find_limitations(facts)), plots)


def _read(predictions: pd.DataFrame, classes: list[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    probabilities = predictions[probability_columns(classes)].to_numpy(dtype=np.float64)
    return probabilities, predictions["group"].to_numpy(dtype=np.int64)


def _numbers(predictions: pd.DataFrame, classes: list[str]) -> NDArray[np.int64]:
    return predictions["label"].map(classes.index).to_numpy(dtype=np.int64)


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    promised, missed = facts["promised"], []
    for name, figure in {"all test images": facts["coverage"], **facts["classes"]}.items():
        if figure["n"] and figure["high"] < promised:
            missed.append(f"{in_words(figure)} of {name} (n {figure['n']})")
    if not missed:
        return []
    text = (
        f"Sets of classes that promise to hold the true one in {promised:g} of the images hold it in "
        f"{' and in '.join(missed)}: test patients are not like validation patients, or one class pays for the others."
    )
    return [Limitation("Prediction sets", text)]
