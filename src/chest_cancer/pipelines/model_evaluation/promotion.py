"""The gate: is a new model no worse than the champion, on the same locked test groups?"""

from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.record.champion import Champion
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.cross_validation import FEWEST_GROUPS, fewest_groups
from chest_cancer.statistics.intervals import in_words
from chest_cancer.storage.figures import Figure


def compare_with_champion(
    images: ImageFolder,
    split_table: pd.DataFrame,
    test_predictions: pd.DataFrame,
    classifier: Classifier,
    champion: Champion,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Decide whether the new model becomes champion.

    Both predict the same test images, without groups that hold an image that the champion has learnt from. The area
    under the ROC curve is compared by a paired bootstrap over groups; the lower end of the interval must not be below 0
    by more than the margin (a test of non-inferiority).

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `pixel_sha256` and `group`.
        test_predictions: What the new model says of the test images.
        classifier: The new model.
        champion: The model to compare with.
        parameters: The block `model_evaluation`.
        seed: Random seed for the bootstrap.

    Returns:
        `promoted`, `reason` (a sentence), `champion` (the version compared with), and where the two were compared
        `difference` of the areas (new less old, with interval and n) and `groups`.
    """
    if (settled := _without_comparing(classifier, champion)) is not None:
        return settled
    old, version = cast(Classifier, champion.classifier), champion.version
    learnt = split_table.loc[split_table["pixel_sha256"].isin(champion.training_images), "group"].unique()
    compared = test_predictions[~test_predictions["group"].isin(learnt)]
    background = _describe_data(classifier, old, version, len(test_predictions) - len(compared))
    numbers = compared["label"].map(list(classifier.classes).index).to_numpy(dtype=np.int64)
    groups = compared["group"].to_numpy(dtype=np.int64)
    if len(set(numbers)) < len(old.classes) or fewest_groups(numbers, groups) < FEWEST_GROUPS:
        return _refuse(
            version, f"Refused: too few test images that champion version {version} has not learnt from{background}"
        )
    new_scores = compared[probability_columns(list(classifier.classes))].to_numpy()
    # A run that was only repeated makes the same network, which need not be asked again.
    same = (old.graph, old.precision, old.standardisation) == (
        classifier.graph,
        classifier.precision,
        classifier.standardisation,
    )
    old_scores = new_scores if same else _scores(champion, old, images, split_table, compared["path"].to_list())
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    new, former = (areas(numbers, scores[None], bootstrap.weights) for scores in (new_scores, old_scores))
    return _decide(bootstrap.difference(new, former, len(compared)), groups, version, background, parameters)


def _without_comparing(classifier: Classifier, champion: Champion) -> dict[str, Any] | None:
    """Decide the cases that need no comparison; None where the two must be compared."""
    old, version = champion.classifier, champion.version
    if champion.problem is not None:
        subject = "the model registry can't be used" if version is None else f"champion version {version} can't be read"
        return _refuse(version, f"Not compared: {subject}. {champion.problem}")
    if old is None or version is None:
        return _first()
    if old.manifest == classifier.manifest:
        return _refuse(version, f"This is the champion, version {version}.")
    if old.classes != classifier.classes:
        return _refuse(
            version,
            f"Refused: champion version {version} tells {', '.join(old.classes)} apart and this model "
            f"{', '.join(classifier.classes)}: they can't be compared",
        )
    return None


def _decide(
    gain: Figure, groups: NDArray[np.int64], version: str | None, background: str, parameters: ModelEvaluationParameters
) -> dict[str, Any]:
    """Decide from the difference of the areas, and say why in words."""
    margin, count = parameters.promotion_margin, len(np.unique(groups))
    verdict = (
        "Promoted: better than"
        if gain["low"] > 0
        else f"Promoted by margin: not worse by more than {margin:g} than"
        if gain["low"] >= -margin
        else f"Refused: it may be worse by more than {margin:g} than"
    )
    return {
        "promoted": gain["low"] >= -margin,
        "reason": f"{verdict} champion version {version}: {in_words(gain, 3)} more area under the ROC curve, on the "
        f"same {gain['n']} test images in {count} groups{background}.",
        "champion": version,
        "difference": gain,
        "groups": count,
    }


def _first() -> dict[str, Any]:
    return {"promoted": True, "reason": "Promoted: the first model, with no champion before it.", "champion": None}


def _refuse(version: str | None, reason: str) -> dict[str, Any]:
    return {"promoted": False, "reason": f"{reason.rstrip('.')}.", "champion": version}


def _describe_data(new: Classifier, old: Classifier, version: str | None, left_out: int) -> str:
    here, there = new.manifest.data.digest, old.manifest.data.digest
    words = "" if here == there else f"; version {version} was trained on other data ({there[:12]}, not {here[:12]})"
    return words + (f"; {left_out} images left out that are, or resemble, its training images" if left_out else "")


def _scores(
    champion: Champion, old: Classifier, images: ImageFolder, split_table: pd.DataFrame, paths: list[str]
) -> NDArray[np.float64]:
    """The champion's scores: those recorded at its own test if that was on the same images, else computed."""
    keys = split_table.set_index("path")["pixel_sha256"].loc[paths]
    if champion.test_scores.keys() >= set(keys):
        return np.array([champion.test_scores[key] for key in keys])
    said = old.predict_standardised(standardise(images.pixels(path), old.standardisation).pixels for path in paths)
    return np.array([list(prediction.probabilities.values()) for prediction in said])
