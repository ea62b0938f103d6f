"""Phantom studies: lungs with an end above and below, lesions as tall as they are, and nothing else of the label."""

import itertools

import numpy as np
import pytest

from chest_cancer.imaging.lungs import find_lungs
from chest_cancer.imaging.phantoms.study import PhantomStudy, generate_studies

SIDE, SLICES = 96, 60


@pytest.fixture(scope="module")
def study():
    return next(
        study
        for patient in itertools.count()
        if (study := PhantomStudy("cancer", 5, patient, slices=SLICES, side=SIDE)).lesions
        and max(max(lesion.radii) for lesion in study.lesions) > 10
    )


@pytest.fixture(scope="module")
def drawn(study):
    return [study.slice(number) for number in range(SLICES)]


def test_a_patient_has_60_to_200_slices_and_lesions_of_4_to_30_mm():
    studies = list(generate_studies(12, 3, side=SIDE))

    assert [study.label for study in studies] == ["normal", "cancer"] * 6
    assert all(60 <= len(study) <= 200 for study in studies)
    assert len({len(study) for study in studies}) > 6
    assert all(1.2 < study.spacing_mm < 6 for study in studies)
    assert not any(study.lesions for study in studies[::2])
    diameters = 2 * np.array([lesion.radii for study in studies[1::2] for lesion in study.lesions])
    assert diameters.min() >= 4
    assert diameters.max() <= 30
    assert np.ptp(diameters) > 15


def test_lungs_lie_between_slices_without_lung(drawn):
    seen = np.array([find_lungs(hounsfield).seen for hounsfield, _ in drawn])
    first, last = np.flatnonzero(seen)[[0, -1]]

    assert 3 <= first <= 15
    assert 45 <= last <= SLICES - 4
    assert seen[first:last].all()


def test_neighbours_are_more_alike_than_slices_further_away(drawn):
    volume = np.stack([hounsfield for hounsfield, _ in drawn]).clip(-1000, 400).astype(np.float64)
    apart = {far: np.abs(volume[far:] - volume[:-far]).mean(axis=(1, 2)) for far in (1, 3, 9)}

    assert apart[1].mean() < 0.75 * apart[3].mean() < 0.75 * apart[9].mean()
    assert apart[1].max() < 4 * np.median(apart[1])  # it jumps nowhere


def test_a_lesion_shows_in_as_many_slices_as_its_height_and_their_distance_say(study, drawn):
    shown = {number for number, (_, mask) in enumerate(drawn) if mask.any()}
    largest = max(study.lesions, key=lambda lesion: lesion.radii[2])
    numbers = study.slices_of(largest)

    assert abs(len(numbers) - 2 * largest.radii[2] / study.spacing_mm) <= 1
    assert set(numbers) - shown <= {numbers[0], numbers[-1]}  # where too little of it is cut
    assert shown <= {number for lesion in study.lesions for number in study.slices_of(lesion)}


def test_only_the_lesions_tell_the_classes_apart(study, drawn):
    normal = PhantomStudy("normal", study.seed, study.patient, slices=SLICES, side=SIDE)
    number, (hounsfield, mask) = max(enumerate(drawn), key=lambda one: np.count_nonzero(one[1][1]))
    without, nothing = normal.slice(number)

    assert not nothing.any()
    np.testing.assert_array_equal(hounsfield[~mask], without[~mask])
    assert hounsfield[mask].mean() > without[mask].mean() + 150


def test_a_slice_is_the_same_whenever_it_is_drawn(study, drawn):
    for number in (40, 7, 40):
        np.testing.assert_array_equal(study.slice(number)[0], drawn[number][0])
    other = PhantomStudy("cancer", study.seed, study.patient + 1, slices=SLICES, side=SIDE)
    assert np.any(other.slice(30)[0] != drawn[30][0])


def test_an_unknown_class_is_refused():
    with pytest.raises(
        ValueError, match=r"argument `label`\. Expected one of \('normal', 'cancer'\)\. Received: 'ill'"
    ):
        PhantomStudy("ill", 0, 0)
