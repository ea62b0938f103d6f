"""Near-duplicates: the same groups as brute force finds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.statistics import near_duplicates
from chest_cancer.statistics.near_duplicates import group_at_similarities, group_by_similarity, group_near_duplicates


def brute_force(embeddings: np.ndarray, similarity: float) -> list[int]:
    """Spread each number over its neighbours until nothing changes; then number by first appearance."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.where(lengths > 0, lengths, 1)
    near = (unit @ unit.T >= similarity) | np.eye(len(unit), dtype=bool)
    groups = np.arange(len(unit))
    while True:
        spread = np.array([groups[row].min() for row in near])
        if np.array_equal(spread, groups):
            return [sorted(set(groups)).index(group) for group in groups]
        groups = spread


def directions(*degrees: float) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.fixture(params=[1, 3, 2048], ids="block of {}".format)
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_BLOCK", request.param)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 20),
    similarity=st.floats(0.05, 0.999),
    block=st.sampled_from([1, 2, 5, 2048]),
)
def test_groups_are_the_connected_components_of_near_pairs(
    seed: int, count: int, similarity: float, block: int
) -> None:
    embeddings = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)
    original, near_duplicates._BLOCK = near_duplicates._BLOCK, block
    try:
        groups = group_by_similarity(embeddings, similarity)
    finally:
        near_duplicates._BLOCK = original

    assert groups.tolist() == brute_force(embeddings, similarity)
    assert groups.dtype == np.int64


@pytest.mark.usefixtures("_block")
def test_a_chain_of_near_pairs_is_one_group_though_its_ends_are_far_apart() -> None:
    chain = directions(0, 10, 20, 30, 40, 50, 60, 120)

    assert group_by_similarity(chain, float(np.cos(np.deg2rad(11)))).tolist() == [0] * 7 + [1]


@pytest.mark.usefixtures("_block")
def test_a_late_link_joins_two_groups() -> None:
    assert group_by_similarity(directions(0, 20, 1, 90, 21, 10), float(np.cos(np.deg2rad(10.5)))).tolist() == [
        0, 0, 0, 1, 0, 0,
    ]  # fmt: skip


@pytest.mark.usefixtures("_block")
def test_groups_are_numbered_by_first_appearance() -> None:
    assert group_by_similarity(directions(90, 0, 91, 180, 1), 0.99).tolist() == [0, 1, 0, 2, 1]


@pytest.mark.usefixtures("_block")
def test_length_does_not_matter_and_empty_embeddings_stay_alone() -> None:
    embeddings = np.concatenate([directions(5, 5) * [[1e-3], [1e3]], np.zeros((2, 2))]).astype(np.float32)

    assert group_by_similarity(embeddings, 0.9).tolist() == [0, 0, 1, 2]


def test_no_images_have_no_groups() -> None:
    assert group_by_similarity(np.empty((0, 4), dtype=np.float32), 0.9).tolist() == []


def test_equal_embeddings_are_one_group_at_the_highest_similarity() -> None:
    one = np.random.default_rng(0).standard_normal((40, 1024)).astype(np.float32)

    groups = group_by_similarity(np.concatenate([one, one]), 1.0)

    assert groups.tolist() == [*range(40), *range(40)]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 20),
    similarities=st.lists(st.floats(0.05, 0.999), max_size=4),
    block=st.sampled_from([1, 3, 2048]),
)
def test_groups_at_several_similarities_are_those_of_each_alone(
    seed: int, count: int, similarities: list[float], block: int
) -> None:
    embeddings = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)
    original, near_duplicates._BLOCK = near_duplicates._BLOCK, block
    try:
        together = group_at_similarities(embeddings, similarities)
    finally:
        near_duplicates._BLOCK = original

    assert [groups.tolist() for groups in together] == [
        group_by_similarity(embeddings, similarity).tolist() for similarity in similarities
    ]


