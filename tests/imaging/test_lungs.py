"""Lungs of axial slices: found in phantoms wherever they are cut, and not where there is only gas or none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from chest_cancer.imaging.lungs import find_lungs
from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.draws import Draws
from volume_files import Stack, phantom

TISSUE, AIR, LUNG = 40, -1000, -850


def oval(across: float, down: float, width: float, height: float, side: int = 512) -> NDArray[np.bool_]:
    """Where an ellipse lies in a square picture; centre and half sizes in shares of its side."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    return ((columns - across) / width) ** 2 + ((rows - down) / height) ** 2 < 1


def body(side: int = 512) -> Stack:
    return np.where(oval(0.5, 0.5, 0.4, 0.3, side), TISSUE, AIR).astype(np.int16)


@pytest.mark.parametrize("patient", range(20))
def test_lungs_of_phantoms_are_found_on_both_sides(patient: int) -> None:
    lungs = find_lungs(phantom(patient))

    assert lungs.seen
    assert min(lungs.left, lungs.right) > 0.05
    lung = draw_anatomy(Draws(7, patient, 0, 1.0)).lung
    # The body fills a phantom's picture or less.
    assert lungs.share > 0.6 * lung.mean()


@pytest.mark.parametrize("side", [128, 300, 512])
def test_shares_are_those_of_the_body(side: int) -> None:
    picture = body(side)
    picture[oval(0.35, 0.5, 0.08, 0.15, side) | oval(0.65, 0.5, 0.04, 0.15, side)] = LUNG

    lungs = find_lungs(picture)

    assert lungs.left == pytest.approx(0.08 * 0.15 / (0.4 * 0.3), rel=0.15)
    assert lungs.right == pytest.approx(0.04 * 0.15 / (0.4 * 0.3), rel=0.25)
    assert lungs.seen


def test_a_body_of_tissue_has_no_lung() -> None:
    assert find_lungs(body()) == (0, 0)
    assert not find_lungs(body()).seen


def test_gas_in_a_bowel_is_no_lung() -> None:
    picture = body()
    picture[oval(0.4, 0.4, 0.15, 0.08) | oval(0.65, 0.4, 0.08, 0.05)] = AIR

    assert find_lungs(picture).share < 0.01


def test_bowel_on_one_side_is_no_lung_and_a_whole_lung_on_one_side_is() -> None:
    mottled, single = body(), body()
    mottled[oval(0.3, 0.5, 0.06, 0.08)] = -600
    single[oval(0.3, 0.5, 0.12, 0.2)] = LUNG

    assert 0.03 < find_lungs(mottled).share < 0.06
    assert not find_lungs(mottled).seen
    assert find_lungs(single).seen
    assert find_lungs(single).right == 0


def test_lungs_that_the_edge_of_the_picture_cuts_open_are_found() -> None:
    picture = body()
    picture[oval(0.25, 0.5, 0.12, 0.2) | oval(0.75, 0.5, 0.12, 0.2)] = LUNG

    assert find_lungs(picture[:, 120:-120]).seen


def test_table_and_foam_below_the_patient_are_no_lung() -> None:
    picture = body()
    picture[430:432, 40:470] = picture[470:472, 40:470] = 0
    picture[432:470, 40:470] = -930

    assert find_lungs(picture) == (0, 0)


@pytest.mark.parametrize("value", [-3024, AIR, TISSUE])
def test_a_picture_of_one_value_has_no_lung(value: int) -> None:
    assert not find_lungs(np.full((64, 64), value, np.int16)).seen


def test_what_was_not_measured_is_air() -> None:
    picture = body()
    picture[oval(0.35, 0.5, 0.08, 0.15) | oval(0.65, 0.5, 0.04, 0.15)] = LUNG
    padded = picture.copy()
    padded[~oval(0.5, 0.5, 0.45, 0.45)] = -2000

    assert find_lungs(padded) == find_lungs(picture)
