"""The audit of the decision curve: net benefit beside treating everybody and nobody."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.decision_curve.plot import plot_decision_curve
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import positive_numbers, probability_columns
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.net_benefit import net_benefits

_THRESHOLDS = np.arange(1, 20) / 20
_USUAL = (0.05, 0.5)
"""Thresholds at which a suspected cancer is looked into: beyond, a miss would weigh less than a false alarm."""


def audit_decision_curve(
    test_predictions: pd.DataFrame, classifier: Classifier, parameters: ModelEvaluationParameters, seed: int
) -> Finding:
    """Measure net benefit over thresholds of the probability of disease, declined images included.

    Args:
        test_predictions: A row per distinct test image: `label`, `group` and `probability_<class>`.
        classifier: Says which classes are positive.
        parameters: The block `model_evaluation`.
        seed: Random seed for the bootstrap.

    Returns:
        `positive`, the classes that are to be found; `points`, each with `threshold`, `model`, `all` (treated) and
        `model_less_best`, that of the model less the better of treating all and treating nobody, paired over groups;
        `useful`, the thresholds at which that is above 0 with its interval; `sentence`; and a plot. Nothing where it
        is not known which classes are positive, or the test split has none of them, or nothing else.
    """
    classes, manifest = list(classifier.classes), classifier.manifest
    numbers = positive_numbers(classes, manifest.normal_class, manifest.positive_classes)
    if numbers is None:
        return NOTHING
    names = [classes[number] for number in numbers]
    positive = test_predictions["label"].isin(names).to_numpy()
    if positive.all() or not positive.any():
        return NOTHING
    scores = test_predictions[probability_columns(names)].sum(axis=1).to_numpy(dtype=np.float64)
    groups = test_predictions["group"].to_numpy()
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    weights, count = bootstrap.weights, len(positive)
    model = net_benefits(positive, scores, _THRESHOLDS, weights)
    everybody = net_benefits(positive, np.ones(count), _THRESHOLDS, weights)
    nobody = np.zeros(len(weights))
    points: list[dict[str, Any]] = [
        {
            "threshold": float(threshold),
            "model": bootstrap.difference(model[:, place], nobody, count),
            "all": bootstrap.difference(everybody[:, place], nobody, count),
            "model_less_best": bootstrap.difference(model[:, place], np.maximum(everybody[:, place], 0), count),
        }
        for place, threshold in enumerate(_THRESHOLDS)
    ]
    facts: dict[str, Any] = {"positive": names, "points": points}
    facts["useful"] = [point["threshold"] for point in points if point["model_less_best"]["low"] > 0]
    facts["sentence"] = describe(facts)
    plots = {"decision_curve": plot_decision_curve(points, parameters.confidence)}
    return Finding(facts | listed(find_limitations(facts)), plots)


def describe(facts: dict[str, Any]) -> str:
    """Say where acting on the classifier is worth more than treating everybody or nobody."""
    useful, n = facts["useful"], facts["points"][0]["model"]["n"]
    if not useful:
        return (
            "At no threshold is acting on the classifier measurably worth more than treating everybody or nobody, as "
            f"far as {n} test images can say."
        )
    best = max(facts["points"], key=lambda point: point["model_less_best"]["low"])
    ranges = f"from {min(useful):.2f} to {max(useful):.2f}" if len(useful) > 1 else f"of {useful[0]:.2f}"
    all_of_them = len(useful) == round((max(useful) - min(useful)) * 20) + 1
    return (
        f"At thresholds {ranges}{'' if all_of_them else ', with gaps,'} acting on the classifier is worth more than "
        f"treating everybody or nobody: at {best['threshold']:.2f} by {in_words(best['model_less_best'])} true "
        "positives an image."
    )


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    if any(_USUAL[0] <= threshold <= _USUAL[1] for threshold in facts["useful"]):
        return []
    return [
        Limitation(
            "Decisions",
            f"Between thresholds of {_USUAL[0]} and {_USUAL[1]}, where a miss weighs as much as a false alarm or more, "
            "acting on the classifier is not measurably worth more than treating everybody or nobody.",
        )
    ]
