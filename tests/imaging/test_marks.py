"""Drawn marks: colours and letters are found, and none where nobody drew."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from chest_cancer.imaging.marks import find_marks
from phantom_slices import phantom as drawn

SEEDS = range(20)


def phantom(seed: int, label: str = "normal") -> Image.Image:
    """A slice with room beside the body."""
    image = Image.fromarray(drawn(label, seed, seed).image).convert("RGB")
    return ImageOps.expand(image, image.height // 8)


def write(image: Image.Image, words: str = "Chest 5.0", size: int | None = None) -> Image.Image:
    font = ImageFont.load_default(size=size or max(13, image.height // 24))
    ImageDraw.Draw(image).text((3, 2), words, fill=(255, 255, 255), font=font)
    return image


def marks_of(image: Image.Image) -> tuple[bool, int]:
    marks = find_marks(np.asarray(image))
    return marks.is_coloured, marks.letters


def test_nothing_is_found_where_nobody_drew() -> None:
    for label in ("normal", "adenocarcinoma"):
        assert [marks_of(phantom(seed, label)) for seed in SEEDS] == [(False, 0)] * len(SEEDS)


def test_letters_beside_the_body_are_found() -> None:
    found = [marks_of(write(phantom(seed))) for seed in SEEDS]

    assert sum(letters >= 3 for _, letters in found) >= 18
    assert not any(coloured for coloured, _ in found)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 200, 0), (255, 255, 0)])
def test_a_coloured_line_or_box_is_found_wherever_it_is(colour: tuple[int, int, int]) -> None:
    for seed in SEEDS:
        image = phantom(seed)
        side = image.height
        ImageDraw.Draw(image).rectangle([side // 2, side // 2, side // 2 + 12, side // 2 + 12], outline=colour)
        assert marks_of(image)[0]


def test_a_picture_in_colour_is_no_drawing_and_grey_with_noise_of_jpeg_is_no_colour() -> None:
    generator = np.random.default_rng(0)
    photograph = np.zeros((64, 64, 3), dtype=np.uint8)
    photograph[..., 0] = 200
    grey = np.repeat(generator.integers(20, 230, (64, 64, 1)), 3, axis=2)
    noisy = (grey + generator.integers(-15, 16, grey.shape)).astype(np.uint8)

    assert find_marks(photograph).coloured == 1
    assert not find_marks(photograph).is_coloured
    assert find_marks(noisy).coloured == 0


def test_two_letters_and_a_bar_are_no_line_of_letters() -> None:
    image = write(phantom(0), "AB")
    ImageDraw.Draw(image).line([(2, image.height - 4), (image.width // 4, image.height - 4)], fill=(255, 255, 255))

    assert marks_of(image) == (False, 0)


def test_letters_on_a_picture_without_a_body_are_found() -> None:
    assert marks_of(write(Image.new("RGB", (200, 200)), "SYNTHETIC", 12))[1] >= 7


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3), (33, 32, 3)])
def test_images_of_any_size_are_looked_at(shape: tuple[int, int, int]) -> None:
    for level in (0, 255):
        assert find_marks(np.full(shape, level, dtype=np.uint8)) == (0.0, 0)
