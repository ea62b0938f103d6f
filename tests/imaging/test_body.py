"""Where the body is found: in phantoms, beside margins, tables, lines and letters, and where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from chest_cancer.imaging.body import Body, find_body
from conftest import Pixels

BOX = (90, 110, 310, 270)
BACKGROUND = (12, 12, 12)


def chest(background: tuple[int, int, int] = BACKGROUND) -> Image.Image:
    """A body with two dark lungs and a bright spine, 400 x 400; its box is `BOX`."""
    image = Image.new("RGB", (400, 400), background)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = BOX
    draw.ellipse([left, top, right - 1, bottom - 1], (150, 150, 150))
    draw.ellipse([115, 145, 190, 235], (25, 25, 25))
    draw.ellipse([210, 145, 285, 235], (25, 25, 25))
    draw.ellipse([190, 235, 210, 255], (250, 250, 250))
    return image


def near(body: Body, box: tuple[int, int, int, int] = BOX) -> bool:
    return max(abs(one - other) for one, other in zip(body.box, box, strict=True)) <= 5


def table(image: Image.Image) -> None:
    ImageDraw.Draw(image).arc([50, 0, 350, 320], 30, 150, (200, 200, 200), 4)


def letters(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    for y in range(10, 100, 14):
        draw.text((5, y), "R  120 kV  12 mA", (255, 255, 0))
    draw.text((300, 380), "FFS 350 mm", (255, 255, 255))


def lines(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    draw.line([0, 200, 400, 200], (0, 0, 255), 1)
    draw.line([200, 0, 200, 400], (255, 0, 0), 1)
    draw.rectangle([1, 1, 398, 398], None, (255, 255, 255), 1)


def white_margin(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    for box in ([0, 0, 400, 55], [0, 330, 400, 400], [0, 0, 40, 400], [370, 0, 400, 400]):
        draw.rectangle(box, (255, 255, 255))


@pytest.mark.parametrize("extras", [[], [table], [letters], [lines], [white_margin], [table, letters, lines]])
def test_the_body_is_found_whatever_is_beside_it(extras) -> None:
    image = chest()
    for extra in extras:
        extra(image)

    body = find_body(np.asarray(image))

    assert near(body), body
    assert body.background == BACKGROUND


def test_a_body_is_found_in_front_of_a_grey_background() -> None:
    body = find_body(np.asarray(chest((70, 70, 80))))

    assert near(body), body
    assert body.background == (70, 70, 80)


@pytest.mark.parametrize("size", [(64, 64), (1500, 700), (100, 900)])
def test_the_box_is_in_the_pixels_of_the_image(size: tuple[int, int]) -> None:
    width, height = size
    body = find_body(np.asarray(chest().resize(size)))

    expected = (90 * width / 400, 110 * height / 400, 310 * width / 400, 270 * height / 400)
    for edge, position, side in zip(body.box, expected, (width, height) * 2, strict=True):
        assert abs(edge - position) <= max(0.015 * side, 2)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((60, 90, 3), 0, np.uint8),
        np.full((60, 90, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8),
        np.asarray(chest().resize((40, 40)).crop((-25, -10, 65, 50))),  # too small to be sure
    ],
    ids=["black", "white", "noise", "small"],
)
def test_where_nothing_convinces_nothing_is_cut(pixels: Pixels) -> None:
    assert find_body(pixels).box == (0, 0, 90, 60)


@settings(max_examples=50, deadline=None)
@given(st.tuples(st.integers(1, 200), st.integers(1, 200), st.just(3)), st.data())
def test_the_box_lies_in_any_image_and_is_not_empty(shape: tuple[int, int, int], data: st.DataObject) -> None:
    coarse = data.draw(arrays(np.uint8, (6, 6, 3)))
    pixels = np.asarray(Image.fromarray(coarse).resize(shape[1::-1], Image.Resampling.NEAREST))

    left, top, right, bottom = find_body(pixels).box

    assert 0 <= left < right <= shape[1]
    assert 0 <= top < bottom <= shape[0]


def snake(columns: range) -> Image.Image:
    """One band that winds down the image between two columns."""
    image = Image.new("RGB", (400, 400), BACKGROUND)
    draw = ImageDraw.Draw(image)
    turns = [(x, y) for i, y in enumerate(range(50, 350, 25)) for x in (columns if i % 2 else reversed(columns))]
    draw.line(turns, (150, 150, 150), 12)
    return image


def test_a_region_is_followed_round_every_corner() -> None:
    body = find_body(np.asarray(snake(range(60, 341, 280))))

    assert near(body, (54, 44, 346, 331)), body


def test_of_two_bodies_the_larger_is_taken() -> None:
    image = chest()
    ImageDraw.Draw(image).ellipse([20, 20, 150, 100], (160, 160, 160))

    assert near(find_body(np.asarray(image)))
