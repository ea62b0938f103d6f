"""The gate: is a new model no worse than the champion of its kind, on the same locked test groups?"""

from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.record.champion import Champion, Champions, Decision, Line, Served
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.cross_validation import FEWEST_GROUPS, Numbers, fewest_groups
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.paired_areas import difference_of_areas
from chest_cancer.storage.figures import Figure


def compare_with_champion(
    images: ImageFolder,
    split_table: pd.DataFrame,
    test_predictions: pd.DataFrame,
    candidate: Classifier,
    champions: Champions,
    parameters: ModelEvaluationParameters,
) -> Decision:
    """Decide whether the new model leads its line of champions, and whether it is served.

    Like is compared with like: both predict the same test images, which are of the champion's own data, without the
    groups that hold an image which the champion has learnt from. Of the area under the ROC curve the paired difference
    counts, with its interval over groups (`difference_of_areas`); the new model must not be worse by more than the
    margin at the lower end of the interval (a test of non-inferiority).

    What can't be compared, as a model of other data or of other classes, takes no place of another, unless
    `parameters.replaces` is the version that is served.

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `pixel_sha256` and `group`.
        test_predictions: What the new model says of the test images.
        candidate: The new model.
        champions: Gives the model to beat.
        parameters: The block `model_evaluation`.

    Returns:
        The decision.
    """
    line = Line.of(candidate.manifest)
    champion = champions(line)
    decision = _without_comparing(candidate, champion, parameters.replaces) or _compare(
        images, split_table, test_predictions, candidate, champion, parameters
    )
    return decision if champion.served is None else _serve_or_keep(decision, line, champion.served, parameters.replaces)


def _without_comparing(candidate: Classifier, champion: Champion, replaces: int | None) -> Decision | None:
    """Decide what needs no test images; None where the two are to be compared."""
    old, version = champion.classifier, champion.version
    if champion.problem is not None:
        subject = "the model registry can't be used" if version is None else f"champion version {version} can't be read"
        return _refuse(champion, f"Not compared: {subject}. {champion.problem}")
    if old is None or version is None:
        kind = " of its kind" if champion.served else ""
        return _decide(champion, True, f"Promoted: the first model{kind}, with no champion before it.")
    if old.manifest == candidate.manifest:
        reason = f"This is the champion, version {version}."
        is_served = champion.served is None or champion.served.version == version
        return _refuse(champion, reason) if is_served else _unless_asked_for(champion, reason, replaces)
    return None


def _compare(
    images: ImageFolder,
    split_table: pd.DataFrame,
    test_predictions: pd.DataFrame,
    candidate: Classifier,
    champion: Champion,
    parameters: ModelEvaluationParameters,
) -> Decision:
    """Decide by test images."""
    old, version = cast(Classifier, champion.classifier), champion.version
    compared, background = _comparable(split_table, test_predictions, candidate, champion)
    numbers = compared["label"].map(list(candidate.classes).index).to_numpy(dtype=np.int64)
    groups = compared["group"].to_numpy(dtype=np.int64)
    if len(set(numbers)) < len(old.classes) or fewest_groups(numbers, groups) < FEWEST_GROUPS:
        reason = f"Not compared: only {len(compared)} test images in {len(set(groups))} groups can be compared on"
        reason = f"{reason} with champion version {version}, fewer than tell anything{background}."
        return _unless_asked_for(champion, reason, parameters.replaces)
    new_scores = compared[probability_columns(list(candidate.classes))].to_numpy()
    # A run that was only repeated makes the same network, which need not be asked again.
    same = _network(old) == _network(candidate)
    old_scores = new_scores if same else _scores(champion, old, images, split_table, compared["path"].to_list())
    gain = difference_of_areas(numbers, new_scores, old_scores, groups, parameters.confidence)
    if same:  # It is as good as itself, on whatever patients.
        gain = gain | {"low": 0.0, "high": 0.0}
    margin = parameters.promotion_margin
    verdict = (
        "Promoted: better than"
        if gain["low"] > 0
        else f"Promoted by margin: not worse by more than {margin:g} than"
        if gain["low"] >= -margin
        else f"Refused: it may be worse by more than {margin:g} than"
    )
    reason = (
        f"{verdict} champion version {version}: area under the ROC curve less the champion's: {in_words(gain, 3)}, on "
        f"the same {gain['n']} test images in {len(set(groups))} groups{background}."
    )
    if gain["low"] < -margin:
        reason += _too_few(numbers, new_scores, old_scores, gain)
    return _decide(champion, gain["low"] >= -margin, reason) | {"difference": gain, "groups": len(set(groups))}


