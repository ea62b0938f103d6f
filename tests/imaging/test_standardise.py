"""What `standardise` makes of any image, and where in the image that lies."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.body import find_body
from chest_cancer.imaging.frame import WHOLE_IMAGE
from chest_cancer.imaging.phantoms.generate import generate_phantom
from chest_cancer.imaging.standardise import (
    check_available,
    preprocessing_key,
    standardise,
)
from chest_cancer.parameters.blocks import StandardisationParameters
from conftest import Pixels
from properties import examples

BRIGHTNESS, CROP = ("none", "percentile", "equalise", "clahe"), ("none", "body")
CHOICES = [StandardisationParameters(brightness=one, crop=other) for one in BRIGHTNESS for other in CROP]
NOTHING, BODY = StandardisationParameters(), StandardisationParameters(crop="body")
RGB = st.tuples(st.integers(1, 60), st.integers(1, 60), st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape))


def chosen(parameters: StandardisationParameters) -> str:
    return f"{parameters.brightness}-{parameters.crop}"


def gradient(height: int = 200, width: int = 300) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards, blue stays."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 128)], axis=2).astype(np.uint8)


def disc(height: int, width: int, radius: int, body: int = 150, background: int = 10) -> Pixels:
    """A round body in the middle."""
    y, x = np.mgrid[:height, :width]
    inside = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 < radius**2
    return np.where(inside[..., None], body, background).astype(np.uint8).repeat(3, axis=2)


@pytest.fixture(scope="module")
def phantom() -> Pixels:
    return np.repeat(generate_phantom("normal", 1, 2).image[..., None], 3, axis=2)


def test_resizing_is_the_same_everywhere_and_for_ever() -> None:
    """The golden image. A change here changes what every trained classifier sees: it needs another version."""
    digest = hashlib.sha256(standardise(gradient(), NOTHING).pixels.tobytes()).hexdigest()

    assert (preprocessing_key(NOTHING), digest) == (
        "2-none-none",
        "2502e86e1e305f2e172b2839f3d93bc733c737d598d17c0b2e34df32737b9e6a",
    )


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        ("2-none-body", "9500c3cc3693d5b4583569923e6bf270083754b124f34ba4e3f765b1baff41ac"),
        ("2-percentile-none", "4ed37f802a9eeadfdda37ef40f04f19416588768f707dc9df60124da9f81a388"),
        ("2-equalise-body", "d846477e6f37c5559d39ac7c1ba51dfe6bbc653eaf8689f6591a9b8982baa522"),
    ],
)
def test_standardising_is_the_same_everywhere_and_for_ever(key: str, digest: str) -> None:
    (parameters,) = (parameters for parameters in CHOICES if preprocessing_key(parameters) == key)
    pixels = np.maximum(disc(300, 400, 120), gradient(300, 400) // 2)

    assert hashlib.sha256(standardise(pixels, parameters).pixels.tobytes()).hexdigest() == digest


@pytest.mark.parametrize("parameters", CHOICES, ids=chosen)
@examples(8, 50)
@given(pixels=RGB)
def test_any_image_becomes_what_the_network_takes(parameters: StandardisationParameters, pixels: Pixels) -> None:
    before = pixels.copy()

    result = standardise(pixels, parameters).pixels

    assert result.shape == (224, 224, 3)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(result, standardise(pixels, parameters).pixels)
    if parameters.brightness != "none":
        assert (result == result[..., :1]).all()


@pytest.mark.parametrize("parameters", CHOICES, ids=chosen)
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_a_constant_image_stays_constant(parameters: StandardisationParameters, level: int) -> None:
    assert np.ptp(standardise(np.full((50, 50, 3), level, np.uint8), parameters).pixels) == 0


@examples(8, 50)
@given(pixels=RGB)
def test_without_a_choice_an_image_is_resized_and_nothing_else(pixels: Pixels) -> None:
    expected = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)

    np.testing.assert_array_equal(standardise(pixels, NOTHING).pixels, np.asarray(expected))


def test_resizing_is_symmetric_so_nothing_shifts_by_half_a_pixel() -> None:
    image = np.random.default_rng(1).integers(0, 256, (301, 411, 3), np.uint8)

    mirrored = standardise(np.ascontiguousarray(image[::-1, ::-1]), NOTHING).pixels

    assert np.abs(mirrored[::-1, ::-1].astype(int) - standardise(image, NOTHING).pixels).max() <= 1


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    stripes = np.zeros((896, 896, 3), np.uint8)
    stripes[:, ::2] = 255

    assert np.abs(standardise(stripes, NOTHING).pixels[:, 2:-2].astype(int) - 128).max() <= 2


@pytest.mark.parametrize(("brightness", "largest"), [("percentile", 6), ("equalise", 8)])
@examples(8, 50)
@given(gain=st.floats(0.5, 1.0), offset=st.integers(0, 60))
def test_gain_and_offset_of_an_image_change_little(
    phantom: Pixels, brightness: str, largest: float, gain: float, offset: int
) -> None:
    parameters = StandardisationParameters.model_validate({"brightness": brightness})
    dimmed = np.minimum(phantom, 190)  # so that nothing is clipped
    changed = (dimmed * gain + offset * (1 - gain)).round().astype(np.uint8)

    before, after = (standardise(pixels, parameters).pixels.astype(float) for pixels in (dimmed, changed))

    assert np.abs(before - after).mean() < largest
    if gain < 0.8:
        untouched = [standardise(pixels, NOTHING).pixels.astype(float) for pixels in (dimmed, changed)]
        assert np.abs(before - after).mean() < np.abs(untouched[0] - untouched[1]).mean()


@pytest.mark.parametrize("brightness", ["percentile", "equalise", "clahe"])
def test_a_dark_image_of_little_contrast_gets_more_of_both(phantom: Pixels, brightness: str) -> None:
    dark = phantom // 4

    result = standardise(dark, StandardisationParameters.model_validate({"brightness": brightness})).pixels

    assert result.std() > 1.5 * standardise(dark, NOTHING).pixels.std()


@examples(12, 60)
@given(height=st.integers(150, 250), width=st.integers(150, 250), share=st.floats(0.3, 0.48))
def test_a_round_body_is_round_and_fills_the_square_however_tall_or_wide_its_image(
    height: int, width: int, share: float
) -> None:
    radius = int(min(height, width) * share)

    seen = standardise(disc(height, width, radius), BODY).pixels[..., 0] > 80

    diameters = [np.ptp(np.flatnonzero(seen.any(axis=axis))) + 1 for axis in (0, 1)]
    assert abs(diameters[0] - diameters[1]) <= 6
    assert min(diameters) > 0.9 * 224


def test_an_image_without_a_body_keeps_its_aspect_and_is_not_cropped() -> None:
    generator = np.random.default_rng(0)
    noise = generator.integers(100, 110, (100, 200, 3), dtype=np.uint8)

    result, frame = standardise(noise, BODY)

    assert frame == (0.0, -0.5, 1.0, 1.5)
    assert np.ptp(result[:55], axis=(0, 1)).max() == np.ptp(result[-55:], axis=(0, 1)).max() == 0
    assert (result[57:-57].std(axis=(0, 1)) > 0).all()


def test_an_endless_strip_needs_no_endless_memory() -> None:
    strip = np.full((32, 400_000, 3), 77, np.uint8)

    assert standardise(strip, BODY).pixels.shape == (224, 224, 3)


@examples(12, 60)
@given(height=st.integers(100, 300), width=st.integers(100, 300), top=st.floats(0.05, 0.5), left=st.floats(0.05, 0.5))
def test_the_frame_says_where_in_the_image_the_network_looks(height: int, width: int, top: float, left: float) -> None:
    """A bright spot in the body is found in the result, and the frame leads back to where it was."""
    pixels = np.zeros((height, width, 3), np.uint8)
    rows = slice(int(top * height), int((top + 0.45) * height))
    columns = slice(int(left * width), int((left + 0.4) * width))
    pixels[rows, columns] = 120
    y, x = (rows.start * 3 + rows.stop) // 4, (columns.start + columns.stop * 3) // 4
    pixels[y - 3 : y + 4, x - 3 : x + 4] = 255

    seen, frame = standardise(pixels, BODY)

    found = np.argwhere(seen[..., 0] > 200).mean(axis=0) + 0.5
    assert (frame.top + found[0] / 224 * (frame.bottom - frame.top)) * height == pytest.approx(y + 0.5, abs=1.5)
    assert (frame.left + found[1] / 224 * (frame.right - frame.left)) * width == pytest.approx(x + 0.5, abs=1.5)


def test_without_a_crop_the_network_sees_the_whole_image() -> None:
    assert standardise(gradient(), NOTHING).frame == WHOLE_IMAGE == (0, 0, 1, 1)


def test_keys_of_stored_features_differ_with_every_choice() -> None:
    assert len({preprocessing_key(parameters) for parameters in CHOICES}) == len(CHOICES)
    assert preprocessing_key(NOTHING) == "2-none-none"
    others = [preprocessing_key(NOTHING.model_copy(update={"window": window})) for window in ("file", (40.0, 400.0))]
    assert others == ["2-none-none-file", "2-none-none-40/400"]


def test_clahe_without_its_package_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chest_cancer.imaging.standardise.find_spec", lambda name: None)

    for parameters in CHOICES:
        if parameters.brightness != "clahe":
            check_available(parameters)
    with pytest.raises(ValueError, match=r"brightness=clahe`: expected scikit-image.*Install scikit-image beside"):
        check_available(StandardisationParameters(brightness="clahe"))


def test_the_body_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    monkeypatch.setattr(
        "chest_cancer.imaging.standardise.find_body", lambda pixels: searched.append(1) or find_body(pixels)
    )

    standardise(gradient(), BODY)

    assert len(searched) == 1
