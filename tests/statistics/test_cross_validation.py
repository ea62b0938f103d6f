"""Repeated grouped cross-validation: no leaks, honest intervals, in seconds."""

import time
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier

from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.statistics.cross_validation import (
    draw_folds,
    measure_scores,
    predict_out_of_fold,
)
from chest_cancer.storage.figures import Figure


def slices(count: int, classes: int, signal: float, per_group: int = 1, seed: int = 0, size: int = 32) -> Any:
    """Embeddings, class numbers and groups; the images of a group are nearly the same."""
    generator = np.random.default_rng(seed)
    groups = np.arange(count) // per_group
    numbers = generator.integers(classes, size=count)[groups]
    centres = generator.standard_normal((count, size))[groups] + signal * np.eye(classes, size)[numbers]
    return (centres + 0.05 * generator.standard_normal((count, size))).astype(np.float32), numbers, groups


def cross_validate(features: Any, numbers: Any, groups: Any, seed: int, repeats: int) -> dict[str, Figure]:
    scores = predict_out_of_fold(quick_linear_head(), features, numbers, draw_folds(numbers, groups, seed, repeats))
    return measure_scores(numbers, scores, groups, 0.95)


class Watcher(ClassifierMixin, BaseEstimator):
    """Remembers the images that it was fitted on, and certifies them."""

    def fit(self, features: Any, numbers: Any) -> "Watcher":
        self.classes_, self.seen_ = np.unique(numbers), set(features[:, 0])
        return self

    def predict_proba(self, features: Any) -> Any:
        seen = np.isin(features[:, 0], list(self.seen_))
        return np.stack([seen, ~seen], axis=1).astype(float)


def test_no_image_is_predicted_by_a_model_that_saw_its_group() -> None:
    _, numbers, groups = slices(60, 2, 1.0, per_group=3)

    draws = draw_folds(numbers, groups, seed=0, repeats=2)
    seen = predict_out_of_fold(Watcher(), groups[:, None].astype(float), numbers, draws)[:, :, 0]

    assert seen.sum() == 0


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("per_patient", [False, True], ids=["labels of images", "labels of patients"])
def test_folds_of_groups_are_those_of_scikit_learn(classes: int, per_patient: bool) -> None:
    generator = np.random.default_rng(classes)
    groups = generator.permutation(np.repeat(np.arange(60), generator.integers(1, 6, 60)))
    numbers = generator.integers(classes, size=60)[groups] if per_patient else np.arange(len(groups)) % classes

    draws = draw_folds(numbers, groups, seed=3, repeats=3)

    for seed, folds in enumerate(draws, start=3):
        theirs = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(numbers, numbers, groups)
        for ours, expected in zip(folds, theirs, strict=True):
            np.testing.assert_array_equal(ours[0], expected[0])
            np.testing.assert_array_equal(ours[1], expected[1])


def test_a_class_that_a_fold_lacks_has_no_probability() -> None:
    features, numbers, groups = slices(40, 2, 1.0)
    numbers[:] = 0
    numbers[7] = 1

    odd = groups % 2 == 1
    folds = [(np.flatnonzero(odd), np.flatnonzero(~odd)), (np.flatnonzero(~odd), np.flatnonzero(odd))]
    probabilities = predict_out_of_fold(KNeighborsClassifier(1), features, numbers, [folds])[0]

    assert probabilities[7].tolist() == [1, 0]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_figures_are_means_over_repeats(classes: int) -> None:
    features, numbers, groups = slices(90, classes, 2.0, per_group=2)

    figures = cross_validate(features, numbers, groups, seed=3, repeats=3)

    draws = [draw_folds(numbers, groups, seed, 1) for seed in (3, 4, 5)]
    runs = [predict_out_of_fold(quick_linear_head(), features, numbers, draw)[0] for draw in draws]
    assert len({run.tobytes() for run in runs}) == 3
    accuracy = np.mean([accuracy_score(numbers, run.argmax(axis=1)) for run in runs])
    areas = [roc_auc_score(numbers, run[:, 1] if classes == 2 else run, multi_class="ovr") for run in runs]
    assert figures["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-9)
    assert figures["roc_auc"]["value"] == pytest.approx(np.mean(areas), abs=1e-9)
    for figure in figures.values():
        assert figure["low"] < figure["value"] < figure["high"]
        assert figure["n"] == 90


def test_more_repeats_do_not_pass_for_more_images() -> None:
    features, numbers, groups = slices(80, 2, 1.5)

    few, many = (cross_validate(features, numbers, groups, seed=0, repeats=repeats) for repeats in (1, 6))

    for name in ("accuracy", "roc_auc"):
        widths = [figures[name]["high"] - figures[name]["low"] for figures in (few, many)]
        assert widths[1] > 0.8 * widths[0]
        assert widths[0] > 0.08


def test_copies_widen_the_interval_and_do_not_raise_the_score() -> None:
    features, numbers, groups = slices(240, 2, 0.0, per_group=4)

    honest = cross_validate(features, numbers, groups, seed=0, repeats=2)
    naive = cross_validate(features, numbers, np.arange(240), seed=0, repeats=2)

    assert naive["accuracy"]["low"] > 0.7  # what memory of copies is taken for
    assert honest["accuracy"]["low"] < 0.5 < honest["accuracy"]["high"]
    assert honest["roc_auc"]["low"] < 0.5 < honest["roc_auc"]["high"]


def test_five_times_five_folds_of_343_images_take_less_than_a_minute() -> None:
    features, numbers, groups = slices(343, 2, 2.0, size=1024)
    start = time.perf_counter()

    cross_validate(features, numbers, groups, seed=0, repeats=5)

    assert time.perf_counter() - start < 60