@pytest.mark.usefixtures("_block")
def test_the_same_picture_joins_what_the_embedding_does_not() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 1), dtype=np.uint8).repeat(3, axis=3)
    pictures = [*noise, noise[1][:, ::-1], noise[3] // 2 + 60]
    hashes = [perceptual_hash(picture) for picture in pictures]

    groups = group_near_duplicates(directions(0, 40, 80, 120, 160, 39), hashes, 0.99)

    # The last image is near the second one's embedding, and shows the fourth one's picture.
    assert groups.tolist() == [0, 1, 2, 1, 1, 1]


def test_empty_pictures_are_not_the_same_picture() -> None:
    hashes = [perceptual_hash(np.full((40, 40, 3), level, dtype=np.uint8)) for level in (0, 0, 200)]

    assert group_near_duplicates(directions(0, 40, 80), hashes, 0.99).tolist() == [0, 1, 2]


CLUSTERS, EACH = 300, 8


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    """2,400 embeddings like a network's: none below 0, all alike, and those of a cluster near each other."""
    generator = np.random.default_rng(0)
    traits, mixing = generator.normal(0, 1, (CLUSTERS, 12)), generator.normal(0, 0.5, (12, 64))
    own = generator.normal(0, 1, (CLUSTERS, EACH, 64)) * generator.uniform(0.1, 0.3, (CLUSTERS, 1, 1))
    logarithms = (traits @ mixing)[:, None] + own
    return np.exp(logarithms).reshape(-1, 64).astype(np.float16)[generator.permutation(CLUSTERS * EACH)]


@pytest.fixture
def _few_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "MOST_COMPARED", 10)


@pytest.mark.usefixtures("_few_compared")
def test_of_many_images_nearly_all_near_pairs_are_in_one_group(many: np.ndarray) -> None:
    unit = many.astype(np.float32) / np.linalg.norm(many.astype(np.float32), axis=1, keepdims=True)
    left, right = np.nonzero(np.triu(unit @ unit.T >= 0.97, 1))

    groups = group_by_similarity(many, 0.97)

    assert len(left) > 3000
    assert np.mean(groups[left] == groups[right]) >= 0.999


@pytest.mark.usefixtures("_few_compared")
def test_groups_of_many_images_do_not_depend_on_threads_or_on_where_they_are_kept(
    many: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "many.npy", many)
    with threadpool_limits(1):
        alone = group_by_similarity(many, 0.97)
    with threadpool_limits(2):
        together = group_by_similarity(np.load(tmp_path / "many.npy", mmap_mode="r"), 0.97)

    assert alone.tolist() == together.tolist()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(11, 150),
    similarities=st.lists(st.floats(0.3, 0.999), min_size=1, max_size=3),
    pairs=st.sampled_from([1, 2**20]),
)
def test_of_many_images_none_are_joined_that_are_not_when_each_pair_is_looked_at(
    seed: int, count: int, similarities: list[float], pairs: int
) -> None:
    embeddings = np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32)
    exact = group_at_similarities(embeddings, similarities)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "MOST_COMPARED", 10)
        patch.setattr(near_duplicates, "_PAIRS", pairs)
        found = group_at_similarities(embeddings, similarities)

    for whole, parts in zip(exact, found, strict=True):
        assert len(set(zip(parts.tolist(), whole.tolist(), strict=True))) == len(set(parts.tolist()))


@pytest.mark.usefixtures("_few_compared")
def test_many_equal_images_are_one_group() -> None:
    assert group_by_similarity(np.ones((300, 4), np.float32), 0.97).tolist() == [0] * 300


@pytest.mark.usefixtures("_few_compared")
def test_it_is_said_that_not_each_pair_is_looked_at(many: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        group_by_similarity(many[:50], 0.97)

    assert "50 images: each is compared with those around it, and not with all others." in caplog.text


@pytest.mark.usefixtures("_few_compared")
def test_the_same_picture_is_found_among_many_as_it_is_when_each_pair_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    pictures = [*coarse.repeat(6, axis=1).repeat(6, axis=2).repeat(3, axis=3)]
    pictures += [picture[:, ::-1] for picture in pictures[:20]] + [picture // 2 + 60 for picture in pictures[20:40]]
    hashes = [perceptual_hash(picture) for picture in pictures]
    apart = np.eye(len(pictures), dtype=np.float32)

    found = group_near_duplicates(apart, hashes, 0.99)
    monkeypatch.setattr(near_duplicates, "MOST_COMPARED", 1000)

    assert found.tolist() == [*range(200), *range(40)]
    assert found.tolist() == group_near_duplicates(apart, hashes, 0.99).tolist()
