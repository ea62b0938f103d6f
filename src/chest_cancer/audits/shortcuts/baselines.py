"""What a model can score without seeing anatomy, and what ours adds to that."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from chest_cancer.audits.sample import Sample
from chest_cancer.imaging.afar import Looks
from chest_cancer.imaging.marks import Marks
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.cross_validation import (
    MANY_IMAGES,
    Numbers,
    Scores,
    draw_folds,
    measure_scores,
    predict_each_out_of_fold,
)
from chest_cancer.statistics.intervals import in_words, share
from chest_cancer.storage.figures import Figure

BASELINES = {
    "size and format": "width, height, aspect ratio, pixel mode and file format",
    "drawn marks": "the share of coloured pixels, and the number of letters beside the body",
    "brightness": "histogram of 16 grey levels",
    "thumbnail": "8 x 8 pixels",
    "border": "the outermost sixteenth on each side",
    "majority class": "always the most frequent class",
}
"""Name and what it sees, the simplest explanation first."""
_TREES = 50
"""Another seed moves an area of 0.99 on 249 slices by 0.001, and one of 0.61 by 0.014, a tenth of its interval. Half as
many where there are many images."""
_SUSPECT = 0.6
"""Area above which a baseline counts as a shortcut, if its interval lies above 0.5 too, at a level that allows for the
number of baselines (Bonferroni)."""
_AS_GOOD = 0.02
"""Of baselines whose areas are that close, the simplest is the explanation."""
_NEARLY_ALL = 0.9
"""Share of what the model has above chance: a shortcut with that much leaves nothing to conclude from."""


def compare_baselines(
    sample: Sample, looks: Looks, parameters: ModelEvaluationParameters, seed: int
) -> dict[str, Any] | None:
    """Score baselines that see no anatomy, on the same folds as the model, each distinct image once.

    Args:
        sample: The images, with format, mode, width, height, coloured and letters.
        looks: How they look from afar, [n, ...] each.
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for forests and draws.

    Returns:
        What `compare_with_baselines` returns; `marks`, the share of each class's images that carry `coloured` marks, or
        `letters`; and `images_left_out`, how many images were left out of data that are too large. None where a class
        has a single group.
    """
    if sample.cross_validated is None:
        return None
    images, scores = sample.images, sample.cross_validated.scores
    seen = {
        "size and format": describe_files(images),
        "drawn marks": images[["coloured", "letters"]].to_numpy(dtype=np.float32),
        **{name: look for name, look in looks.items() if name in BASELINES},
    }
    compared = compare_with_baselines(seen, scores, sample.numbers, sample.groups, parameters, seed)
    return {**compared, "marks": count_marks(images, parameters.confidence), "images_left_out": sample.left_out}


def count_marks(rows: pd.DataFrame, confidence: float) -> dict[str, dict[str, Figure]]:
    """Count the images that somebody drew upon.

    Args:
        rows: `label`, `group`, `coloured` and `letters`, a row per distinct image.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        For each kind, `coloured` and `letters`, the share of each class's images.
    """
    marks = [Marks(coloured, letters) for coloured, letters in zip(rows["coloured"], rows["letters"], strict=True)]
    kinds = {
        "coloured": np.array([each.is_coloured for each in marks]),
        "letters": np.array([each.letters > 0 for each in marks]),
    }
    groups = rows["group"].to_numpy()
    classes = {str(name): places for name, places in rows.reset_index(drop=True).groupby("label").indices.items()}
    return {
        kind: {name: share(found[places], groups[places], confidence) for name, places in classes.items()}
        for kind, found in kinds.items()
    }


def describe_files(rows: pd.DataFrame) -> NDArray[np.float32]:
    """Describe what a file's header alone says.

    Args:
        rows: `width`, `height` (pixels), `mode` and `format`, n rows.

    Returns:
        Width, height, aspect ratio, and a column of 0 or 1 for each mode and format, [n, 3 + modes + formats].
    """
    aspect = (rows["width"] / rows["height"]).rename("aspect")
    columns = [rows[["width", "height"]], aspect, pd.get_dummies(rows["mode"]), pd.get_dummies(rows["format"])]
    return pd.concat(columns, axis=1).to_numpy(dtype=np.float32)


def compare_with_baselines(
    looks: Mapping[str, NDArray[np.floating]],
    model: Scores,
    numbers: Numbers,
    groups: Numbers,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> dict[str, Any]:
    """Score a random forest on each look, out of fold, beside the model.

    Args:
        looks: What each baseline sees, [n, ...].
        model: What the model says of images that it did not see, [repeats, n, K].
        numbers: Class numbers 0 to K - 1, [n].
        groups: Group of each image, [n].
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds, forests and draws.

    Returns:
        `model`, with `accuracy` and `roc_auc`; `baselines`, one for each look and one for the majority class, each with
        `name`, `sees`, `accuracy`, `roc_auc`, `model_adds` (AUC of the model less its own, paired over groups) and
        `shortcut`, whether it tells the classes apart; `best`, the name of the simplest of the shortcuts, or of all
        where there is none, whose area is within 0.02 of the largest; and `verdict`, in plain words.
    """
    bootstrap = GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)
    weights = bootstrap.weights
    trees = _TREES if len(numbers) <= MANY_IMAGES else _TREES // 2
    forest = RandomForestClassifier(trees, random_state=seed)
    draws = draw_folds(numbers, groups, seed, repeats=1)
    scored = dict(zip(looks, predict_each_out_of_fold(forest, list(looks.values()), numbers, draws), strict=True))
    # Shares of all images: those of training images differ between folds, and would rank images by their fold.
    shares = np.bincount(numbers) / len(numbers)
    scored["majority class"] = np.broadcast_to(shares, (1, len(numbers), len(shares)))

    model_areas = areas(numbers, model, weights)
    baselines: list[dict[str, Any]] = []
    for name, scores in scored.items():
        measured = measure_scores(numbers, scores, groups, parameters.confidence)
        adds = bootstrap.difference(model_areas, areas(numbers, scores, weights), len(numbers))
        surely = measure_scores(numbers, scores, groups, 1 - (1 - parameters.confidence) / len(looks))["roc_auc"]
        shortcut = surely["value"] > _SUSPECT and surely["low"] > 0.5
        baselines.append(
            {"name": name, "sees": BASELINES[name], **measured, "model_adds": adds, "shortcut": bool(shortcut)}
        )
    # Where one of them is a shortcut, one that is as good and no shortcut does not explain it away.
    found = [baseline for baseline in baselines if baseline["shortcut"]] or baselines
    largest = max(baseline["roc_auc"]["value"] for baseline in found)
    best = next(baseline for baseline in found if baseline["roc_auc"]["value"] >= largest - _AS_GOOD)
    measured = measure_scores(numbers, model, groups, parameters.confidence)
    return {
        "model": measured,
        "baselines": baselines,
        "best": best["name"],
        "verdict": _verdict(measured["roc_auc"], baselines, best),
    }


def _verdict(model: Figure, baselines: list[dict[str, Any]], best: dict[str, Any]) -> str:
    by_chance = model["low"] <= 0.5
    if not best["shortcut"]:
        area = in_words(best["roc_auc"])
        found = f"no shortcut was found: of the baselines that see no anatomy the best ({best['name']}) has AUC {area}"
        if best["roc_auc"]["low"] > 0.5:
            found += ", which may be chance, as several were tried"
        if by_chance:
            return f"{found}, and the model does not tell the classes apart either (AUC {in_words(model)})"
        return f"{found}; {_beside(model, best)}"

    others = ", ".join(other["name"] for other in baselines if other["shortcut"] and other is not best)
    also = f"; other shortcuts: {others}" if others else ""
    share = (best["roc_auc"]["value"] - 0.5) / max(model["value"] - 0.5, 1e-9)
    beside = _beside(model, best)
    if by_chance or best["model_adds"]["low"] <= 0:
        return f"{beside}: this data set can't show that it reads anatomy{also}"
    if share >= _NEARLY_ALL:
        return (
            f"{beside}, which by itself has {share:.0%} of what the model has above chance: this data set can't show "
            f"that it reads anatomy{also}"
        )
    return f"{beside}, which is a shortcut: only what the model adds can be anatomy{also}"


def _beside(model: Figure, baseline: dict[str, Any]) -> str:
    """Say how the model does beside a baseline: by its name what it adds, and that it adds nothing where it doesn't."""
    adds = baseline["model_adds"]
    alone = f"{baseline['name']} alone ({baseline['sees']}; AUC {in_words(baseline['roc_auc'])})"
    if adds["low"] > 0:
        return f"the model adds {in_words(adds)} AUC over {alone}"
    kind = "measurably worse than" if adds["high"] < 0 else "no better than"
    if adds["value"] > 0:
        kind = "not measurably better than"
    return f"the model (AUC {in_words(model)}) is {kind} {alone}, a difference of {in_words(adds)}"
