"""Perceptual hashes: the same picture in another dress is found, other pictures are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from chest_cancer.imaging.perceptual_hash import hash_vectors, perceptual_hash
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.statistics.near_duplicates import SAME_PICTURE

Pixels = np.ndarray


@pytest.fixture(scope="module")
def slices() -> list[Pixels]:
    phantoms = generate_phantoms(["normal", "adenocarcinoma"], 12, seed=1)
    return [np.repeat(phantom.image[..., None], 3, axis=2) for phantom in phantoms]


def as_jpeg(pixels: Pixels, quality: int = 40) -> Pixels:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def at_scale(pixels: Pixels, factor: float = 0.5) -> Pixels:
    height, width = (round(side * factor) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def with_line(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    width, height = image.size
    ends = [(0.2 * width, 0.25 * height), (0.7 * width, 0.6 * height)]
    ImageDraw.Draw(image).line(ends, fill="yellow", width=max(2, width // 100))
    return np.asarray(image)


def similarity(left: list[Pixels], right: list[Pixels]) -> tuple[np.ndarray, np.ndarray]:
    vectors, _ = hash_vectors([perceptual_hash(pixels) for pixels in left])
    others, mirrored = hash_vectors([perceptual_hash(pixels) for pixels in right])
    return vectors @ others.T, vectors @ mirrored.T


def test_a_hash_is_a_text_of_272_digits(slices: list[Pixels]) -> None:
    assert len(bytes.fromhex(perceptual_hash(slices[0]))) == 136


@pytest.mark.parametrize("change", [as_jpeg, at_scale, with_line, lambda pixels: with_line(as_jpeg(at_scale(pixels)))])
def test_a_changed_picture_is_still_the_same_picture(slices: list[Pixels], change) -> None:
    plain, _ = similarity(slices, [change(pixels) for pixels in slices])

    assert plain.diagonal().min() >= SAME_PICTURE


def test_a_mirrored_picture_is_the_same_picture_mirrored(slices: list[Pixels]) -> None:
    plain, mirrored = similarity(slices, [pixels[:, ::-1] for pixels in slices])

    np.testing.assert_allclose(mirrored.diagonal(), 1, atol=1e-5)
    assert plain.diagonal().max() < SAME_PICTURE


def test_distinct_slices_are_not_the_same_picture(slices: list[Pixels]) -> None:
    plain, mirrored = similarity(slices, slices)

    others = ~np.eye(len(slices), dtype=bool)
    assert plain[others].max() < SAME_PICTURE - 0.1
    assert mirrored[others].max() < SAME_PICTURE - 0.1


def test_pictures_of_one_colour_resemble_nothing() -> None:
    blank = [np.full((40, 50, 3), level, dtype=np.uint8) for level in (0, 90)]

    assert not np.any(similarity(blank, blank))


def test_no_pictures_have_no_vectors() -> None:
    vectors, mirrored = hash_vectors([])

    assert vectors.shape == mirrored.shape == (0, 544)
