"""Damage that Pillow passes over: zeroed parts of JPEG and PNG files."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import UnreadableImageError

CODINGS = [
    {"quality": 90},
    {"quality": 95, "progressive": True},
    {"quality": 95, "subsampling": 0, "restart_marker_blocks": 8},
    {"quality": 85, "optimize": True, "subsampling": 2},
]


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (40, 40, 3)).repeat(9, 0).repeat(9, 1)
    noisy = (blocks + generator.integers(0, 40, blocks.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(noisy).convert(mode)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def with_hole(data: bytes, size: int = 4096) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(size) + data[middle + size :]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", CODINGS)
def test_jpeg_with_four_kib_zeroed_is_refused(options: dict[str, object], mode: str) -> None:
    if mode == "CMYK" and "subsampling" in options:
        pytest.skip("simplejpeg reads no subsampled CMYK")
    for seed in range(4):
        data = encode(picture(seed, mode), "JPEG", **options)
        assert decode_image(data).pixels.any()

        with pytest.raises(UnreadableImageError, match=r"^JPEG data are damaged: .*; fetch the file again, or save"):
            decode_image(with_hole(data))


def test_oddities_that_cost_no_pixels_are_no_damage() -> None:
    data = encode(picture(0), "JPEG", quality=90)
    scan = data.index(b"\xff\xda")
    parameters = scan + 5 + 2 * data[scan + 4]
    odd = {
        "bytes after the end": data + b"further" * 100,
        "JFIF 5.9": data.replace(b"JFIF\0\1\1", b"JFIF\0\5\x09"),
        "fill bytes": data[:scan] + b"\xff" * 5 + data[scan:],
        "spectral selection of some cameras": data[: parameters + 1] + b"\0" + data[parameters + 2 :],
    }

    for name, file in odd.items():
        np.testing.assert_array_equal(decode_image(file).pixels, decode_image(data).pixels, err_msg=name)


def test_png_with_a_wrong_checksum_is_refused() -> None:
    data = bytearray(encode(picture(0), "PNG", compress_level=0))
    data[len(data) // 2] ^= 0x55

    with pytest.raises(UnreadableImageError, match=r"^PNG (data are damaged: their checksum is wrong|file is damaged)"):
        decode_image(bytes(data))


@pytest.mark.parametrize("seed", range(5))
def test_png_with_a_hole_is_refused(seed: int) -> None:
    with pytest.raises(UnreadableImageError, match="PNG"):
        decode_image(with_hole(encode(picture(seed), "PNG")))


@pytest.mark.parametrize("compression", ["jpeg", "tiff_adobe_deflate", "tiff_lzw"])
def test_compressed_tiff_with_a_hole_is_refused(compression: str) -> None:
    for seed in range(4):
        data = encode(picture(seed), "TIFF", compression=compression)
        assert decode_image(data).pixels.any()

        with pytest.raises(UnreadableImageError, match=r"^(JPEG|TIFF) (data are|file is) damaged"):
            decode_image(with_hole(data))


def test_read_pixels_are_those_of_pillow() -> None:
    data = encode(picture(1), "JPEG", quality=90)
    expected: NDArray[np.uint8] = np.asarray(Image.open(io.BytesIO(data)))

    np.testing.assert_array_equal(decode_image(data).pixels, expected)
