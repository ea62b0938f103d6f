"""What `decode_image` makes of every raster format, and of files that are broken, hostile or no images at all."""

import io
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import DecodedImage, UnreadableImageError
from properties import examples

pytestmark = pytest.mark.filterwarnings("error")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BLACK_IS_ZERO, WHITE_IS_ZERO = 1, 0
RAMP = np.linspace(0, 255, 40 * 48).astype(np.uint8).reshape(40, 48)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def grey_png_by_hand(width: int, height: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(rows, 9))
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + extra + pixels + png_chunk(b"IEND", b"")


def tiff_by_hand(entries: dict[int, int], strip: bytes) -> bytes:
    """A little-endian TIFF of one strip, for what Pillow cannot write."""
    tags = entries | {273: 8, 278: entries[257], 279: len(strip)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return struct.pack("<2sHI", b"II", 42, 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + directory + bytes(4)


def decode_quietly(data: bytes) -> DecodedImage | UnreadableImageError:
    """Decode or return the refusal; fail on any other exception, on any warning and on a malformed result."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result: DecodedImage | UnreadableImageError = decode_image(data, max_pixels=1_000_000, min_side=1)
        except UnreadableImageError as error:
            result = error
    assert [str(warning.message) for warning in caught] == []
    if isinstance(result, DecodedImage):
        assert result.pixels.dtype == np.uint8
        assert result.pixels.ndim == 3
        assert result.pixels.shape[2] == 3
    else:
        assert "\n" not in str(result)
        assert 0 < len(str(result)) < 400
    return result


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "WEBP", "JPEG2000"])
def test_lossless_formats_give_the_stored_colours(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}

    decoded = decode_image(encode(Image.fromarray(COLOUR), file_format, **options))

    assert (decoded.format, decoded.mode, decoded.width, decoded.height) == (file_format, "RGB", 48, 40)
    np.testing.assert_array_equal(decoded.pixels, COLOUR)


@pytest.mark.parametrize(("file_format", "mode"), [("JPEG", "RGB"), ("GIF", "P"), ("AVIF", "RGB")])
def test_lossy_formats_come_close(file_format: str, mode: str) -> None:
    grey = Image.fromarray(RAMP).convert("RGB")

    decoded = decode_image(encode(grey.quantize(256) if mode == "P" else grey, file_format))

    assert (decoded.format, decoded.mode) == (file_format, mode)
    assert np.abs(decoded.pixels.astype(int) - RAMP[..., None]).max() <= 6


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff_is_read(compression: str) -> None:
    decoded = decode_image(encode(Image.fromarray(COLOUR), "TIFF", compression=compression))

    np.testing.assert_array_equal(decoded.pixels, COLOUR)


def test_main_picture_of_a_multi_picture_jpeg_is_taken() -> None:
    first, second = Image.new("RGB", (40, 40), "white"), Image.new("RGB", (40, 40), "black")

    decoded = decode_image(encode(first, "MPO", save_all=True, append_images=[second]))

    assert decoded.format == "JPEG"
    assert decoded.pixels.min() == 255


def test_pixels_are_read_only() -> None:
    decoded = decode_image(encode(Image.fromarray(RAMP), "PNG"))

    with pytest.raises(ValueError, match="read-only"):
        decoded.pixels[0, 0, 0] = 1


# --- modes -----------------------------------------------------------------------------------------------------------


def test_grey_is_repeated_into_three_channels() -> None:
    decoded = decode_image(encode(Image.fromarray(RAMP), "PNG"))

    assert decoded.mode == "L"
    np.testing.assert_array_equal(decoded.pixels, np.repeat(RAMP[..., None], 3, axis=2))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP"])
def test_one_bit_becomes_black_and_white(file_format: str) -> None:
    bits = Image.fromarray(RAMP > 100)

    decoded = decode_image(encode(bits, file_format))

    assert decoded.mode == "1"
    np.testing.assert_array_equal(decoded.pixels[..., 0], np.where(RAMP > 100, 255, 0))


def test_palette_gives_its_colours() -> None:
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])

    decoded = decode_image(encode(palette, "PNG"))

    assert decoded.mode == "P"
    assert (decoded.pixels == (10, 200, 30)).all()


@pytest.mark.parametrize("transparency", [1, b"\xff\x80"], ids=["one index", "alpha table"])
def test_transparent_palette_is_composited_on_black(transparency: int | bytes) -> None:
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])

    decoded = decode_image(encode(palette, "PNG", transparency=transparency))

    expected = (0, 0, 0) if transparency == 1 else (5, 100, 15)
    assert (decoded.pixels == expected).all()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_composited_on_black(file_format: str) -> None:
    alpha = RAMP[::-1]
    rgba = Image.fromarray(np.dstack([COLOUR, alpha]))
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}

    decoded = decode_image(encode(rgba, file_format, **options))

    assert decoded.mode == "RGBA"
    np.testing.assert_array_equal(decoded.pixels, np.rint(COLOUR * (alpha[..., None] / 255)).astype(np.uint8))


def test_grey_with_alpha_is_composited_on_black() -> None:
    decoded = decode_image(encode(Image.new("LA", (40, 40), (200, 51)), "PNG"))

    assert decoded.mode == "LA"
    assert (decoded.pixels == 40).all()


@pytest.mark.parametrize(("mode", "colour"), [("L", 90), ("RGB", (90, 80, 70))])
def test_a_colour_declared_transparent_becomes_black(mode: str, colour: int | tuple[int, ...]) -> None:
    decoded = decode_image(encode(Image.new(mode, (40, 40), colour), "PNG", transparency=colour))

    assert not decoded.pixels.any()


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(file_format: str) -> None:
    decoded = decode_image(encode(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), file_format))

    assert decoded.mode == "CMYK"
    assert np.abs(decoded.pixels.astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_stretched_between_its_percentiles(file_format: str) -> None:
    values = np.linspace(1000, 3000, 40 * 40).round().astype(np.uint16).reshape(40, 40)
    low, high = np.sort(values.ravel())[[8, 1591]].astype(float)

    decoded = decode_image(encode(Image.fromarray(values), file_format))

    assert decoded.mode == "I;16"
    assert decoded.scaling == "percentiles 0.5 to 99.5"
    expected = np.rint(((values - low) * 255 / (high - low)).clip(0, 255))
    np.testing.assert_array_equal(decoded.pixels[..., 1], expected)


def test_big_endian_sixteen_bit_tiff_is_stretched_alike() -> None:
    values = np.linspace(0, 65535, 40 * 40).astype(np.uint16).reshape(40, 40)
    image = Image.frombytes("I;16B", (40, 40), values.astype(">u2").tobytes())

    decoded = decode_image(encode(image, "TIFF"))

    assert decoded.mode == "I;16B"
    np.testing.assert_array_equal(decoded.pixels[..., 0], np.rint(values / 257))


@pytest.mark.parametrize("photometric", [BLACK_IS_ZERO, WHITE_IS_ZERO])
def test_sixteen_bit_tiff_with_white_as_zero_is_turned_positive(photometric: int) -> None:
    values = np.linspace(0, 65535, 40 * 40).astype("<u2").reshape(40, 40)
    data = tiff_by_hand({256: 40, 257: 40, 258: 16, 259: 1, 262: photometric, 277: 1}, values.tobytes())

    decoded = decode_image(data)

    corners = (decoded.pixels[0, 0, 0], decoded.pixels[-1, -1, 0])
    assert corners == ((0, 255) if photometric == BLACK_IS_ZERO else (255, 0))


def test_signed_thirty_two_bit_hounsfield_units_are_seen_through_the_lung_window() -> None:
    values = np.linspace(-1024, 3071, 40 * 40).round().astype(np.int32).reshape(40, 40)

    decoded = decode_image(encode(Image.fromarray(values), "TIFF"))

    assert decoded.mode == "I"
    assert decoded.scaling == "HU"
    np.testing.assert_array_equal(decoded.pixels[..., 0], np.rint(((values + 1350.0) * 255 / 1500).clip(0, 255)))


def test_unsigned_thirty_two_bits_stay_unsigned() -> None:
    values = np.linspace(0, 2**32 - 1, 40 * 40).astype("<u4").reshape(40, 40)
    tags = {256: 40, 257: 40, 258: 32, 259: 1, 262: BLACK_IS_ZERO, 277: 1, 339: 1}

    decoded = decode_image(tiff_by_hand(tags, values.tobytes()))

    assert (decoded.pixels[0, 0, 0], decoded.pixels[20, 0, 0], decoded.pixels[-1, -1, 0]) == (0, 128, 255)


def test_planar_tiff_is_read() -> None:
    planes = [COLOUR[..., channel].tobytes() for channel in range(3)]
    width, height, size = 48, 40, 48 * 40
    after = 8 + 3 * size
    long = struct.pack("<3H2x3I3I", 8, 8, 8, 8, 8 + size, 8 + 2 * size, size, size, size)
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, after), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 3, after + 8), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 3, after + 20), (284, 3, 1, 2)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    data = struct.pack("<2sHI", b"II", 42, after + len(long)) + b"".join(planes) + long + directory

    np.testing.assert_array_equal(decode_image(data).pixels, COLOUR)


def test_float_grey_is_stretched_and_survives_nan_and_infinity() -> None:
    values = np.linspace(-1, 1, 40 * 40, dtype=np.float32).reshape(40, 40)
    values[0, :3] = np.nan, np.inf, -np.inf

    decoded = decode_image(encode(Image.fromarray(values), "TIFF"))

    assert decoded.mode == "F"
    assert decoded.pixels[0, :3, 0].tolist() == [0, 255, 0]
    assert decoded.pixels[-1, -1, 0] == 255
    assert abs(int(decoded.pixels[20, 0, 0]) - 128) <= 1


@pytest.mark.parametrize("value", [0.0, 7.5, np.nan, np.inf])
def test_constant_or_hollow_float_image_becomes_zeros(value: float) -> None:
    decoded = decode_image(encode(Image.fromarray(np.full((40, 40), value, np.float32)), "TIFF"))

    assert not decoded.pixels.any()


def test_extreme_float_range_does_not_overflow() -> None:
    values = np.full((40, 40), np.finfo(np.float32).min)
    values[0, 0] = np.finfo(np.float32).max

    decoded = decode_image(encode(Image.fromarray(values), "TIFF"))

    assert (decoded.pixels[0, 0, 0], decoded.pixels[1, 1, 0]) == (255, 0)


# --- orientation -----------------------------------------------------------------------------------------------------

STORED_AS: dict[
    int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
] = {  # EXIF orientation: how an upright image lies in the file.
    1: np.array,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_exif_orientation_is_applied_once(orientation: int, file_format: str) -> None:
    stored = np.ascontiguousarray(STORED_AS[orientation](COLOUR))
    exif = Image.Exif()
    exif[0x0112] = orientation
    losses: dict[str, dict[str, object]] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}

    decoded = decode_image(encode(Image.fromarray(stored), file_format, exif=exif, **losses.get(file_format, {})))

    assert (decoded.height, decoded.width) == stored.shape[:2]
    assert np.abs(decoded.pixels.astype(int) - COLOUR).max() <= (4 if file_format == "JPEG" else 0)


def test_compressed_tiff_is_turned_upright_as_well() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(COLOUR))

    decoded = decode_image(encode(Image.fromarray(stored), "TIFF", exif=exif, compression="tiff_lzw"))

    np.testing.assert_array_equal(decoded.pixels, COLOUR)
    assert (decoded.width, decoded.height) == (40, 48)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff"])
def test_broken_exif_does_not_spoil_good_pixels(exif: bytes) -> None:
    result = decode_quietly(encode(Image.fromarray(COLOUR), "PNG", exif=exif))

    assert isinstance(result, DecodedImage)
    np.testing.assert_array_equal(result.pixels, COLOUR)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"the file is empty; expected PNG, JPEG, TIFF, BMP, GIF, WEBP, AVIF, JPEG 2000 or DICOM"),
        (b"hello, radiologist", r"not a supported image: expected PNG, .*received bytes that begin b'hello, r'"),
        (b"<!DOCTYPE html><title>Quota exceeded</title>", "the file is a web page; fetch the file itself again"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", r"not a supported image: .*begin b'%!PS-Ado'"),
        (b"8BPS\0\1" + bytes(200), r"not a supported image: .*begin b'8BPS"),
        (PNG_SIGNATURE, r"PNG file is damaged, cut short or of an unsupported kind: "),
        (b"BM, as some texts begin", r"BMP file is damaged, cut short or of an unsupported kind: "),
    ],
    ids=["empty", "text", "web page", "PostScript", "Photoshop", "signature only", "text like BMP"],
)
def test_what_is_no_image_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(data)


def test_formats_outside_the_list_are_refused() -> None:
    for file_format in ("PPM", "ICO", "TGA", "PCX"):
        with pytest.raises(UnreadableImageError, match="not a supported image"):
            decode_image(encode(Image.new("RGB", (64, 64)), file_format))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_truncated_file_is_refused(file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), file_format)

    with pytest.raises(
        UnreadableImageError, match=f"{file_format} (data are damaged|file is damaged, cut short or of an)"
    ):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (31, 400), (400, 31)])
def test_too_small_an_image_is_refused(width: int, height: int) -> None:
    with pytest.raises(UnreadableImageError, match=rf"^{width} x {height} pixels; expected at least 32 on each side$"):
        decode_image(encode(Image.new("L", (width, height)), "PNG"))


def test_smallest_side_can_be_set() -> None:
    assert decode_image(encode(Image.new("L", (1, 1)), "PNG"), min_side=1).pixels.shape == (1, 1, 3)


def test_huge_png_is_refused_from_its_header_without_using_memory() -> None:
    side = 20_000
    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    body = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    data = PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    tracemalloc.start()

    with pytest.raises(UnreadableImageError, match=r"^20000 x 20000 pixels exceed the limit of 64,000,000$"):
        decode_image(data)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="address-space limits are a Linux matter")
def test_huge_headers_are_refused_inside_a_small_address_space() -> None:
    """Pillow allocates outside Python, so a child process under a limit is the proof."""
    program = f"""
import resource, struct, zlib
from chest_cancer.imaging.decoding import UnreadableImageError, decode_image
resource.setrlimit(resource.RLIMIT_DATA, (300_000_000, 300_000_000))
png = bytes.fromhex("{grey_png_by_hand(20_000, 20_000, b"").hex()}")
bmp = b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 20000, 20000, 1, 24, 0, 0, 0, 0, 0, 0)
gif = b"GIF89a" + struct.pack("<HHBBB", 12000, 12000, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 9, 9, 0)
for data in (png, bmp, gif + b"\\x02\\x01\\x44\\0;"):
    try:
        decode_image(data)
    except UnreadableImageError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.count("pixels exceed the limit of 64,000,000") == 3
    assert done.stderr == ""


def test_limit_of_pixels_can_be_lowered() -> None:
    with pytest.raises(UnreadableImageError, match=r"^48 x 40 pixels exceed the limit of 1,919$"):
        decode_image(encode(Image.fromarray(RAMP), "PNG"), max_pixels=48 * 40 - 1)

    assert decode_image(encode(Image.fromarray(RAMP), "PNG"), max_pixels=48 * 40).width == 48


def test_webp_beyond_every_limit_is_refused() -> None:
    body = b"VP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + b"\xfe\x3f\x00" * 2

    with pytest.raises(UnreadableImageError, match="WEBP file is damaged"):
        decode_image(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body)


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP", "TIFF"])
def test_several_frames_are_refused(file_format: str) -> None:
    frames = [Image.new("L", (64, 64), shade).convert("RGB") for shade in (0, 120, 240)]

    with pytest.raises(UnreadableImageError, match=r"^3 frames; expected a single slice$"):
        decode_image(encode(frames[0], file_format, save_all=True, append_images=frames[1:]))


def test_counting_the_pages_of_a_tiff_is_bounded() -> None:
    data = bytearray(tiff_by_hand({256: 40, 257: 40, 258: 8, 259: 1, 262: 1, 277: 1}, bytes(1600)))
    directory = bytes(data[1608:-4])
    for _ in range(5000):
        data[-4:] = struct.pack("<I", len(data))
        data += directory + bytes(4)

    with pytest.raises(UnreadableImageError, match=r"^at least 1000 frames; expected a single slice$"):
        decode_image(bytes(data))


def test_compression_bomb_in_a_text_chunk_is_refused() -> None:
    bomb = png_chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(50_000_000), 9))

    with pytest.raises(UnreadableImageError, match="PNG file is damaged"):
        decode_image(grey_png_by_hand(40, 40, bytes(41 * 40), bomb))


