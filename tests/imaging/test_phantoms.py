"""Phantoms: what they look like, and what the slices of a patient have in common."""

import re
from functools import cache
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.linear_model import LogisticRegression

from chest_cancer.imaging.phantoms.draws import Draws, Stream
from chest_cancer.imaging.phantoms.generate import (
    PHANTOM_CLASSES,
    Phantom,
    _in_turn,
    generate_phantom,
    generate_phantoms,
)
from chest_cancer.imaging.phantoms.patient import draw_position
from chest_cancer.statistics.cross_validation import draw_folds, predict_out_of_fold, share_of_hits
from phantom_slices import anatomy_of, phantom
from properties import examples

TUMOURS = PHANTOM_CLASSES[1:]
# Share of the picture that a tumour's mask may fill.
AREA_RANGES = {"adenocarcinoma": (0.003, 0.12), "squamous_cell": (0.002, 0.15), "large_cell": (0.008, 0.2)}


def test_same_arguments_give_the_same_pixels():
    again = generate_phantom("adenocarcinoma", 7, 3)
    np.testing.assert_array_equal(again.image, phantom("adenocarcinoma", 7, 3).image)
    np.testing.assert_array_equal(again.lesion_mask, phantom("adenocarcinoma", 7, 3).lesion_mask)


def test_a_phantom_does_not_depend_on_how_many_are_made():
    short, long = (list(generate_phantoms(PHANTOM_CLASSES, images, 7, slices_per_patient=(2, 3))) for images in (6, 7))
    for one, other in zip(short, long[:6], strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(long[5].image, phantom(PHANTOM_CLASSES[1], 7, 1, 1).image)


def test_another_seed_patient_or_slice_gives_another_picture():
    first = phantom("normal", 7, 0)
    for other in (phantom("normal", 7, 1), phantom("normal", 8, 0), phantom("normal", 7, 0, 1)):
        assert first.image.shape != other.image.shape or np.any(first.image != other.image)


def test_another_scanner_has_other_patients_and_changes_nothing_but_what_is_seen_of_them():
    here, there = (list(generate_phantoms(("normal", "adenocarcinoma"), 4, 7, scanner=name)) for name in ("a", "b"))
    assert not {made.patient for made in here} & {made.patient for made in there}
    assert [made.label for made in there] == [made.label for made in here]
    ill = phantom("adenocarcinoma", 7, there[1].patient)
    np.testing.assert_array_equal(there[1].lesion_mask, ill.lesion_mask)
    assert there[1].image.std() < ill.image.std()


@pytest.mark.parametrize("label", TUMOURS)
@pytest.mark.parametrize(("patient", "number", "signature"), [(0, 0, 1.0), (1, 2, 1.0), (2, 1, 0.5), (3, 0, 0.0)])
def test_only_the_tumour_tells_classes_apart(label: str, patient: int, number: int, signature: float):
    normal, ill = (phantom(name, 7, patient, number, signature) for name in ("normal", label))
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
    anatomy = anatomy_of(Draws(7, index, 0, 1.0))
    beside = np.pad(anatomy.lung > 0, 1)  # the mask reaches one pixel further than the lung
    near_lung = np.logical_or.reduce(
        [beside[y : y + mask.shape[0], x : x + mask.shape[1]] for y in range(3) for x in range(3)]
    )
    assert not np.any(mask & ~near_lung)


@pytest.mark.parametrize("index", range(4))
def test_a_squamous_cell_tumour_lies_nearer_to_a_hilum_than_a_large_cell_one(index: int):
    anatomy = anatomy_of(Draws(7, index, 0, 1.0))

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


def test_a_patient_has_one_label_and_its_slices_are_numbered():
    made = list(generate_phantoms(("normal", "large_cell"), 16, 7, slices_per_patient=(1, 6)))
    slices = {patient: [one.slice for one in made if one.patient == patient] for patient in {m.patient for m in made}}

    assert sorted(slices) == list(range(len(slices)))
    assert all(numbers == list(range(len(numbers))) for numbers in slices.values())
    counts = {len(numbers) for numbers in slices.values()}
    assert len(counts) > 2
    assert counts <= set(range(1, 7))
    for one in made:
        assert one.label == ("normal", "large_cell")[one.patient % 2]
        assert one.lesion_mask.any() == (one.label == "large_cell")


@pytest.mark.parametrize("limits", [(1, 1), (2, 2), (1, 6), (3, 9)])
def test_classes_have_as_many_images_as_one_another(limits: tuple[int, int]):
    turns = list(islice(_in_turn(3, limits, 7), 4000))
    images = np.bincount([patient % 3 for patient, _ in turns])
    slices = np.bincount([patient for patient, _ in turns])[:-3]  # the last patients may lack some
    assert np.ptp(images) <= 1
    assert (slices.min(), slices.max()) == limits


def test_slices_of_a_patient_keep_apart():
    for patient in range(20):
        offsets = sorted(draw_position(Draws(7, patient, number, 1.0)).offset for number in range(6))
        assert min(np.diff(offsets)) > 0.15
        assert offsets[0] >= -1
        assert offsets[-1] <= 1


def test_a_trait_is_the_patients_own_as_often_as_the_signature_says():
    def own(signature: float) -> np.ndarray:
        """Whether two slices have a trait in common, for many patients and traits."""
        return np.array(
            [
                Draws(7, patient, 0, signature).of_patient(stream).random()
                == Draws(7, patient, 1, signature).of_patient(stream).random()
                for patient in range(60)
                for stream in Stream
            ]
        )

    none, few, many, every = (own(signature) for signature in (0.0, 0.3, 0.7, 1.0))
    assert not none.any()
    assert every.all()
    assert np.mean(few) == pytest.approx(0.3, abs=0.04)
    assert np.mean(many) == pytest.approx(0.7, abs=0.04)
    assert not np.any(few & ~many)


@pytest.mark.parametrize("patient", range(4))
def test_a_tumour_stays_where_it_is(patient: int):
    masks = [phantom("large_cell", 7, patient, number).lesion_mask for number in range(4)]
    middles = np.array([np.argwhere(mask).mean(axis=0) / mask.shape for mask in masks])
    assert np.ptp(middles, axis=0).max() < 0.1


@cache
def look(signature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three slices each of 8 patients: thumbnails `[24, 144]`, class numbers and patients `[24]`."""
    classes = ("normal", "adenocarcinoma")
    made = list(generate_phantoms(classes, 24, 7, slices_per_patient=(3, 3), patient_signature=signature))
    small = [np.asarray(Image.fromarray(one.image).resize((12, 12), Image.Resampling.BOX)).ravel() for one in made]
    return (
        np.array(small) / 255,
        np.array([classes.index(one.label) for one in made]),
        np.array([one.patient for one in made]),
    )


@pytest.mark.parametrize(("signature", "least", "most"), [(0.0, 0.93, 1.07), (0.5, 0.65, 0.9), (1.0, 0.2, 0.5)])
def test_slices_of_a_patient_are_as_alike_as_its_signature_says(signature: float, least: float, most: float):
    thumbnails, _, patients = look(signature)
    gaps = np.abs(thumbnails[:, None] - thumbnails[None]).mean(axis=2)
    same = patients[:, None] == patients[None]
    within = gaps[same & ~np.eye(len(gaps), dtype=bool)].mean()
    assert least < within / gaps[~same].mean() < most


def test_random_folds_flatter_as_much_as_the_signature_says():
    def gain(signature: float) -> float:
        """Accuracy of a look at thumbnails in random folds, less that in folds by patient."""
        thumbnails, numbers, patients = look(signature)
        model = LogisticRegression(C=10.0, max_iter=1000)
        hits = [
            share_of_hits(numbers, predict_out_of_fold(model, thumbnails, numbers, draw_folds(numbers, groups, 0, 3)))
            for groups in (np.arange(len(numbers)), patients)
        ]
        return float(np.mean(hits[0] - hits[1]))

    none, some, much = (gain(signature) for signature in (0.0, 0.5, 1.0))
    assert none == pytest.approx(0, abs=0.1)
    assert none < some < much
    assert much > 0.2


def test_an_unknown_label_is_named_with_what_was_expected():
    expected = (
        f"Invalid value received for argument `label`. Expected one of {PHANTOM_CLASSES}. Received: label='benign'"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        generate_phantom("benign", 0, 0)


@examples(4, 30)
@given(
    label=st.sampled_from(PHANTOM_CLASSES),
    seed=st.integers(0, 2**32),
    patient=st.integers(0, 10_000),
    number=st.integers(0, 1000),
    signature=st.floats(0, 1),
)
def test_any_seed_gives_a_well_formed_slice(label: str, seed: int, patient: int, number: int, signature: float):
    made = generate_phantom(label, seed, patient, number, signature)
    assert isinstance(made, Phantom)
    assert made.image.dtype == np.uint8
    assert made.image.ndim == 2
    assert made.lesion_mask.dtype == np.bool_
    assert made.lesion_mask.shape == made.image.shape
    assert all(200 <= side <= 512 for side in made.image.shape)
    assert np.ptp(made.image) > 100
    assert made.lesion_mask.any() == (label != "normal")
