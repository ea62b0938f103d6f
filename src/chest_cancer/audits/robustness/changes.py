"""Whether predictions stay the same when images change in ways that do not change what they show.

After Hendrycks and Dietterich, 2019, Benchmarking neural network robustness to common corruptions and perturbations.
"""

from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.audits.robustness.perturbations import PERTURBATIONS
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import disease_class, probability_columns
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.roc import area_of_classes, area_under_roc, placements
from chest_cancer.storage.figures import Figure


class Change(TypedDict):
    """What a perturbation does.

    Attributes:
        perturbation: What is changed; `none` for the unchanged images.
        strength: How much, in the unit of the perturbation.
        label: Both, for people.
        flipped: Share of the images whose answer changes: to another class, to none, or from none to one.
        accuracy: Share of the images that are answered rightly under the perturbation; none counts as an error.
        roc_auc: Under the perturbation.
        abstained: Share of the images that get no answer.
    """

    perturbation: str
    strength: float
    label: str
    flipped: Figure
    accuracy: Figure
    roc_auc: Figure
    abstained: Figure


def predict_perturbed_images(
    images: ImageFolder, test_predictions: pd.DataFrame, classifier: Classifier, seed: int
) -> pd.DataFrame:
    """Send test images through the classifier under every perturbation.

    Args:
        images: The source's files.
        test_predictions: A row per test image: `path`, `label`, `group`, `predicted`, `reason` and
            `probability_<class>`.
        classifier: The trained classifier.
        seed: Random seed for the noise.

    Returns:
        A row per image and perturbation: `perturbation` (its label; None for the unchanged image), and the columns of
        `test_predictions` that are named above.
    """
    known = test_predictions[["path", "label", "group"]].itertuples(index=False)
    rows: list[tuple[object, ...]] = []
    total = len(test_predictions) * len(PERTURBATIONS)
    with LongWork("Perturbing images", total) as work:
        for number, (path, label, group) in enumerate(known):
            original = images.pixels(path, window=classifier.standardisation.window)
            changed = [
                perturbation(original, np.random.default_rng([seed, number, i]))
                for i, perturbation in enumerate(PERTURBATIONS)
            ]
            for perturbation, answer in zip(PERTURBATIONS, classifier.predict(changed), strict=True):
                said = (answer.leaning, answer.reason, *answer.probabilities.values())
                rows.append((perturbation.label, path, label, group, *said))
            work.update(len(PERTURBATIONS))
    columns = ["path", "label", "group", "predicted", "reason", *probability_columns(list(classifier.classes))]
    perturbed = pd.DataFrame(rows, columns=["perturbation", *columns])
    return pd.concat([test_predictions[columns].assign(perturbation=None), perturbed], ignore_index=True)


def measure_robustness(
    perturbed_predictions: pd.DataFrame, classes: list[str], normal_class: str | None, confidence: float
) -> list[Change]:
    """Measure how far each perturbation changes answers, accuracy and the area under the ROC curve.

    Args:
        perturbed_predictions: What `predict_perturbed_images` returned.
        classes: Class names, in the order of the classifier.
        normal_class: The class without disease, or None.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        An item for the unchanged images and for each perturbation.
    """
    unchanged = perturbed_predictions[perturbed_predictions["perturbation"].isna()].reset_index(drop=True)
    disease = disease_class(classes, normal_class)
    groups = unchanged["group"].to_numpy()

    before = _answers(unchanged)

    def change(rows: pd.DataFrame, perturbation: str, strength: float, label: str) -> Change:
        answers = _answers(rows)
        return {
            "perturbation": perturbation,
            "strength": strength,
            "label": label,
            "flipped": share((answers != before).to_numpy(), groups, confidence),
            "accuracy": share((answers == rows["label"]).to_numpy(), groups, confidence),
            "roc_auc": _area(rows, classes, disease, confidence),
            "abstained": share(rows["reason"].notna().to_numpy(), groups, confidence),
        }

    changes = [change(unchanged, "none", 0.0, "unchanged")]
    for perturbation in PERTURBATIONS:
        changed = perturbed_predictions[perturbed_predictions["perturbation"] == perturbation.label]
        rows = changed.set_index("path").loc[unchanged["path"]].reset_index()
        changes.append(change(rows, perturbation.name, perturbation.strength, perturbation.label))
    return changes


def _answers(rows: pd.DataFrame) -> "pd.Series[str]":
    """The class that is answered, empty where none is."""
    return rows["predicted"].where(rows["reason"].isna(), "")


def _area(rows: pd.DataFrame, classes: list[str], disease: str, confidence: float) -> Figure:
    """Of disease against none for two classes, the mean of each class against the rest for more."""
    groups = rows["group"].to_numpy()
    scores: NDArray[np.float64] = rows[probability_columns(classes)].to_numpy(dtype=np.float64)
    numbers = rows["label"].map(classes.index).to_numpy(dtype=np.int64)
    placed = np.stack([placements(numbers == k, scores[:, k]) for k in range(len(classes))], axis=1)
    if len(classes) > 2:
        return area_of_classes(numbers, placed, groups, confidence)[0]
    k = classes.index(disease)
    return area_under_roc(numbers == k, placed[:, k], groups, confidence)
