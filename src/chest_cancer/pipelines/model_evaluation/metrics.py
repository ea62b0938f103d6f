"""Figures of a classifier on a test split, each with its interval and its n."""

from collections.abc import Callable
from functools import partial
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from chest_cancer.parameters import ModelEvaluationParameters

Weights = NDArray[np.float64]


class Figure(TypedDict):
    """A measured figure: value, confidence interval, and the number of images that it rests on."""

    value: float
    low: float
    high: float
    n: int


def probability_columns(classes: list[str]) -> list[str]:
    """Names of the columns with the classes' probabilities."""
    return [f"probability_{name}" for name in classes]


def disease_class(classes: list[str], normal_class: str | None) -> str:
    """Of two classes the one that counts as disease: not the normal one, or the second."""
    return classes[1] if normal_class in (None, classes[0]) else classes[0]


def measure(
    predictions: pd.DataFrame,
    classes: list[str],
    normal_class: str | None,
    threshold: float | None,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Figure]:
    """Measure predictions.

    Shares (accuracy, recall, precision, sensitivity, specificity) have Wilson's interval; loss and areas under the ROC
    curve have percentiles of a bootstrap over groups, so that slices that resemble each other count as one draw.

    Args:
        predictions: A row per test image: `label`, `predicted`, `group` and a `probability_<class>` for each class.
        classes: Class names, in the order of the classifier.
        normal_class: The class without disease, or None.
        threshold: Probability of disease at and above which an image reads as diseased, or None.
        parameters: The block `model_evaluation`.
        seed: Of the bootstrap.

    Returns:
        The figures by name. `accuracy` and the per-class figures are of the most probable class; `sensitivity` and
        `specificity` are at the threshold; `roc_auc` is of disease against none for two classes, and the mean of each
        class against the rest for more.
    """
    numbers = predictions["label"].map(classes.index).to_numpy()
    chosen = predictions["predicted"].map(classes.index).to_numpy()
    probabilities = predictions[probability_columns(classes)].to_numpy()
    bootstrap = _bootstrap(predictions["group"].to_numpy(), parameters, seed)

    figures = {
        "loss": bootstrap(lambda weights: _loss(numbers, probabilities, weights)),
        "accuracy": _share(chosen == numbers, parameters.confidence),
    }
    if len(classes) == 2:
        disease = classes.index(disease_class(classes, normal_class))
        figures["roc_auc"] = bootstrap(lambda weights: _auc(numbers == disease, probabilities[:, disease], weights))
    else:
        figures["roc_auc"] = bootstrap(
            lambda weights: float(
                np.mean([_auc(numbers == k, probabilities[:, k], weights) for k in range(len(classes))])
            )
        )
    if normal_class is not None and threshold is not None:
        normal = classes.index(normal_class)
        positive, diseased = 1 - probabilities[:, normal] >= threshold, numbers != normal
        figures["sensitivity"] = _share(positive[diseased], parameters.confidence)
        figures["specificity"] = _share(~positive[~diseased], parameters.confidence)
    for k, name in enumerate(classes):
        figures[f"recall_{name}"] = _share(chosen[numbers == k] == k, parameters.confidence)
        figures[f"precision_{name}"] = _share(numbers[chosen == k] == k, parameters.confidence)
        if len(classes) > 2:
            figures[f"roc_auc_{name}"] = bootstrap(partial(_auc, numbers == k, probabilities[:, k]))
    return figures


def _share(hits: NDArray[np.bool_], confidence: float) -> Figure:
    """A share with Wilson's interval; of nothing it is unknown: NaN, between 0 and 1."""
    if not len(hits):
        return {"value": float("nan"), "low": 0.0, "high": 1.0, "n": 0}
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(confidence, method="wilson")
    return {"value": float(hits.mean()), "low": float(interval.low), "high": float(interval.high), "n": len(hits)}


def _loss(numbers: NDArray[np.int64], probabilities: NDArray[np.float64], weights: Weights) -> float:
    """Cross-entropy, in nats."""
    of_truth = probabilities[np.arange(len(numbers)), numbers] / probabilities.sum(axis=1)
    return float(np.average(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)), weights=weights))


def _auc(positive: NDArray[np.bool_], scores: NDArray[np.float64], weights: Weights) -> float:
    """Area under the ROC curve, or NaN where one side has no weight."""
    if not weights[positive].sum() or not weights[~positive].sum():
        return float("nan")
    return float(roc_auc_score(positive, scores, sample_weight=weights))


def _bootstrap(
    groups: NDArray[np.int64], parameters: ModelEvaluationParameters, seed: int
) -> Callable[[Callable[[Weights], float]], Figure]:
    """Draw groups with replacement once; the same draws serve every statistic."""
    members = np.unique(groups, return_inverse=True)[1]
    count = members.max() + 1
    draws = np.random.default_rng(seed).multinomial(
        count, np.full(count, 1 / count), size=parameters.bootstrap_repetitions
    )
    tail = (1 - parameters.confidence) / 2

    def interval(statistic: Callable[[Weights], float]) -> Figure:
        repetitions = [statistic(draw[members].astype(float)) for draw in draws]
        low, high = np.nanquantile(repetitions, [tail, 1 - tail])
        value = statistic(np.ones(len(groups)))
        return {"value": value, "low": float(low), "high": float(high), "n": len(groups)}

    return interval
