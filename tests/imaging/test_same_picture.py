"""The same picture in another dress is found and named; other pictures are not taken for it."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.changes import as_jpeg, at_half_size, cropped, framed, mirrored, turned, with_line
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.same_picture import describe_differences, find_same_pictures
from properties import examples

Pixels = np.ndarray
COUNT = 12


@pytest.fixture(scope="module")
def slices() -> list[Pixels]:
    phantoms = generate_phantoms(["normal", "adenocarcinoma"], COUNT, seed=1)
    return [np.repeat(phantom.image[..., None], 3, axis=2) for phantom in phantoms]


@pytest.fixture(scope="module")
def hashes(slices: list[Pixels]) -> list[str]:
    return [perceptual_hash(pixels) for pixels in slices]


def brighter(pixels: Pixels) -> Pixels:
    return (0.8 * pixels + 51).astype(np.uint8)


def changed(slices: list[Pixels], *changes: Callable[[Pixels], Pixels]) -> list[str]:
    for change in changes:
        slices = [change(pixels) for pixels in slices]
    return [perceptual_hash(pixels) for pixels in slices]


@pytest.mark.parametrize(
    "changes",
    [
        *((change,) for change in (as_jpeg, at_half_size, with_line, mirrored, turned, cropped, brighter, framed)),
        (mirrored, turned),
        (mirrored, cropped),
        (cropped, brighter),
        (turned, framed),
        (at_half_size, as_jpeg, with_line),
    ],
)
def test_a_changed_picture_is_still_the_same_picture_and_no_other(slices, hashes, changes) -> None:
    pairs = find_same_pictures(changed(slices, *changes), hashes)

    assert pairs.left.tolist() == pairs.right.tolist() == list(range(COUNT))
    assert pairs.mirrored.tolist() == [mirrored in changes] * COUNT


def test_slices_of_distinct_patients_are_not_the_same_picture(hashes: list[str]) -> None:
    assert len(find_same_pictures(hashes).left) == 0


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(24, 90), width=st.integers(24, 90))
@examples(8, 60)
def test_identical_pictures_are_the_same_and_different_noise_is_not(seed: int, height: int, width: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (3, height, width, 1), dtype=np.uint8).repeat(3, axis=3)
    # The second and the fourth differ by contrast, the third and the last by nothing.
    pairs = find_same_pictures([perceptual_hash(each) for each in (*noise, noise[1] // 2 + 60, noise[2])])

    assert set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == {(1, 3), (2, 4)}


def test_pictures_of_one_colour_are_not_the_same_picture() -> None:
    blank = [perceptual_hash(np.full((40, 50, 3), level, dtype=np.uint8)) for level in (0, 0, 90)]

    assert len(find_same_pictures(blank).left) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_where_there_is_nothing_to_compare_nothing_is_found(hashes: list[str], count: int) -> None:
    assert len(find_same_pictures(hashes[:count]).left) == 0
    assert len(find_same_pictures(hashes[:count], []).left) == 0


def test_of_many_copies_a_chain_is_found(slices: list[Pixels], hashes: list[str]) -> None:
    copies = [perceptual_hash(np.clip(slices[0].astype(int) + shift, 0, 255).astype(np.uint8)) for shift in range(20)]

    pairs = find_same_pictures([*copies, *hashes[1:]])
    reached = {0}
    for _ in range(20):
        for left, right in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
            reached |= {left, right} if {left, right} & reached else set()

    assert reached == set(range(20))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (as_jpeg, ""),
        (with_line, ""),
        (framed, ""),
        (mirrored, "mirrored"),
        (turned, "turned by 3°"),
        (cropped, "cropped"),
        (lambda pixels: mirrored(turned(pixels)), "mirrored, turned by 3°"),
    ],
)
def test_the_difference_is_said_in_words(slices, hashes, change, words: str) -> None:
    assert describe_differences(hashes[:1], [perceptual_hash(change(slices[0]))]) == [words]


def test_what_was_cropped_has_the_original_with_more_around_it(slices: list[Pixels], hashes: list[str]) -> None:
    assert describe_differences([perceptual_hash(cropped(slices[0]))], hashes[:1]) == ["with more around it"]


def test_the_difference_to_another_picture_has_no_words(hashes: list[str]) -> None:
    assert describe_differences([hashes[0], hashes[0]], [hashes[1], hashes[0]]) == [None, ""]