def _too_few(numbers: Numbers, new: NDArray[np.float64], old: NDArray[np.float64], gain: Figure) -> str:
    """Say of a refused model that more test patients could tell it from the champion; nothing where it is worse."""
    whole = np.ones((1, len(numbers)))
    if all(areas(numbers, scores[None], whole)[0] == 1 for scores in (new, old)):
        return " Both rank all of them rightly: so few can't tell the models apart, more test patients could."
    return " So few can't tell which is better: more test patients could." if gain["high"] > 0 else ""


def _network(classifier: Classifier) -> tuple[object, ...]:
    """All that decides which probabilities an image gets."""
    return classifier.graph, classifier.quantised, classifier.precision, classifier.standardisation


def _comparable(
    split_table: pd.DataFrame, test_predictions: pd.DataFrame, candidate: Classifier, champion: Champion
) -> tuple[pd.DataFrame, str]:
    """Choose the test images that are of the champion's own data and that it has not learnt from; and say which."""
    here, there = candidate.manifest.data.digest, cast(Classifier, champion.classifier).manifest.data.digest
    own, words = test_predictions, ""
    if here != there:
        key_of = split_table.set_index("path")["pixel_sha256"]
        own = own[own["path"].map(key_of).isin(champion.test_scores.keys())]
        words = (
            f"; version {champion.version} was trained on other data ({there[:12]}, not {here[:12]}), "
            f"{len(test_predictions) - len(own)} images left out that it was not tested on"
        )
    learnt = split_table.loc[split_table["pixel_sha256"].isin(champion.training_images), "group"].unique()
    compared = own[~own["group"].isin(learnt)]
    if left_out := len(own) - len(compared):
        words += f"; {left_out} images left out that are, or resemble, its training images"
    return compared, words


def _unless_asked_for(champion: Champion, reason: str, replaces: int | None) -> Decision:
    """Refuse what can't be compared, unless somebody said that it may take the place of what is served."""
    served = champion.served
    if served is None or served.version != str(replaces):
        return _refuse(champion, f"{reason}{_stale(replaces, served)}")
    asked = f"Promoted in place of version {served.version}, as `model_evaluation.replaces` says."
    return _decide(champion, True, f"{asked} {reason}") | {"replaces": served.version}


def _stale(replaces: int | None, served: Served | None) -> str:
    """Say that another version is served than the one whose place may be taken; nothing where none was named."""
    if replaces is None or served is None or served.version == str(replaces):
        return ""
    return f" `model_evaluation.replaces` names version {replaces}, and version {served.version} is served."


def _serve_or_keep(decision: Decision, line: Line, served: Served, replaces: int | None) -> Decision:
    """Decide what is served: it changes within a line, or from synthetic to real, never otherwise unless told to."""
    if served.line == line or not decision["leads"]:
        return decision
    if served.line is not None and line.may_follow(served.line):
        reason = f"{decision['reason']} It takes the place of version {served.version}, a model of {served.line}."
        return decision | {"reason": reason}
    if "replaces" in decision:
        return decision
    kind = f"is a model of {served.line}" if served.line else "does not say of what it is a model"
    others = f"{kind}, and this is one of {line}: they can't be compared."
    own_kind = f"Among its own kind: {decision['reason'].removeprefix('Promoted').lstrip(': ')}"
    if served.version == str(replaces):
        asked = f"Promoted in place of version {served.version}, as `model_evaluation.replaces` says: that one"
        return decision | {"reason": f"{asked} {others} {own_kind}", "replaces": served.version}
    # It leads its line all the same: the next model of its kind is compared with it.
    reason = f"Not served: version {served.version}, which is, {others} {own_kind}{_stale(replaces, served)}"
    return decision | {"promoted": False, "reason": reason}


def _refuse(champion: Champion, reason: str) -> Decision:
    # What others report may end without a full stop, and a command follows.
    return _decide(champion, False, f"{reason.rstrip('.')}.")


def _decide(champion: Champion, leads: bool, reason: str) -> Decision:
    served = champion.served.version if champion.served else None
    return Decision(promoted=leads, leads=leads, reason=reason, champion=champion.version, served=served)


def _scores(
    champion: Champion, old: Classifier, images: ImageFolder, split_table: pd.DataFrame, paths: list[str]
) -> NDArray[np.float64]:
    """The champion's scores: those recorded at its own test if that was on the same images, else computed."""
    keys = split_table.set_index("path")["pixel_sha256"].loc[paths]
    if champion.test_scores.keys() >= set(keys):
        return np.array([champion.test_scores[key] for key in keys])
    said = old.predict_standardised(images.standardised(path, old.standardisation).pixels for path in paths)
    return np.array([list(prediction.probabilities.values()) for prediction in said])
