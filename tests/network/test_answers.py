"""The rule for answers: from probabilities to a class, the same for whatever asks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chest_cancer.network.answers import AnswerRule
from manifests import manifest_of

CLASSES = ("adenocarcinoma", "large_cell", "normal")


def rows(*probabilities: tuple[float, ...]) -> np.ndarray:
    return np.array(probabilities)


def test_disease_is_answered_where_its_probability_reaches_the_threshold_and_then_the_most_probable_disease() -> None:
    rule = AnswerRule(normal=2, threshold=0.25)
    stated = rows((0.1, 0.15, 0.75), (0.1, 0.14, 0.76), (0.3, 0.2, 0.5), (0.0, 1.0, 0.0))

    assert rule.choose(stated).tolist() == [1, 2, 0, 1]


def test_a_threshold_above_a_half_answers_normal_though_a_disease_is_more_probable() -> None:
    assert AnswerRule(normal=2, threshold=0.7).choose(rows((0.6, 0.05, 0.35))).tolist() == [2]


def test_without_a_normal_class_the_most_probable_class_is_the_answer() -> None:
    assert AnswerRule().choose(rows((0.1, 0.15, 0.75), (0.4, 0.35, 0.25))).tolist() == [2, 0]


def test_an_answer_is_as_sure_as_it_is_probable() -> None:
    stated = rows((0.2, 0.1, 0.7), (0.05, 0.05, 0.9))

    assert AnswerRule(normal=2, threshold=0.25).confidences(stated).tolist() == [0.2, 0.9]
    assert AnswerRule().confidences(stated).tolist() == [0.7, 0.9]


@settings(max_examples=100, deadline=None)
@given(
    weights=st.lists(st.tuples(*[st.floats(0.001, 1)] * 3), min_size=1, max_size=20),
    normal=st.integers(0, 2),
    threshold=st.floats(0.01, 0.99),
)
def test_answers_of_disease_are_those_of_the_threshold(
    weights: list[tuple[float, ...]], normal: int, threshold: float
) -> None:
    stated = np.array(weights) / np.array(weights).sum(axis=1, keepdims=True)

    chosen = AnswerRule(normal, threshold).choose(stated)

    assert ((chosen != normal) == (1 - stated[:, normal] >= threshold)).all()
    others = np.delete(stated, normal, axis=1).max(axis=1)
    probable = stated[np.arange(len(stated)), chosen]
    assert (probable[chosen != normal] == others[chosen != normal]).all()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"answer_rule": "operating threshold"}, AnswerRule(2, 0.42)),
        ({}, AnswerRule()),  # classifiers of before say nothing of a rule, and answered the largest probability
        ({"answer_rule": "most probable class"}, AnswerRule()),
        ({"answer_rule": "operating threshold", "operating_point": None, "normal_class": None}, AnswerRule()),
    ],
)
def test_the_manifest_says_which_rule(changes: dict[str, Any], expected: AnswerRule) -> None:
    assert AnswerRule.of(manifest_of(classes=CLASSES, **changes)) == expected
