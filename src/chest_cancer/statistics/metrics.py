"""Figures of a classifier on a test split, each with its interval and its n."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.network.predictions import disease_class, probability_columns
from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.calibration import before_scaling, confidence_and_hits, equal_mass_bins
from chest_cancer.statistics.intervals import Figure as Figure
from chest_cancer.statistics.intervals import mean_of, predictive_values, share
from chest_cancer.statistics.roc import area_of_classes, area_under_roc, placements

PREVALENCES = (1, 5, 20)
"""Of disease, in percent, for which predictive values are worked out."""

_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class _Sample:
    """Test images: class numbers, the chosen ones [n], probabilities [n, K] and groups [n]."""

    numbers: NDArray[np.int64]
    chosen: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: NDArray[np.int64]
    confidence: float

    def share(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Figure:
        return share(hits[among], self.groups[among], self.confidence)


def measure(
    predictions: pd.DataFrame,
    classes: list[str],
    normal_class: str | None,
    threshold: float | None,
    parameters: ModelEvaluationParameters,
    seed: int,
    temperature: float | None = None,
) -> dict[str, Figure]:
    """Measure predictions.

    Every interval takes the images of a group for correlated draws of one. Shares have Wilson's interval, for the
    effective number of images (`intervals.share`); areas under the ROC curve a score interval (`roc.area_under_roc`);
    predictive values at a stated prevalence that of the likelihood ratio (`intervals.predictive_values`); means over
    classes follow from their parts (`intervals.mean_of`). Loss, Brier score, average precision and calibration error
    have a bootstrap over groups (`bootstrap.GroupBootstrap`).

    Args:
        predictions: A row per test image: `label`, `predicted`, `group` and a `probability_<class>` for each class.
        classes: Class names, in the order of the classifier.
        normal_class: The class without disease, or None.
        threshold: Probability of disease at and above which an image reads as diseased, or None.
        parameters: The block `model_evaluation`.
        seed: Of the bootstrap.
        temperature: What calibrated the probabilities, or None.

    Returns:
        The figures by name; an unknown one is NaN, between 0 and the largest value possible.

        - `loss` in nats, `accuracy` of the most probable class; `brier`, 0..1 for two classes and 0..2 for more.
        - `roc_auc`, `average_precision`: of disease against none for two classes, the mean of each class against the
          rest for more.
        - `sensitivity`, `specificity`, `ppv`, `npv` at the threshold, of any disease against none;
          `ppv_at_prevalence_5`, `npv_at_prevalence_5` (and 1, 20): what the two former would yield at that prevalence
          in percent.
        - `ece`, and `ece_uncalibrated` before temperature scaling: calibration error of the most probable class, over
          10 bins of equally many images.
        - `recall_<class>`, `precision_<class>` of the most probable class; for more than two also
          `specificity_<class>`, `npv_<class>`, `roc_auc_<class>`, `average_precision_<class>`, `brier_<class>` (against
          the rest, 0..1), and the means `macro_recall`, `macro_precision`, `macro_specificity`, `macro_npv`.
    """
    sample = _Sample(
        predictions["label"].map(classes.index).to_numpy(dtype=np.int64),
        predictions["predicted"].map(classes.index).to_numpy(dtype=np.int64),
        predictions[probability_columns(classes)].to_numpy(dtype=np.float64),
        predictions["group"].to_numpy(),
        parameters.confidence,
    )
    bootstrap = GroupBootstrap(sample.groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    figures = {
        "loss": bootstrap.mean(_losses(sample), -np.log(_SMALLEST)),
        "accuracy": share(sample.chosen == sample.numbers, sample.groups, sample.confidence),
    }
    if len(classes) == 2:
        figures |= _areas_of_two(sample, bootstrap, classes.index(disease_class(classes, normal_class)))
    else:
        figures |= _areas_of_many(sample, bootstrap, classes)
    if normal_class is not None and threshold is not None:
        figures |= _at_threshold(sample, classes.index(normal_class), threshold)
    figures |= _calibration(sample, bootstrap, temperature)
    return figures | _of_classes(sample, bootstrap, classes)


def _losses(sample: _Sample) -> NDArray[np.float64]:
    """Cross-entropy of each image, in nats."""
    of_truth = sample.probabilities[np.arange(len(sample.numbers)), sample.numbers] / sample.probabilities.sum(axis=1)
    return np.asarray(-np.log(np.clip(of_truth, _SMALLEST, 1)))


def _areas_of_two(sample: _Sample, bootstrap: GroupBootstrap, disease: int) -> dict[str, Figure]:
    diseased, scores = sample.numbers == disease, sample.probabilities[:, disease]
    return {
        "roc_auc": area_under_roc(diseased, placements(diseased, scores), sample.groups, sample.confidence),
        "average_precision": bootstrap.average_precision(diseased, scores)[0],
    }


def _areas_of_many(sample: _Sample, bootstrap: GroupBootstrap, classes: list[str]) -> dict[str, Figure]:
    sides = [(sample.numbers == k, sample.probabilities[:, k]) for k in range(len(classes))]
    placed = np.stack([placements(*side) for side in sides], axis=1)
    area, areas = area_of_classes(sample.numbers, placed, sample.groups, sample.confidence)
    precisions, drawn = zip(*(bootstrap.average_precision(*side) for side in sides), strict=True)
    correlation = pd.DataFrame(np.stack(drawn, axis=1)).corr().to_numpy()
    return (
        {"roc_auc": area, "average_precision": mean_of(list(precisions), correlation, len(sample.numbers))}
        | {f"roc_auc_{name}": figure for name, figure in zip(classes, areas, strict=True)}
        | {f"average_precision_{name}": figure for name, figure in zip(classes, precisions, strict=True)}
    )


def _at_threshold(sample: _Sample, normal: int, threshold: float) -> dict[str, Figure]:
    positive, diseased = 1 - sample.probabilities[:, normal] >= threshold, sample.numbers != normal
    figures = {
        "sensitivity": sample.share(positive, diseased),
        "specificity": sample.share(~positive, ~diseased),
        "ppv": sample.share(diseased, positive),
        "npv": sample.share(~diseased, ~positive),
    }
    for percent in PREVALENCES:
        ppv, npv = predictive_values(figures["sensitivity"], figures["specificity"], percent / 100)
        figures |= {f"ppv_at_prevalence_{percent}": ppv, f"npv_at_prevalence_{percent}": npv}
    return figures


def _calibration(sample: _Sample, bootstrap: GroupBootstrap, temperature: float | None) -> dict[str, Figure]:
    squares = (sample.probabilities - np.eye(sample.probabilities.shape[1])[sample.numbers]) ** 2
    largest = 1.0 if squares.shape[1] == 2 else 2.0
    figures = {"brier": bootstrap.mean(squares.sum(axis=1) * largest / 2, largest)}
    stated = {"ece": sample.probabilities}
    if temperature is not None:
        stated["ece_uncalibrated"] = before_scaling(sample.probabilities, temperature)
    for name, probabilities in stated.items():
        confidence, hits = confidence_and_hits(sample.numbers, probabilities)
        figures[name] = bootstrap.calibration_error(hits - confidence, equal_mass_bins(confidence))
    return figures


def _of_classes(sample: _Sample, bootstrap: GroupBootstrap, classes: list[str]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for k, name in enumerate(classes):
        truly, called = sample.numbers == k, sample.chosen == k
        figures[f"recall_{name}"] = sample.share(called, truly)
        figures[f"precision_{name}"] = sample.share(truly, called)
        if len(classes) > 2:
            figures[f"specificity_{name}"] = sample.share(~called, ~truly)
            figures[f"npv_{name}"] = sample.share(~truly, ~called)
            figures[f"brier_{name}"] = bootstrap.mean((sample.probabilities[:, k] - truly) ** 2, 1.0)
    if len(classes) > 2:
        # Recalls rest on different images, and so do precisions. The others share most of theirs.
        apart, together = np.eye(len(classes)), np.ones((len(classes), len(classes)))
        for kind, correlation in {
            "recall": apart,
            "precision": apart,
            "specificity": together,
            "npv": together,
        }.items():
            parts = [figures[f"{kind}_{name}"] for name in classes]
            figures[f"macro_{kind}"] = mean_of(parts, correlation, len(sample.numbers))
    return figures
