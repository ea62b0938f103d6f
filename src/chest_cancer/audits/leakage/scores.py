"""How much of a score is memory: copies and look-alikes on both sides of a split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from chest_cancer.audits.leakage.words import describe_curve
from chest_cancer.audits.sample import Sample
from chest_cancer.network.embedding import directions, means_of
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import accuracies, areas, in_draws_of_folds
from chest_cancer.statistics.cross_validation import (
    FOLDS,
    Numbers,
    Scores,
    draw_folds,
    measure_scores,
    predict_out_of_fold,
    repeats_for,
)
from chest_cancer.statistics.near_duplicates import group_at_similarities
from chest_cancer.storage.figures import Figure

_CURVE_REPEATS = 3
"""Draws of the folds at each point of the curve: fewer than for the one score, to stay within seconds. A single one
where there are many images, whose mean is surer by itself."""
_LARGEST_SHARE = 0.5


class NearestImage(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A look-up: the class of the most similar training image, by cosine.

    It learns nothing, so what it scores can be had from memory alone.
    """

    def fit(self, features: NDArray[np.floating], numbers: NDArray[np.int64]) -> "NearestImage":
        """Keep the training images: features [n, D], class numbers [n]."""
        self.classes_ = np.unique(numbers)
        self._kept = [directions(features[numbers == k]) for k in self.classes_]
        return self

    def predict_proba(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Score each class by the similarity of its nearest image, less that of the nearest image of another class.

        Args:
            features: [n, D].

        Returns:
            Scores 0..1, [n, K], 0.5 where both are equally near. They rank images; they are no probabilities.
        """
        unit = directions(features)
        nearest = np.stack([(unit @ kept.T).max(axis=1) for kept in self._kept], axis=1).astype(np.float64)
        if nearest.shape[1] == 1:
            return np.ones_like(nearest)
        top = np.sort(nearest, axis=1)[:, ::-1]
        others = np.where(nearest == top[:, :1], top[:, 1:2], top[:, :1])
        return np.asarray(0.5 + (nearest - others) / 4)


def compare_naive_and_grouped(
    sample: Sample, parameters: ModelEvaluationParameters, seed: int
) -> dict[str, Any] | None:
    """Score the linear head twice: as public projects do, and with look-alikes kept together.

    The naive way deals all files, copies included, into random stratified folds. The grouped way takes each distinct
    image once and keeps a group of near-duplicates in one fold. Both are repeated with several draws of the five folds.

    Args:
        sample: The images, and their files.
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds and draws.

    Returns:
        `naive` and `grouped`, each with `accuracy`, `roc_auc` (n: files, and distinct images) and `groups`; `optimism`,
        the naive score less the grouped one, with the interval of a bootstrap over groups and draws of the folds; and
        `images_left_out`, how many images were left out of data that are too large. None where a class has a single
        group.
    """
    if sample.cross_validated is None:
        return None
    image = sample.image_of_file
    of_files, groups = sample.numbers[image], sample.groups[image]
    draws = draw_folds(of_files, np.arange(len(image)), seed, repeats_for(len(sample.numbers)))
    naive = sample.head.predict_out_of_fold(draws, image)
    scored = {"naive": (of_files, naive), "grouped": (sample.numbers, sample.cross_validated.scores)}

    bootstrap = _bootstrap(groups, parameters, seed)
    weights = bootstrap.weights
    drawn = {"naive": weights, "grouped": weights[:, np.unique(image, return_index=True)[1]]}
    optimism = {}
    for name, statistic in (("accuracy", accuracies), ("roc_auc", areas)):
        apart, together = (
            in_draws_of_folds(statistic, *scored[way], drawn[way], np.random.default_rng([seed, place]))
            for place, way in enumerate(drawn)
        )
        optimism[name] = bootstrap.difference(apart, together, len(sample.numbers))
    # Files of a group are no independent draws, whatever the folds pretend.
    measured: dict[str, dict[str, Any]] = {
        way: measure_scores(*scored[way], of_groups, parameters.confidence) | {"groups": len(np.unique(of_groups))}
        for way, of_groups in (("naive", groups), ("grouped", sample.groups))
    }
    return {**measured, "optimism": optimism, "images_left_out": sample.left_out}


def draw_leakage_curve(sample: Sample, parameters: ModelEvaluationParameters, seed: int) -> dict[str, Any]:
    """Score linear head and nearest-neighbour look-up as less and less similar slices stay on one side of the folds.

    Slices of a patient are no independent draws, whatever the folds pretend: intervals are over the sample's groups, or
    over those of a point where these are fewer.

    Args:
        sample: The images; spatial means of their embeddings say how similar two slices are.
        parameters: The block `model_evaluation`: confidence of the intervals, repetitions of the bootstrap.
        seed: Random seed for folds and draws.

    Returns:
        `points`, one per similarity: `similarity`, `groups`, `largest_group` (its share of the images), `model` and
        `look_up` with `accuracy` and `roc_auc`, `model_less_look_up` and `fall` (of the model's accuracy from the first
        point), paired. `stopped`, why the points end, or None. `fall_from`, the highest similarity from which on the
        accuracy is measurably below that of the first point, and `look_up_as_good_to`, the lowest to which the look-up
        is as good as the model, each or None. `sentence`, all of that in plain words. `images_left_out`, how many
        images were left out of data that are too large.
    """
    numbers, means = sample.numbers, means_of(sample.embeddings)
    similarities = parameters.leakage_similarities
    joined = group_at_similarities(means, [limit for limit in similarities if limit < 1])
    alone = np.arange(len(numbers))
    partitions = [alone] * (len(similarities) - len(joined)) + joined

    measurable: list[tuple[float, Numbers]] = []
    stopped = None
    for similarity, groups in zip(similarities, partitions, strict=True):
        stopped = _too_few(similarity, groups, numbers, sample.classes)
        if stopped:
            break
        measurable.append((similarity, groups))
    scored = _score(sample, means, [groups for _, groups in measurable], seed)
    points: list[dict[str, Any]] = []
    for (similarity, groups), (scores, look_up) in zip(measurable, scored, strict=True):
        counted = min(sample.groups, groups, key=lambda each: len(np.unique(each)))
        bootstrap = _bootstrap(counted, parameters, seed)
        measured = {
            "groups": int(groups.max()) + 1,
            "largest_group": float(np.bincount(groups).max() / len(groups)),
            "model": measure_scores(numbers, scores, counted, parameters.confidence),
            "look_up": measure_scores(numbers, look_up, counted, parameters.confidence),
        }
        differences = _differences(numbers, bootstrap, scores, look_up, scored[0][0])
        points.append({"similarity": similarity, **measured, **differences})
    curve = {"points": points, "stopped": stopped, "images_left_out": sample.left_out}
    return {**curve, **describe_curve(points, len(numbers))}


def _score(
    sample: Sample, means: NDArray[np.float32], partitions: list[Numbers], seed: int
) -> list[tuple[Scores, Scores]]:
    """What head and look-up say of images that are not in their training folds, for each of ever coarser partitions."""
    if not partitions:
        return []
    numbers = sample.numbers
    repeats = repeats_for(len(numbers), _CURVE_REPEATS)
    counts = [int(groups.max()) for groups in partitions]
    # With as many groups as the one before, a coarser partition is the same.
    distinct = dict(zip(counts, partitions, strict=True))
    draws = [draw for groups in distinct.values() for draw in draw_folds(numbers, groups, seed, repeats)]
    model, look_up = (
        dict(zip(distinct, scores.reshape(len(distinct), repeats, len(numbers), -1), strict=True))
        for scores in (
            sample.head.predict_out_of_fold(draws),
            predict_out_of_fold(NearestImage(), means, numbers, draws),
        )
    )
    return [(model[count], look_up[count]) for count in counts]


def _bootstrap(groups: Numbers, parameters: ModelEvaluationParameters, seed: int) -> GroupBootstrap:
    return GroupBootstrap(groups, parameters.bootstrap_repetitions, parameters.confidence, seed)


def _differences(
    numbers: Numbers, bootstrap: GroupBootstrap, model: Scores, look_up: Scores, first: Scores
) -> dict[str, Figure]:
    weights = bootstrap.weights
    drawn = [accuracies(numbers, scores, weights) for scores in (model, look_up, first)]
    return {
        "model_less_look_up": bootstrap.difference(drawn[0], drawn[1], len(numbers)),
        "fall": bootstrap.difference(drawn[2], drawn[0], len(numbers)),
    }


def _too_few(
    similarity: float, groups: NDArray[np.int64], numbers: NDArray[np.int64], classes: list[str]
) -> str | None:
    """Say why these groups give no score; None where they do."""
    of_class = [len(np.unique(groups[numbers == k])) for k in range(len(classes))]
    scarce = int(np.argmin(of_class))
    if of_class[scarce] < FOLDS:
        return (
            f"at {similarity:.2f} class {classes[scarce]} has {of_class[scarce]} group(s), fewer than the {FOLDS} folds"
        )
    largest = float(np.bincount(groups).max() / len(groups))
    if largest > _LARGEST_SHARE:
        return f"at {similarity:.2f} one group holds {largest:.0%} of the images: too few are left to learn from"
    return None