def test_error_keeps_its_cause() -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(PNG_SIGNATURE + b"nonsense")

    assert caught.value.__cause__ is not None
    assert isinstance(caught.value, ValueError)


# --- warnings, threads, start-up -------------------------------------------------------------------------------------


def tiff_that_makes_pillow_warn() -> bytes:
    return tiff_by_hand({256: 40, 257: 40, 258: 8, 259: 1, 262: 1, 277: 1, 305: 77}, bytes(1600)).replace(
        struct.pack("<HHII", 305, 4, 1, 77), struct.pack("<HHII", 305, 2, 1000, 5000)
    )


def test_warning_of_pillow_neither_leaks_nor_refuses_the_image() -> None:
    data = tiff_that_makes_pillow_warn()
    with (
        pytest.warns(UserWarning, match="Tag offset|Truncated|Possibly corrupt|larger than file"),
        Image.open(io.BytesIO(data)) as image,
    ):
        image.load()

    assert isinstance(decode_quietly(data), DecodedImage)


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    files = [tiff_that_makes_pillow_warn(), encode(Image.fromarray(COLOUR), "PNG")] * 50

    with ThreadPoolExecutor(8) as pool:
        shapes = {image.pixels.shape for image in pool.map(decode_image, files)}

    assert shapes == {(40, 40, 3), (40, 48, 3)}
    assert warnings.filters == before


