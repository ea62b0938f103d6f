"""Images that are no chest CT, from installed packages and drawn here: what the classifier should refuse to answer."""

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import grey_to_rgb

Pixels = NDArray[np.uint8]
Generator = np.random.Generator

PHOTOGRAPH, TEXT, CHART, PATTERN, OTHER_MEDICAL = KINDS = (
    "photograph",
    "text page",
    "chart",
    "noise or gradient",
    "other medical image",
)

_PHOTOGRAPHS = [
    "astronaut",
    "brick",
    "camera",
    "cat",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "moon",
    "rocket",
]
_MEDICAL = ["cell", "immunohistochemistry", "microaneurysms", "retina", "shepp_logan_phantom"]
_DICOM = ("MR_small.dcm", "examples_rgb_color.dcm", "examples_palette.dcm", "693_J2KI.dcm")
_LETTERS = np.frombuffer(string.ascii_letters.encode(), np.uint8)
_DRAWN = {TEXT: 24, CHART: 8, PATTERN: 8}


@dataclass(frozen=True)
class ForeignImage:
    """An image that is no chest CT.

    Attributes:
        kind: One of `KINDS`.
        source: What it was taken from; crops of one photograph share it and are not independent.
        pixels: uint8 [H, W, 3].
    """

    kind: str
    source: str
    pixels: Pixels


def foreign_images(seed: int, most: int) -> list[ForeignImage]:
    """Collect photographs, text pages, charts, patterns and other medical images; none is downloaded.

    The photographs and medical images are those that the wheels of scikit-learn, scikit-image and pydicom carry. CT
    slices are grey, so a photograph comes in colour, in grey and as a grey crop: colour alone should not give it away.

    Args:
        seed: Random seed for crops and drawings.
        most: Largest number of images of each kind. There are 39 photographs, 26 text pages, 8 charts, 8 patterns and 9
            other medical images.
    """
    generator = np.random.default_rng(seed)
    images = [
        ForeignImage(PHOTOGRAPH, source, view)
        for source, pixels in _photographs()
        for view in (pixels, _grey(pixels), _grey(_crop(pixels, generator)))
    ]
    images += [ForeignImage(TEXT, source, pixels) for source, pixels in _scanned_pages()]
    for kind, count in _DRAWN.items():
        draw = _DRAWERS[kind]
        images += [ForeignImage(kind, f"drawn {number}", draw(generator, number)) for number in range(count)]
    images += [ForeignImage(OTHER_MEDICAL, source, pixels) for source, pixels in _medical_images()]
    return [image for kind in KINDS for image in [image for image in images if image.kind == kind][:most]]


def _photographs() -> Iterator[tuple[str, Pixels]]:
    from skimage import data
    from sklearn.datasets import load_sample_images

    yield from zip(("china", "flower"), load_sample_images().images, strict=True)
    for name in _PHOTOGRAPHS:
        yield name, _rgb(getattr(data, name)())


def _scanned_pages() -> Iterator[tuple[str, Pixels]]:
    from skimage import data

    yield "page", _rgb(data.page())
    yield "text", _rgb(data.text())


def _medical_images() -> Iterator[tuple[str, Pixels]]:
    from pydicom.data import get_testdata_file
    from skimage import data

    for name in _MEDICAL:
        yield name, _rgb(getattr(data, name)())
    for name in _DICOM:
        path = get_testdata_file(name, download=False)
        yield name, decode_image(Path(str(path)).read_bytes(), any_modality=True).pixels


def _rgb(image: NDArray[Any]) -> Pixels:
    """Grey or RGB, 0..255 or 0..1, to uint8 [H, W, 3]."""
    pixels = image.astype(np.uint8) if image.dtype == np.uint8 else (255 * image).astype(np.uint8)
    return grey_to_rgb(pixels) if pixels.ndim == 2 else pixels


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def _crop(pixels: Pixels, generator: Generator) -> Pixels:
    """A part of half to three quarters of each side."""
    height, width = pixels.shape[:2]
    rows, columns = (int(side * generator.uniform(0.5, 0.75)) for side in (height, width))
    top, left = generator.integers(0, height - rows), generator.integers(0, width - columns)
    return np.ascontiguousarray(pixels[top : top + rows, left : left + columns])


def _text_page(generator: Generator, number: int) -> Pixels:
    """Lines of random words, dark on light or the other way round."""
    width, height = (int(side) for side in generator.integers(320, 900, 2))
    paper, ink = (int(generator.integers(215, 256)), int(generator.integers(0, 60)))
    if number % 3 == 2:
        paper, ink = ink, paper
    image = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(image)
    size = int(generator.integers(9, 30))
    font = ImageFont.load_default(size)
    margin = int(generator.integers(5, 60))
    for y in range(margin, height - margin, int(size * generator.uniform(1.2, 1.8)) + 1):
        lengths = (generator.integers(1, 10) for _ in range(20))
        words = (_LETTERS[generator.integers(0, len(_LETTERS), length)].tobytes().decode() for length in lengths)
        line = " ".join(words)[: int((width - 2 * margin) / (0.55 * size))]
        if generator.random() < 0.9:
            draw.text((margin, y), line, ink, font)
    return np.asarray(image.convert("RGB"))


def _chart(generator: Generator, number: int) -> Pixels:
    """Axes with bars, or with lines, labelled."""
    width, height = (int(side) for side in generator.integers(300, 800, 2))
    image = Image.new("RGB", (width, height), "white" if number % 4 else "black")
    draw = ImageDraw.Draw(image)
    ink = "black" if number % 4 else "white"
    left, bottom = 50, height - 40
    draw.line([(left, 20), (left, bottom), (width - 15, bottom)], ink, 2)
    heights = generator.uniform(0.1, 0.95, generator.integers(4, 12)) * (bottom - 20)
    step = (width - 15 - left) / len(heights)
    for tick, value in enumerate(heights):
        colour = tuple(int(level) for level in generator.integers(0, 220, 3))
        x = left + tick * step
        if number % 2:
            draw.rectangle([x + 0.15 * step, bottom - value, x + 0.85 * step, bottom], colour)
        elif tick:
            draw.line([x - step, bottom - heights[tick - 1], x, bottom - value], colour, 3)
        draw.text((x, bottom + 8), str(tick), ink, ImageFont.load_default(14))
    draw.text((width // 3, 2), "Figure", ink, ImageFont.load_default(18))
    return np.asarray(image)


def _pattern(generator: Generator, number: int) -> Pixels:
    """White noise, smooth noise, a gradient or one level."""
    if number % 4 == 0:
        return generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    if number % 4 == 1:
        noise = Image.fromarray(generator.integers(0, 256, (256, 256), dtype=np.uint8))
        blurred = np.asarray(noise.filter(ImageFilter.GaussianBlur(float(generator.uniform(2, 12)))), dtype=np.float64)
        return grey_to_rgb(np.interp(blurred, (blurred.min(), blurred.max()), (0, 255)).astype(np.uint8))
    if number % 4 == 2:
        rows, columns = np.mgrid[0:256, 0:256] * generator.uniform(0.1, 0.5, (2, 1, 1))
        return grey_to_rgb((rows + columns).astype(np.uint8))
    return np.full((256, 256, 3), generator.integers(0, 256), dtype=np.uint8)


_DRAWERS: dict[str, Callable[[Generator, int], Pixels]] = {TEXT: _text_page, CHART: _chart, PATTERN: _pattern}
