"""The difference of two areas under the ROC curve: against the bootstrap, at the border, and by simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.paired_areas import difference_of_areas
from chest_cancer.storage.figures import Figure
from properties import examples


def of_two(positive: Any, first: Any, second: Any, groups: Any) -> Figure:
    both = (np.stack([1.0 - scores, scores], axis=1) for scores in (first, second))
    return difference_of_areas(positive.astype(np.int64), *both, groups, 0.95)


class Pair:
    """Two models on the same patients: normal scores, of patients and images, that are correlated between both."""

    def __init__(self, patients: int, images: int, areas: tuple[float, float], together: float) -> None:
        self.groups = np.repeat(np.arange(patients), images)
        self.positive = self.groups < patients // 2
        self.distances = [norm.ppf(min(area, 1 - 1e-9)) * np.sqrt(2) for area in areas]
        self.together, self.difference = together, areas[0] - areas[1]

    def draw(self, generator: np.random.Generator) -> Figure:
        patients, images = (
            np.sqrt(self.together) * shared + np.sqrt(1 - self.together) * own
            for shared, own in (
                (generator.standard_normal(count), generator.standard_normal((2, count)))
                for count in (self.groups.max() + 1, len(self.groups))
            )
        )
        scores = np.sqrt(0.7) * patients[:, self.groups] + np.sqrt(0.3) * images
        first, second = (each + apart * self.positive for each, apart in zip(scores, self.distances, strict=True))
        return of_two(self.positive, first, second, self.groups)


WORSE = [
    Pair(patients, images, (area - 0.05, area), 0.8)
    for patients, images, area in [(8, 1, 1.0), (12, 5, 1.0), (20, 1, 1.0), (30, 5, 1.0), (30, 1, 0.95), (12, 1, 0.85)]
]


@pytest.mark.parametrize("pair", WORSE)
def test_a_model_that_is_worse_by_the_margin_rarely_passes_with_few_patients(pair: Pair) -> None:
    """The percentiles of a bootstrap let 7 to 62 of 100 pass."""
    generator = np.random.default_rng(5)

    passed = sum(pair.draw(generator)["low"] >= -0.05 for _ in range(200))

    assert passed <= 10


@pytest.mark.parametrize(
    "pair",
    [Pair(60, 3, (0.9, 0.85), 0.5), Pair(100, 1, (0.8, 0.8), 0.0), Pair(100, 5, (0.95, 0.9), 0.8)],
)
def test_intervals_of_differences_hold_the_truth(pair: Pair) -> None:
    generator, held = np.random.default_rng(6), 0
    for _ in range(300):
        figure = pair.draw(generator)
        held += figure["low"] <= pair.difference <= figure["high"]

    assert held >= 0.93 * 300


def test_a_better_model_passes_with_a_hundred_patients() -> None:
    generator = np.random.default_rng(7)
    better, equal = Pair(100, 3, (0.93, 0.88), 0.8), Pair(100, 3, (0.9, 0.9), 0.95)

    for pair in (better, equal):
        assert sum(pair.draw(generator)["low"] >= -0.05 for _ in range(100)) >= 85


def test_two_models_without_a_mistake_have_an_interval_that_narrows_with_patients_alone() -> None:
    widths = []
    for patients, images in ((8, 1), (8, 5), (80, 1), (80, 5)):
        groups = np.repeat(np.arange(patients), images)
        positive = groups % 2 == 1
        figure = of_two(positive, positive, positive, groups)
        assert figure["value"] == 0
        assert figure["low"] == pytest.approx(-figure["high"])
        widths.append(figure["high"])

    assert widths[0] < widths[1] < 0.6
    assert widths[2] == pytest.approx(widths[3], rel=0.05)
    # Near the rule of three, in the form that fits a two-sided interval: the square of 1.96 by patients, and that more.
    assert widths[2] == pytest.approx(1.96**2 / (80 + 1.96**2), rel=0.1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("images", [1, 3])
def test_with_many_patients_it_is_that_of_the_bootstrap(classes: int, images: int) -> None:
    generator = np.random.default_rng(8)
    groups = np.repeat(np.arange(300), images)
    numbers = groups % classes
    shared = generator.standard_normal((300, classes))[groups] + np.eye(classes)[numbers]
    first, second = (shared + 0.7 * generator.standard_normal(shared.shape) for _ in range(2))

    figure = difference_of_areas(numbers, first, second, groups, 0.95)

    bootstrap = GroupBootstrap(groups, 1000, 0.95, 0)
    drawn = bootstrap.difference(
        *(areas(numbers, scores[None], bootstrap.weights) for scores in (first, second)), len(numbers)
    )
    assert figure["value"] == pytest.approx(drawn["value"])
    assert figure["n"] == drawn["n"] == len(numbers)
    assert figure["high"] - figure["low"] == pytest.approx(drawn["high"] - drawn["low"], rel=0.25)


def test_its_value_is_that_of_scikit_learn_and_turns_round_with_the_models() -> None:
    generator, numbers = np.random.default_rng(9), np.arange(60) % 3
    first, second = (generator.standard_normal((60, 3)) + np.eye(3)[numbers] for _ in range(2))

    there, back = (difference_of_areas(numbers, *pair, numbers * 20 + np.arange(60) // 6, 0.95)
                   for pair in ((first, second), (second, first)))  # fmt: skip

    expected = [np.mean([roc_auc_score(numbers == k, scores[:, k]) for k in range(3)]) for scores in (first, second)]
    assert there["value"] == pytest.approx(expected[0] - expected[1])
    assert [back[end] for end in ("value", "low", "high")] == pytest.approx(
        [-there[end] for end in ("value", "high", "low")]
    )


@examples(40, 400)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), min_size=3, max_size=40
    )
)
def test_the_interval_holds_its_value_for_any_data(rows: list[tuple[int, int, int, int]]) -> None:
    classes, first, second, groups = (np.array(column) for column in zip(*rows, strict=True))
    numbers = np.unique(classes, return_inverse=True)[1]
    count = numbers.max() + 1
    assume(count > 1)
    scores = (np.cos(np.outer(each + 1, np.arange(count))) for each in (first, second))

    figure = difference_of_areas(numbers, *scores, groups, 0.95)

    assert -1 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert figure["high"] > figure["low"]


def test_opposite_models_and_a_single_group_have_ends_inside_the_range() -> None:
    positive = np.arange(12) % 2 == 1

    best, worst = (of_two(positive, *pair, np.arange(12)) for pair in ((positive, ~positive), (~positive, positive)))
    alone = of_two(positive, positive, ~positive, np.zeros(12, dtype=np.int64))

    assert (best["value"], best["high"], worst["value"], worst["low"]) == (1, 1, -1, -1)
    assert 0.5 < best["low"] < 0.8
    assert worst["high"] == pytest.approx(-best["low"])
    assert (alone["low"], alone["high"]) == (-1, 1)
