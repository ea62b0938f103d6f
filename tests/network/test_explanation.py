"""What an answer comes from: cells and a constant that are its log-odds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chest_cancer.network.explanation import Explanation, explain
from manifests import manifest_of

SCORES = st.floats(-40, 40)


def explained(evidence: np.ndarray, number: int, average: list[float] | None) -> Explanation:
    names = [f"class {number}" for number in range(len(evidence))]
    return explain(manifest_of(classes=names, average_scores=average), evidence, names[number])


def log_odds(scores: np.ndarray, number: int) -> float:
    others = np.delete(scores, number)
    return float(scores[number] - others.max() - np.log(np.exp(others - others.max()).sum()))


@given(average=arrays(np.float64, 4, elements=SCORES), rises=arrays(np.float64, 4, elements=SCORES))
def test_cells_and_constant_are_the_log_odds_of_every_class(average: np.ndarray, rises: np.ndarray) -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(49)).reshape(7, 7)
    evidence = (rises[:, None, None] * shares).astype(np.float32)

    for number in range(4):
        said = explained(evidence, number, average.tolist())

        assert said.constant == pytest.approx(log_odds(average, number))
        assert said.constant + said.cells.sum() == pytest.approx(log_odds(average + rises, number), abs=1e-3)


def test_what_speaks_for_every_class_alike_is_no_evidence() -> None:
    evidence = np.random.default_rng(0).random((1, 7, 7), dtype=np.float32).repeat(3, axis=0)

    for average in ([1.0, -2.0, 0.5], None):
        np.testing.assert_allclose(explained(evidence, 1, average).cells, 0, atol=1e-12)


def test_a_class_that_is_hardly_in_question_hardly_counts() -> None:
    evidence = np.zeros((3, 7, 7), dtype=np.float32)
    evidence[2, 0, 0] = -1  # away from the third class, which has no chance to begin with

    assert explained(evidence, 0, [0.0, 0.0, -20.0]).cells[0, 0] == pytest.approx(0, abs=1e-8)
    assert explained(evidence, 0, [0.0, -20.0, 0.0]).cells[0, 0] == pytest.approx(1)


def test_where_the_average_is_not_known_the_others_count_alike_and_there_is_no_constant() -> None:
    evidence = np.stack([np.full((7, 7), level) for level in (3, 1, 2)]).astype(np.float32)

    said = explained(evidence, 1, None)

    assert said.constant is None
    np.testing.assert_array_equal(said.cells, np.full((7, 7), -1.5))
