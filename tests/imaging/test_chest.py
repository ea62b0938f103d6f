"""Where body and lungs are: phantoms whose lungs are known, and drawn chests with what real pictures have."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.chest import Chest, find_chest
from chest_cancer.imaging.phantoms.draws import Draws
from chest_cancer.imaging.pixels import DecodedImage, grey_to_rgb, scale
from phantom_slices import anatomy_of, phantom
from volume_files import phantom as phantom_in_hounsfield

Mask = NDArray[np.bool_]
SIDE = 256
PHANTOMS = range(20)
SEED = 7
"""Of the phantoms of `volume_files`."""


def of_picture(pixels: NDArray[np.uint8]) -> DecodedImage:
    height, width = pixels.shape[:2]
    return DecodedImage(pixels, "PNG", "RGB", width, height, "8 bits")


def of_hounsfield(hounsfield: NDArray[Any]) -> DecodedImage:
    height, width = hounsfield.shape
    return DecodedImage(np.zeros((height, width, 3), np.uint8), "DICOM", "", width, height, "HU", hounsfield=hounsfield)


def enlarged(mask: Mask, shape: tuple[int, ...]) -> Mask:
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(shape[1::-1]), dtype=bool)


def picture_of(number: int) -> DecodedImage:
    return of_picture(grey_to_rgb(phantom("normal", SEED, number).image))


def lungs_of(number: int) -> Mask:
    return anatomy_of(Draws(SEED, number, 0, 1.0)).lung > 0.5


@pytest.mark.parametrize(
    "image_of", [picture_of, lambda number: of_hounsfield(phantom_in_hounsfield(number))], ids=["grey", "HU"]
)
def test_lungs_of_phantoms_are_covered(image_of: Callable[[int], DecodedImage]) -> None:
    dice, covered = [], []
    for number in PHANTOMS:
        lungs = lungs_of(number)
        found = enlarged(find_chest(image_of(number)).lungs, lungs.shape)
        if found.any():
            both = (found & lungs).sum()
            dice.append(2 * both / (found.sum() + lungs.sum()))
            covered.append(both / lungs.sum())

    assert len(dice) >= 15  # of others the edge of the picture cuts a lung open, so widely that it seems outside
    assert np.quantile(dice, 0.1) > 0.8  # the hull holds hilum and part of the heart, too
    assert np.quantile(covered, 0.1) > 0.85
    assert min(covered) > 0.5  # where the back of a lung is as dense as tissue
    assert np.mean(covered) > 0.93


def test_tumours_of_phantoms_count_as_lung() -> None:
    shares = []
    for number in PHANTOMS:
        drawn = phantom("adenocarcinoma", SEED, number)
        lungs = enlarged(find_chest(of_picture(grey_to_rgb(drawn.image))).lungs, drawn.image.shape)
        if lungs.any():
            shares.append(lungs[drawn.lesion_mask].mean())

    assert np.median(shares) > 0.95


def oval(across: float, down: float, width: float, height: float) -> Mask:
    """Where an ellipse lies; centre and half sizes in shares of the picture's side."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return ((columns - across) / width) ** 2 + ((rows - down) / height) ** 2 < 1


BODY, RIGHT, LEFT = oval(0.5, 0.5, 0.45, 0.35), oval(0.3, 0.5, 0.12, 0.22), oval(0.7, 0.5, 0.12, 0.22)
AIR, LUNG, TISSUE = 60, 90, 235
"""Grey of a lung window."""


def drawn(lung: int = LUNG, air: int = AIR, tissue: int = TISSUE) -> NDArray[np.uint8]:
    grey = np.where(BODY, tissue, air)
    grey[RIGHT | LEFT] = lung
    return grey_to_rgb(grey.astype(np.uint8))


def agrees(found: Mask, expected: Mask) -> bool:
    """Whether masks overlap but for a rim of two cells and some."""
    mask = enlarged(found, expected.shape)
    return bool(2 * (mask & expected).sum() / (mask.sum() + expected.sum()) > 0.85)


def is_found(chest: Chest) -> bool:
    return agrees(chest.lungs, RIGHT | LEFT) and agrees(chest.body, BODY)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(drawn(), id="lung window"),
        pytest.param(drawn(lung=0, air=0, tissue=150), id="black lungs"),
        pytest.param(drawn(air=0), id="air is black"),
    ],
)
def test_lungs_are_found_in_every_window(pixels: NDArray[np.uint8]) -> None:
    assert is_found(find_chest(of_picture(pixels)))


def test_lungs_are_found_by_hounsfield_units_below_a_blanket() -> None:
    blanket = oval(0.5, 0.5, 0.49, 0.42)
    hounsfield = np.where(BODY, 40, np.where(blanket, -600, -1000))
    hounsfield[RIGHT | LEFT] = -850

    chest = find_chest(of_hounsfield(hounsfield))

    assert agrees(chest.lungs, RIGHT | LEFT)


def test_what_lies_in_a_lung_or_at_its_wall_counts_as_lung() -> None:
    pixels = drawn()
    nodules = oval(0.3, 0.5, 0.04, 0.04) | (oval(0.2, 0.5, 0.05, 0.05) & RIGHT)
    pixels[nodules] = TISSUE

    assert enlarged(find_chest(of_picture(pixels)).lungs, nodules.shape)[nodules].all()


def test_a_line_through_the_wall_joins_no_lung_with_the_outside() -> None:
    pixels = drawn()
    pixels[124:128, :90] = 0

    assert is_found(find_chest(of_picture(pixels)))


def test_a_white_frame_is_no_body() -> None:
    pixels = drawn()
    pixels[[*range(8), *range(-8, 0)]] = 255
    pixels[:, [*range(8), *range(-8, 0)]] = 255

    assert agrees(find_chest(of_picture(pixels)).lungs, RIGHT | LEFT)


def test_lungs_that_the_edge_of_the_picture_cuts_open_are_found() -> None:
    pixels = drawn()[:, 64:-64]

    lungs = enlarged(find_chest(of_picture(pixels)).lungs, pixels.shape)

    assert agrees(lungs, (RIGHT | LEFT)[:, 64:-64])


@pytest.mark.parametrize("missing", [RIGHT, LEFT, RIGHT | LEFT])
def test_lungs_that_are_not_found_on_both_sides_are_none(missing: Mask) -> None:
    pixels = drawn()
    pixels[missing] = TISSUE

    chest = find_chest(of_picture(pixels))

    assert not chest.lungs.any()
    assert agrees(chest.body, BODY)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_picture_of_one_grey_has_no_lungs(level: int) -> None:
    assert not find_chest(of_picture(np.full((40, 50, 3), level, np.uint8))).lungs.any()


def test_hounsfield_units_and_their_picture_agree() -> None:
    hounsfield = phantom_in_hounsfield(3)
    picture = grey_to_rgb(scale(hounsfield, -1350, 150))

    chests = find_chest(of_hounsfield(hounsfield)), find_chest(of_picture(picture))

    assert agrees(chests[0].lungs, chests[1].lungs)
