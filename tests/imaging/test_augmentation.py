"""Random views: nothing asked for changes nothing, and every amount moves the picture the way its name says."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chest_cancer.imaging.augmentation import augment
from chest_cancer.parameters.blocks import AugmentationParameters
from conftest import Pixels

NOTHING = AugmentationParameters(
    horizontal_flip=False, rotation_degrees=0, shift=0, shear_degrees=0, zoom=0, enabled=True
)
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))
SEEDS = st.integers(0, 2**32 - 1)


def only(**amounts: object) -> AugmentationParameters:
    return NOTHING.model_copy(update=amounts)


class Draws:
    """A generator that always draws the same: the largest amount, or its opposite."""

    def __init__(self, amount: float, flip: bool = False) -> None:
        self._amount, self._flip = amount, flip

    def uniform(self, low: float, high: float, size: int | None = None):
        return self._amount if size is None else np.full(size, self._amount)

    def random(self) -> float:
        return 0.0 if self._flip else 1.0


def dot(row: int, column: int, side: int = 40) -> Pixels:
    image = np.zeros((side, side, 3), dtype=np.uint8)
    image[row, column] = 255
    return image


def place(view: Pixels) -> tuple[int, int]:
    return tuple(np.argwhere(view[..., 0] == view[..., 0].max())[0].tolist())


@settings(max_examples=30, deadline=None)
@given(image=IMAGES, seed=SEEDS)
def test_zero_amounts_are_the_identity(image: Pixels, seed: int) -> None:
    np.testing.assert_array_equal(augment(image, NOTHING, np.random.default_rng(seed)), image)


@settings(max_examples=30, deadline=None)
@given(image=IMAGES, seed=SEEDS)
def test_flip_alone_gives_the_image_or_its_mirror(image: Pixels, seed: int) -> None:
    view = augment(image, only(horizontal_flip=True), np.random.default_rng(seed))

    assert np.array_equal(view, image) or np.array_equal(view, image[:, ::-1])


def test_flip_mirrors_about_half_of_the_views(picture: Callable[..., Pixels]) -> None:
    image, generator = picture(0, height=16, width=17), np.random.default_rng(0)

    mirrored = [
        np.array_equal(augment(image, only(horizontal_flip=True), generator), image[:, ::-1]) for _ in range(200)
    ]

    assert 70 < sum(mirrored) < 130


@settings(max_examples=30, deadline=None)
@given(
    image=IMAGES,
    seed=SEEDS,
    rotation=st.floats(0, 180),
    shift=st.floats(0, 1),
    shear=st.floats(0, 45),
    zoom=st.floats(0, 0.99),
)
def test_any_amounts_keep_shape_and_type_and_are_drawn_from_the_generator(
    image: Pixels, seed: int, rotation: float, shift: float, shear: float, zoom: float
) -> None:
    parameters = AugmentationParameters(
        enabled=True, rotation_degrees=rotation, shift=shift, shear_degrees=shear, zoom=zoom
    )

    views = [augment(image, parameters, np.random.default_rng(seed)) for _ in range(2)]

    assert views[0].shape == image.shape
    assert views[0].dtype == np.uint8
    np.testing.assert_array_equal(*views)


def test_default_amounts_change_the_picture_from_view_to_view(picture: Callable[..., Pixels]) -> None:
    generator = np.random.default_rng(1)
    views = {augment(picture(1), AugmentationParameters(), generator).tobytes() for _ in range(5)}

    assert len(views) == 5


@pytest.mark.parametrize(("amount", "expected"), [(1.0, (24, 19)), (-1.0, (16, 11))])
def test_shift_moves_right_and_down_and_what_comes_into_view_is_black(amount: float, expected: tuple) -> None:
    image = np.full((40, 40, 3), 200, dtype=np.uint8)
    moved = augment(image, only(shift=0.1), Draws(amount))

    assert place(augment(dot(20, 15), only(shift=0.1), Draws(amount))) == expected
    border = moved[:4, :] if amount > 0 else moved[-4:, :]
    assert not border.any()
    assert (moved == 200).sum() == 36 * 36 * 3


def test_shift_is_a_share_of_each_side() -> None:
    image = np.zeros((20, 80, 3), dtype=np.uint8)
    image[10, 40] = 255

    assert place(augment(image, only(shift=0.1), Draws(1.0))) == (12, 48)


def test_quarter_turn_goes_the_way_that_numpy_turns() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)

    view = augment(image, only(rotation_degrees=90), Draws(1.0))

    np.testing.assert_allclose(view.astype(int), np.rot90(image), rtol=0, atol=1)


@pytest.mark.parametrize(("amount", "expected"), [(1.0, (28, 20)), (-1.0, (22, 20))])
def test_zoom_magnifies_about_the_centre(amount: float, expected: tuple) -> None:
    row, _ = place(augment(dot(25, 20), only(zoom=0.5), Draws(amount)))

    assert abs(row - expected[0]) <= 1


def test_shear_moves_rows_sideways_and_not_up_or_down() -> None:
    row, column = place(augment(dot(30, 20), only(shear_degrees=45), Draws(1.0)))

    assert row == 30
    assert abs(column - 10) <= 1
