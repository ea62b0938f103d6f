"""What happens to pictures on their way through other hands: of the benchmark and the tests of copies."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]


def mirrored(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def as_jpeg(pixels: Pixels) -> Pixels:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=40)
    return np.asarray(Image.open(data))


def at_half_size(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width // 2, height // 2), Image.Resampling.BICUBIC))


def with_line(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    width, height = image.size
    ends = [(0.2 * width, 0.25 * height), (0.7 * width, 0.6 * height)]
    ImageDraw.Draw(image).line(ends, fill="yellow", width=max(2, width // 100))
    return np.asarray(image)


def turned(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).rotate(3, Image.Resampling.BICUBIC))


def cropped(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    down, across = round(0.04 * height), round(0.04 * width)
    return np.ascontiguousarray(pixels[down : height - down, across : width - across])


def framed(pixels: Pixels) -> Pixels:
    wide = round(0.05 * max(pixels.shape))
    return np.pad(pixels, ((wide, wide), (wide, wide), (0, 0)), constant_values=255)
