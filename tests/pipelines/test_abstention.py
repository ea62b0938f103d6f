"""When the classifier declines to answer: the distance, the limits, and what a prediction says."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE, UNLIKE_TRAINING
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.manifest import Limits
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import AbstentionParameters
from chest_cancer.pipelines.model_training.abstention import fit_limits
from chest_cancer.statistics.outlying import distances_from, distances_from_others, fit_space
from conftest import Pixels
from manifests import manifest_of
from properties import examples

MANIFEST = manifest_of()


def parameters(**block: float) -> AbstentionParameters:
    return AbstentionParameters.model_validate(block)


def pooled(count: int, seed: int = 0) -> np.ndarray:
    """Features whose means vary in all directions, and most in a few, as those of slices do."""
    generator = np.random.default_rng(seed)
    directions = np.random.default_rng(99).random((8, 1024), dtype=np.float32)
    noise = generator.standard_normal((count, 1024), dtype=np.float32) / 10
    return 2 + generator.standard_normal((count, 8), dtype=np.float32) @ directions / 10 + noise


def test_images_like_the_training_ones_lie_at_a_distance_of_about_one() -> None:
    training, alike, other = pooled(400), pooled(100, seed=1), np.random.default_rng(2).random((50, 1024)) * 3

    space = fit_space(training)

    assert np.sqrt((distances_from(space, training) ** 2).mean()) == pytest.approx(1, rel=0.3)
    assert distances_from(space, alike).max() < 2
    assert distances_from(space, other.astype(np.float32)).min() > 5


def test_brighter_features_of_the_same_kind_are_no_further_away() -> None:
    space = fit_space(pooled(50))
    images = pooled(5, seed=3)

    np.testing.assert_allclose(distances_from(space, images), distances_from(space, 7 * images), rtol=1e-6)


def test_a_single_repeated_training_image_makes_a_space_and_dark_features_a_distance() -> None:
    training = np.ones((3, 1024), dtype=np.float32)

    space = fit_space(training)

    assert distances_from(space, training).max() < 1e-2
    assert np.isfinite(distances_from(space, np.zeros((1, 1024), dtype=np.float32))).all()


@pytest.mark.parametrize("count", [5, 50])
def test_the_distance_limit_keeps_its_promise_in_nineteen_of_twenty_validation_sets(count: int) -> None:
    generator = np.random.default_rng(4)
    block = parameters(max_false_refusal=0.05, distance_margin=1.0)
    confidences = np.ones(count)

    limits = [
        fit_limits(np.exp(0.3 * draw), np.ones(9), confidences, block).distance_limit
        for draw in generator.standard_normal((400, count))
    ]

    refused = norm.sf(np.log(limits) / 0.3)
    assert 0.92 < (refused <= 0.05).mean() < 0.98


def test_fewer_validation_images_and_a_margin_move_the_distance_limit_out() -> None:
    distances = np.exp(0.2 * norm.ppf((np.arange(40) + 0.5) / 40))

    wide, narrow = (
        fit_limits(chosen, distances, np.ones(len(chosen)), parameters()) for chosen in (distances[::8], distances)
    )
    without = fit_limits(distances, distances, np.ones(40), parameters(distance_margin=1.0))

    assert wide.distance_limit > narrow.distance_limit > distances.max()
    assert narrow.distance_limit == pytest.approx(1.1 * without.distance_limit)
    assert narrow.validation_images == 40
    assert narrow.validation_refused == 0


@examples(50, 300)
@given(
    confidences=st.lists(st.floats(0.5, 1.0), min_size=2, max_size=40),
    smallest=st.floats(0, 1),
    most=st.floats(0, 0.99),
)
def test_no_more_validation_images_than_allowed_are_unsure(
    confidences: list[float], smallest: float, most: float
) -> None:
    distances = np.linspace(0.9, 1.1, len(confidences))

    block = parameters(min_confidence=smallest, max_unsure=most)
    limits = fit_limits(distances, distances, np.array(confidences), block)

    assert limits.confidence_limit <= smallest
    assert limits.validation_unsure <= most
    assert limits.validation_unsure == (np.array(confidences) < limits.confidence_limit).mean()


@examples(50, 300)
@given(
    logarithms=st.lists(st.floats(-1, 1), min_size=2, max_size=40),
    most=st.floats(0.001, 0.5),
)
def test_no_more_slices_than_allowed_are_unusual_and_what_is_refused_is_unusual_too(
    logarithms: list[float], most: float
) -> None:
    distances = np.exp(logarithms)

    limits = fit_limits(distances, distances, np.ones(len(distances)), parameters(max_unusual=most))

    assert limits.usual_distance is not None
    assert limits.usual_distance <= limits.distance_limit
    assert limits.validation_unusual == (distances > limits.usual_distance).mean()
    assert limits.usual_distance == limits.distance_limit or limits.validation_unusual <= most


def test_distances_from_others_are_those_of_held_out_groups() -> None:
    images, groups = pooled(60), np.arange(60) // 3
    fold = np.isin(groups, groups[::15])

    distances = distances_from_others(images, groups)

    assert (distances > distances_from(fit_space(images), images)).all()
    expected = distances_from(fit_space(images[~fold]), images[fold])
    assert np.median(distances) == pytest.approx(np.median(expected), rel=0.3)


def test_weak_channels_tell_other_sources_as_strong_ones_do() -> None:
    """Slices vary most in a few strong channels; where sources differ is often in many weak ones."""
    profile = np.random.default_rng(9).uniform(0.01, 0.1, 500)

    def slices(count: int, seed: int, weak: np.ndarray) -> np.ndarray:
        generator = np.random.default_rng(seed)
        strong = 5 + 1.5 * generator.standard_normal((count, 12))
        means = np.concatenate([strong, weak * generator.uniform(0.5, 1.5, (count, 500))], axis=1)
        return np.maximum(np.tile(means, 2), 0).astype(np.float32)

    own, alike, other = slices(80, 0, profile), slices(20, 1, profile), slices(20, 2, profile[::-1])
    usual = np.quantile(distances_from_others(own, np.arange(80)), 0.95)
    space = fit_space(own)

    assert distances_from(space, alike).max() < 1.2 * usual
    assert distances_from(space, other).min() > 1.5 * usual  # 1.4 without roots


@pytest.fixture(scope="module")
def graph(narrow_weights: Weights, random_head: Callable[..., Head]) -> bytes:
    space = fit_space(pooled(30))
    return classifier(narrow_weights, random_head(3, 2), space).SerializeToString()


def with_limits(graph: bytes, distance: float, confidence: float, usual: float | None = None) -> Classifier:
    limits = Limits(
        distance_limit=distance,
        usual_distance=usual,
        confidence_limit=confidence,
        validation_images=9,
        validation_refused=0.0,
        validation_unsure=0.0,
    )
    return Classifier(graph, MANIFEST.model_copy(update={"abstention": limits}))


def test_the_graph_measures_the_distance_that_the_limit_was_fitted_on(
    graph: bytes, picture: Callable[..., Pixels]
) -> None:
    predictions = with_limits(graph, 1e9, 0.0).predict([picture(0), picture(4)])

    embeddings = np.stack([prediction.embedding for prediction in predictions])
    expected = distances_from(fit_space(pooled(30)), embeddings)
    np.testing.assert_allclose([prediction.distance for prediction in predictions], expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("distance", "confidence", "reason"),
    [
        (1e9, 0.0, None),
        (1e9, 1.1, NOT_SURE),
        (1e-9, 0.0, NOT_A_CHEST_CT_SLICE),
        (1e-9, 1.1, NOT_A_CHEST_CT_SLICE),
        (float("nan"), 0.0, NOT_A_CHEST_CT_SLICE),
    ],
)
def test_a_prediction_beyond_a_limit_abstains_and_says_why(
    graph: bytes, picture: Callable[..., Pixels], distance: float, confidence: float, reason: str | None
) -> None:
    (prediction,) = with_limits(graph, distance, confidence).predict([picture(1)])

    assert prediction.reason == reason
    assert prediction.abstained == (reason is not None)
    assert prediction.leaning in MANIFEST.classes
    # No answer has a class or a probability of its own: nobody can take it for one.
    answered = (prediction.leaning, prediction.probabilities[prediction.leaning])
    assert (prediction.label, prediction.probability) == ((None, None) if reason else answered)


@pytest.mark.parametrize(
    ("usual", "confidence", "reason", "warned"),
    [(1e9, 0.0, None, False), (1e-9, 0.0, None, True), (None, 0.0, None, False), (1e-9, 1.1, NOT_SURE, False)],
)
def test_an_answer_between_the_usual_distance_and_the_limit_has_a_warning_and_no_probability(
    graph: bytes,
    picture: Callable[..., Pixels],
    usual: float | None,
    confidence: float,
    reason: str | None,
    warned: bool,
) -> None:
    (prediction,) = with_limits(graph, 1e9, confidence, usual).predict([picture(1)])

    assert (prediction.reason, prediction.warning) == (reason, UNLIKE_TRAINING if warned else None)
    assert (prediction.label is None) == (reason is not None)
    assert (prediction.probability is None) == (warned or reason is not None)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_a_classifier_without_limits_answers_everything(graph: bytes, picture: Callable[..., Pixels]) -> None:
    (prediction,) = Classifier(graph, MANIFEST).predict([picture(1)])

    assert not prediction.abstained
