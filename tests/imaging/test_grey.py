"""Grey of more than eight bits: what is recognised, and that extremes darken nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.windows import through

GENERATOR = np.random.default_rng(0)
PICTURE = GENERATOR.integers(20, 190, (12, 12)).repeat(16, 0).repeat(16, 1) + GENERATOR.integers(0, 9, (192, 192))


def slice_in_hounsfield() -> NDArray[np.int32]:
    """Air around a body of soft tissue with two lungs."""
    rows, columns = np.mgrid[-1:1:160j, -1:1:160j]
    values = np.where(rows**2 + columns**2 < 0.8, 40, -1000)
    lungs = (np.abs(columns) - 0.4) ** 2 / 0.06 + rows**2 / 0.2 < 1
    return (np.where(lungs, -830, values) + GENERATOR.normal(0, 12, values.shape)).astype(np.int32)


def png(values: NDArray[np.generic]) -> bytes:
    return encode(values, "PNG")


def encode(values: NDArray[np.generic], file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, file_format)
    return buffer.getvalue()


def through_lung_window(hounsfield: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.rint(((hounsfield + 1350.0) * 255 / 1500).clip(0, 255))


@pytest.mark.parametrize("factor", [1, 256, 257])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_picture_is_the_same_in_eight_bits_and_in_more(factor: int, kind: type[np.generic]) -> None:
    eight = decode_image(png(PICTURE.astype(np.uint8)))
    more = decode_image(encode((PICTURE * factor).astype(kind), "TIFF"))

    assert (eight.scaling, more.scaling) == ("8 bits", "8 bits")
    np.testing.assert_array_equal(more.pixels, eight.pixels)


def test_a_picture_of_full_sixteen_bits_is_the_same_in_eight_within_two() -> None:
    sixteen = np.clip(PICTURE * 257 + GENERATOR.integers(-128, 128, PICTURE.shape), 0, 65535).astype(np.uint16)

    decoded = decode_image(png(sixteen))

    assert decoded.scaling == "16 bits"
    assert np.abs(decoded.pixels[..., 0].astype(int) - (sixteen >> 8)).max() <= 2


@pytest.mark.parametrize(("kind", "hot"), [(np.uint16, 65535), (np.float32, 1e20), (np.float32, -1e20)])
def test_one_hot_pixel_darkens_nothing(kind: type[np.generic], hot: float) -> None:
    values = (PICTURE * 13).astype(kind)
    if kind == np.float32:
        values += np.float32(0.25)
    spoilt = values.copy()
    spoilt[3, 5] = max(hot, 0) if kind == np.uint16 else hot

    decoded, reference = (decode_image(encode(array, "TIFF")) for array in (spoilt, values))

    assert decoded.scaling == "percentiles 0.5 to 99.5"
    difference = np.abs(decoded.pixels.astype(int) - reference.pixels)
    difference[3, 5] = 0
    assert difference.max() <= 2
    assert reference.pixels.std() > 40


def test_hot_pixel_of_a_tiny_picture_darkens_nothing_either() -> None:
    values = GENERATOR.integers(100, 4000, (32, 32)).astype(np.uint16)
    values[0, 0] = 65535

    assert decode_image(png(values)).pixels.mean() > 100


def test_hounsfield_units_are_recognised() -> None:
    values = slice_in_hounsfield()

    decoded = decode_image(encode(values, "TIFF"))

    assert decoded.scaling == "HU"
    expected = through_lung_window(np.where(values < -1024, -1000, values))
    np.testing.assert_array_equal(decoded.pixels[..., 0], expected)


def test_hounsfield_units_with_32768_added_are_the_same_picture() -> None:
    values = slice_in_hounsfield()

    plain, shifted = decode_image(encode(values, "TIFF")), decode_image(png((values + 32768).astype(np.uint16)))

    assert shifted.scaling == "HU + 32768"
    np.testing.assert_array_equal(shifted.pixels, plain.pixels)


@pytest.mark.parametrize("padding", [-2000, -3024, -32768])
def test_padding_is_air(padding: int) -> None:
    values = slice_in_hounsfield()
    values[:20] = padding

    decoded = decode_image(encode(values, "TIFF"))

    assert decoded.scaling == "HU"
    assert (decoded.pixels[:20] == 60).all()


def test_a_hot_pixel_hides_no_hounsfield_units() -> None:
    values = slice_in_hounsfield()
    values[80, 80] = 30000

    assert decode_image(encode(values, "TIFF")).scaling == "HU"


@pytest.mark.parametrize(
    "values",
    [
        GENERATOR.normal(0, 1, (64, 64)).astype(np.float32),
        GENERATOR.integers(-30000, 30000, (64, 64)).astype(np.int32),
        (GENERATOR.integers(0, 4096, (64, 64)) + 31000).astype(np.float32) + np.float32(0.5),
        GENERATOR.normal(-400, 30, (64, 64)).astype(np.float32),
    ],
    ids=["standardised", "whole range", "narrow range", "no air"],
)
def test_other_values_are_not_taken_for_hounsfield_units(values: NDArray[np.generic]) -> None:
    assert "HU" not in decode_image(encode(values, "TIFF")).scaling


def test_a_mask_of_few_pixels_stays_visible() -> None:
    values = np.zeros((64, 64), np.uint16)
    values[30, 30:33] = 1000

    decoded = decode_image(png(values))

    assert decoded.scaling == "minimum to maximum"
    assert decoded.pixels[30, 31, 0] == 255


@pytest.mark.parametrize(("level", "width"), [(-600, 400), (40, 400), (300, 1300)])
def test_a_window_is_linear_between_its_edges(level: float, width: float) -> None:
    edges = np.array([level - width, level - width / 2, level, level + width / 2, level + width])

    assert through(edges, level, width).tolist() == [0, 0, 128, 255, 255]


def test_what_was_not_measured_is_seen_as_air() -> None:
    values = np.array([-3024, -1025, np.nan, -1000])

    assert len(set(through(values, -600, 1500).tolist())) == 1
    assert through(values, -1000, 100).tolist() == [128] * 4


def test_hounsfield_units_that_wrapped_around_are_refused() -> None:
    """What `astype(np.uint16)` makes of them: air is 64536."""
    values = slice_in_hounsfield()

    with pytest.raises(UnreadableImageError) as caught:
        decode_image(png(values.astype(np.uint16)))

    assert str(caught.value) == (
        f"Hounsfield units below 0 are stored as {values.min() + 65536} and above, so that air is brighter than bone; "
        "save them with 32768 added, or as signed values in a TIFF"
    )


def colour_of_sixteen_bits(values: NDArray[np.uint16], colour: int) -> bytes:
    """A PNG as OpenCV writes it, which Pillow can't: three channels of grey, or grey and transparency."""
    channels = [values] * 3 if colour == 2 else [values, np.full_like(values, 65535)]
    rows = np.stack(channels, axis=2).astype(">u2")
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    chunks = [
        (b"IHDR", head),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ]
    written = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


@pytest.mark.parametrize("colour", [2, 4])
@pytest.mark.parametrize("shift", [2048, 32768])
def test_colour_of_sixteen_bits_is_refused_where_eight_of_them_hold_next_to_nothing(colour: int, shift: int) -> None:
    with pytest.raises(UnreadableImageError, match=r"^16 bits a sample in colour or with transparency, of which eight"):
        decode_image(colour_of_sixteen_bits((slice_in_hounsfield() + shift).astype(np.uint16), colour))


def test_colour_that_fills_sixteen_bits_is_read() -> None:
    values = (PICTURE * 257).astype(np.uint16)

    decoded = decode_image(colour_of_sixteen_bits(values, 2))

    np.testing.assert_array_equal(decoded.pixels[..., 0], PICTURE)