def test_decoder_imports_nothing_heavy() -> None:
    data = encode(Image.fromarray(COLOUR), "PNG")
    program = f"""
import sys
from chest_cancer.imaging.decoding import decode_image
decode_image(bytes.fromhex("{data.hex()}"))
print([name for name in ("pydicom", "kedro", "tensorflow", "mlflow") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# --- anything at all -------------------------------------------------------------------------------------------------

EXIF = Image.Exif()
EXIF[0x0112] = 6
WHOLE_FILES = {
    "PNG": encode(Image.fromarray(COLOUR), "PNG", exif=EXIF),
    "PNG palette": encode(Image.fromarray(COLOUR).quantize(16), "PNG", transparency=3),
    "JPEG": encode(Image.fromarray(COLOUR), "JPEG", exif=EXIF),
    "GIF": encode(Image.fromarray(COLOUR).quantize(16), "GIF"),
    "TIFF": encode(Image.fromarray(COLOUR), "TIFF", exif=EXIF),
    "TIFF float": encode(Image.fromarray(RAMP.astype(np.float32)), "TIFF", compression="tiff_lzw"),
    "BMP": encode(Image.fromarray(RAMP), "BMP"),
    "WEBP": encode(Image.fromarray(COLOUR), "WEBP", exif=EXIF),
    "AVIF": encode(Image.fromarray(COLOUR), "AVIF"),
    "JPEG 2000": encode(Image.fromarray(COLOUR), "JPEG2000"),
    "progressive JPEG": encode(Image.fromarray(COLOUR), "JPEG", progressive=True),
    "TIFF of JPEG": encode(Image.fromarray(COLOUR), "TIFF", compression="jpeg"),
    "TIFF deflated": encode(Image.fromarray(COLOUR), "TIFF", compression="tiff_adobe_deflate"),
    "PNG of 16 bits": encode(Image.fromarray(RAMP.astype(np.uint16) * 77), "PNG"),
}
SIGNATURES = [PNG_SIGNATURE, b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF89a", b"RIFF\0\0\0\0WEBP", b""]
SIGNATURES += [b"\0\0\0 ftypavif", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"\x08\0\0\0", b"\x02\0\0\0UL\4\0"]


@examples(60, 500)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_random_bytes_decode_or_are_refused(signature: bytes, tail: bytes) -> None:
    decode_quietly(signature + tail)


@pytest.mark.parametrize("name", WHOLE_FILES)
@examples(30, 200)
@given(st.data())
def test_damaged_files_decode_or_are_refused(name: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE_FILES[name])
    for _ in range(data.draw(st.integers(0, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))

    decode_quietly(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
