"""Perceptual hashes: texts of small grey pictures, without a bright frame."""

import numpy as np
import pytest

from chest_cancer.imaging.perceptual_hash import perceptual_hash, pictures_of
from chest_cancer.imaging.phantoms.generate import generate_phantoms


def test_a_hash_is_a_text_that_gives_the_small_picture_back() -> None:
    half = np.zeros((64, 96, 3), dtype=np.uint8)
    half[:, 48:] = 100

    text = perceptual_hash(half)
    (picture,) = pictures_of([text])

    assert len(text) == 1368
    assert picture.shape == (32, 32)
    assert picture[:, :15].max() == 0
    assert picture[:, 17:].min() == 100


def test_a_bright_frame_is_left_out() -> None:
    (phantom,) = generate_phantoms(["normal"], 1, seed=1)
    pixels = np.repeat(phantom.image[..., None], 3, axis=2)
    framed = np.pad(pixels, ((20, 20), (20, 20), (0, 0)), constant_values=255)

    plain, inside = pictures_of([perceptual_hash(pixels), perceptual_hash(framed)]).astype(float)

    assert np.corrcoef(plain.ravel(), inside.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (16, 16)])
def test_small_and_narrow_pictures_have_hashes(shape: tuple[int, int]) -> None:
    for level in (0, 255):
        assert (pictures_of([perceptual_hash(np.full((*shape, 3), level, dtype=np.uint8))]) == level).all()


def test_no_hashes_are_no_pictures() -> None:
    assert pictures_of([]).shape == (0, 32, 32)


def test_a_hash_of_an_older_version_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"expected 1368 characters\. Received: 272 .* Run `data_ingestion` again\."):
        pictures_of(["0" * 272])
