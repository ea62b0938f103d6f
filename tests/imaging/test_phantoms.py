import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.generate import PHANTOM_CLASSES, Phantom, generate_phantom, generate_phantoms

TUMOURS = PHANTOM_CLASSES[1:]
# Share of the picture that a tumour's mask may fill.
AREA_RANGES = {"adenocarcinoma": (0.003, 0.12), "squamous_cell": (0.002, 0.15), "large_cell": (0.008, 0.2)}

phantom = cache(generate_phantom)


def test_same_arguments_give_the_same_pixels():
    again = generate_phantom("adenocarcinoma", 7, 3)
    np.testing.assert_array_equal(again.image, phantom("adenocarcinoma", 7, 3).image)
    np.testing.assert_array_equal(again.lesion_mask, phantom("adenocarcinoma", 7, 3).lesion_mask)


def test_a_phantom_does_not_depend_on_how_many_are_made():
    short, long = (list(generate_phantoms(PHANTOM_CLASSES, images, 7)) for images in (4, 5))
    for one, other in zip(short, long[:4], strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(long[1].image, phantom(PHANTOM_CLASSES[1], 7, 1).image)


def test_another_seed_or_index_gives_another_picture():
    first = phantom("normal", 7, 0)
    for other in (phantom("normal", 7, 1), phantom("normal", 8, 0)):
        assert first.image.shape != other.image.shape or np.any(first.image != other.image)


@pytest.mark.parametrize("label", TUMOURS)
@pytest.mark.parametrize("index", range(4))
def test_only_the_tumour_tells_classes_apart(label: str, index: int):
    normal, ill = phantom("normal", 7, index), phantom(label, 7, index)
    outside = ~ill.lesion_mask
    np.testing.assert_array_equal(ill.image[outside], normal.image[outside])
    assert np.any(ill.image[ill.lesion_mask] != normal.image[ill.lesion_mask])


def test_a_normal_phantom_has_an_empty_mask():
    assert not any(phantom("normal", 7, index).lesion_mask.any() for index in range(4))


@pytest.mark.parametrize("label", TUMOURS)
@pytest.mark.parametrize("index", range(6))
def test_a_tumour_fills_a_plausible_part_of_the_lung(label: str, index: int):
    mask = phantom(label, 7, index).lesion_mask
    low, high = AREA_RANGES[label]
    assert low < mask.mean() < high
    anatomy = draw_anatomy(np.random.default_rng(np.random.SeedSequence(7, spawn_key=(index, 0))))
    beside = np.pad(anatomy.lung > 0, 1)  # the mask reaches one pixel further than the lung
    near_lung = np.logical_or.reduce(
        [beside[y : y + mask.shape[0], x : x + mask.shape[1]] for y in range(3) for x in range(3)]
    )
    assert not np.any(mask & ~near_lung)


@pytest.mark.parametrize("index", range(4))
def test_a_squamous_cell_tumour_lies_nearer_to_a_hilum_than_a_large_cell_one(index: int):
    anatomy = draw_anatomy(np.random.default_rng(np.random.SeedSequence(7, spawn_key=(index, 0))))

    def gap(label: str) -> float:
        """Distance between the mask and the nearest hilum, mm."""
        pixels = np.argwhere(phantom(label, 7, index).lesion_mask)[:, ::-1].astype(float)
        places = anatomy.placement.to_millimetres(pixels)
        return float(np.min(np.hypot(*(places[None] - anatomy.hila[:, None]).transpose(2, 0, 1))))

    assert gap("squamous_cell") < 15
    assert gap("squamous_cell") <= gap("large_cell")


def test_pictures_come_in_many_sizes():
    shapes = {phantom("normal", 7, index).image.shape for index in range(6)}
    assert len(shapes) == 6


def test_classes_take_turns():
    classes = ("normal", "large_cell")
    labels = [made.label for made in generate_phantoms(classes, 3, 7)]
    assert labels == ["normal", "large_cell", "normal"]


def test_an_unknown_label_is_named_with_what_was_expected():
    expected = (
        f"Invalid value received for argument `label`. Expected one of {PHANTOM_CLASSES}. Received: label='benign'"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        generate_phantom("benign", 0, 0)


@settings(max_examples=8, deadline=None)
@given(label=st.sampled_from(PHANTOM_CLASSES), seed=st.integers(0, 2**32), index=st.integers(0, 10_000))
def test_any_seed_gives_a_well_formed_slice(label: str, seed: int, index: int):
    made = generate_phantom(label, seed, index)
    assert isinstance(made, Phantom)
    assert made.image.dtype == np.uint8
    assert made.image.ndim == 2
    assert made.lesion_mask.dtype == np.bool_
    assert made.lesion_mask.shape == made.image.shape
    assert all(200 <= side <= 512 for side in made.image.shape)
    assert np.ptp(made.image) > 100
    assert made.lesion_mask.any() == (label != "normal")
