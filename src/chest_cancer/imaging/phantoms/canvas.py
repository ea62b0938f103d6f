"""Drawing in millimetres: the geometry and the canvas that the chest phantoms are painted with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

FloatArray = NDArray[np.float64]
HounsfieldArray = NDArray[np.float32]

# Structures are painted hard-edged at twice the size; halving the picture then gives partial volume at every edge.
SUPERSAMPLING = 2

# What doesn't depend on what is drawn is computed once: a slice has hundreds of outlines, all of few points.
_SPAN = np.linspace(0, 1, 10, endpoint=False)[None, :, None]


def _circle(points: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    phase = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return phase, np.cos(phase), np.sin(phase)


_, _ELLIPSE_COSINE, _ELLIPSE_SINE = _circle(28)
_PHASE, _COSINE, _SINE = _circle(60)
_ORDER = np.arange(2, 8)
_WAVES, _DAMPING = _ORDER * _PHASE[:, None], _ORDER**0.8


@dataclass(frozen=True)
class Placement:
    """Where the patient lies in the picture.

    Attributes:
        height: Picture height, pixels.
        width: Picture width, pixels.
        pixels_per_mm: Scale along x and y, pixels per millimetre.
        rotation: Roll of the patient, radians.
        centre: Pixel position (x, y) of the patient's origin, the middle of the thoracic cage.
    """

    height: int
    width: int
    pixels_per_mm: tuple[float, float]
    rotation: float
    centre: tuple[float, float]

    def to_pixels(self, points: FloatArray) -> FloatArray:
        """Map points `[N, 2]` (x to the patient's left, y to the back; mm) to pixel positions `[N, 2]`."""
        turn, scale, centre = self._moves
        return np.asarray(points @ turn * scale + centre)

    def to_millimetres(self, pixels: FloatArray) -> FloatArray:
        """Map pixel positions `[N, 2]` (x, y) to the patient's millimetres `[N, 2]`."""
        turn, scale, centre = self._moves
        return np.asarray((pixels - centre) / scale @ np.ascontiguousarray(turn.T))

    @cached_property
    def _moves(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Turn, scale and shift from millimetres to pixels."""
        cosine, sine = np.cos(self.rotation), np.sin(self.rotation)
        return np.array([[cosine, sine], [-sine, cosine]]), np.array(self.pixels_per_mm), np.array(self.centre)

    @property
    def scale(self) -> float:
        """Mean scale, pixels per millimetre."""
        return sum(self.pixels_per_mm) / 2


def closed_spline(control: FloatArray) -> FloatArray:
    """Return the closed Catmull-Rom curve `[K * 10, D]` through control points `[K, D]`."""
    before, start, end, after = (np.roll(control, shift, axis=0)[:, None, :] for shift in (1, 0, -1, -2))
    curve = 0.5 * (
        2 * start
        + (end - before) * _SPAN
        + (2 * before - 5 * start + 4 * end - after) * _SPAN**2
        + (3 * (start - end) + after - before) * _SPAN**3
    )
    return np.asarray(curve.reshape(-1, control.shape[1]))


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> FloatArray:
    """Return the outline `[28, 2]` of an ellipse turned by `angle` radians."""
    across, along = rx * _ELLIPSE_COSINE, ry * _ELLIPSE_SINE
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([x + across * cosine - along * sine, y + across * sine + along * cosine], axis=1)


def blob(
    rng: np.random.Generator, place: FloatArray, rx: float, ry: float, lobes: float, angle: float = 0.0
) -> FloatArray:
    """Return an ellipse-like outline `[60, 2]` whose radius wavers by the share `lobes`."""
    height = rng.standard_normal(6) / _DAMPING
    wave = np.cos(_WAVES + rng.uniform(0, 7, 6)) @ height
    outline = np.clip(1 + lobes * wave, 0.45, 1.7)
    across, along = rx * outline * _COSINE, ry * outline * _SINE
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(place + np.stack([across * cosine - along * sine, across * sine + along * cosine], axis=1))


def strip(path: FloatArray, width: float, taper: bool = True) -> FloatArray:
    """Return the outline of a band `width` mm wide along `path` `[N, 2]`, with rounded ends where `taper` is set."""
    tangent = np.gradient(path, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / (np.hypot(*tangent.T)[:, None] + 1e-9)
    profile = _taper(len(path)) if taper else np.ones(len(path))
    side = normal * (profile * width / 2)[:, None]
    return np.concatenate([path + side, (path - side)[::-1]])


@cache
def _taper(points: int) -> FloatArray:
    return np.asarray(np.sqrt(np.clip(1 - np.abs(np.linspace(-1, 1, points)) ** 3, 0.02, 1)))


def smooth_field(rng: np.random.Generator, placement: Placement, grain_mm: float) -> HounsfieldArray:
    """Return a random field `[H, W]` of about unit variance whose grains are `grain_mm` wide."""
    rows = max(4, round(placement.height / (grain_mm * placement.scale)))
    columns = max(4, round(placement.width / (grain_mm * placement.scale)))
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    size = (placement.width, placement.height)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)


class Canvas:
    """A supersampled Hounsfield picture that is painted from back to front, with the lung's own mask beside it."""

    def __init__(self, placement: Placement, background: float) -> None:
        """Start with `background` Hounsfield units everywhere and no lung."""
        size = (placement.width * SUPERSAMPLING, placement.height * SUPERSAMPLING)
        self.placement = placement
        self.picture = Image.new("F", size, background)
        self.lung = Image.new("L", size, 0)
        self._draw = ImageDraw.Draw(self.picture)
        self._lung_draw = ImageDraw.Draw(self.lung)

    def _points(self, points: FloatArray) -> list[float]:
        return (self.placement.to_pixels(points) * SUPERSAMPLING).ravel().tolist()

    def fill(self, outline: FloatArray, hounsfield: float, *, in_lung: bool = False) -> None:
        """Fill an outline `[N, 2]` (mm); `in_lung` takes it out of the lung mask."""
        points = self._points(outline)
        self._draw.polygon(points, fill=hounsfield)
        if in_lung:
            self._lung_draw.polygon(points, fill=0)

    def bone(self, outline: FloatArray, cortex: float, marrow: float, shell_mm: float) -> None:
        """Fill an outline with cortex, then its inside, `shell_mm` further in, with marrow."""
        self.fill(outline, cortex, in_lung=True)
        middle = outline.mean(axis=0)
        reach = np.hypot(*(outline - middle).T)[:, None]
        self.fill(middle + (outline - middle) * np.clip(1 - shell_mm / (reach + 1e-6), 0.05, 1), marrow)

    def line(self, path: FloatArray, width_mm: float, hounsfield: float) -> None:
        """Draw a line of constant width along `path` `[N, 2]` (mm)."""
        points = self._points(path)
        width = max(1, round(width_mm * self.placement.scale * SUPERSAMPLING))
        self._draw.line(points, fill=hounsfield, width=width, joint="curve" if width > 2 else None)

    def lines(self, paths: FloatArray, widths_mm: FloatArray, hounsfield: FloatArray) -> None:
        """Draw many lines at once: `paths` `[N, P, 2]` (mm), with a width (mm) and a density (HU) for each."""
        pixels = (self.placement.to_pixels(paths.reshape(-1, 2)) * SUPERSAMPLING).reshape(len(paths), -1).tolist()
        widths = np.maximum(1, np.rint(widths_mm * self.placement.scale * SUPERSAMPLING)).astype(int).tolist()
        for points, width, value in zip(pixels, widths, hounsfield.tolist(), strict=True):
            self._draw.line(points, fill=value, width=width, joint="curve" if width > 3 else None)

    def insert(self, other: "Canvas", outline: FloatArray) -> None:
        """Copy what `other` shows inside `outline`, and make that region lung."""
        window = Image.new("1", self.picture.size, 0)
        ImageDraw.Draw(window).polygon(self._points(outline), fill=1)
        self.picture.paste(other.picture, (0, 0), window)
        self.lung.paste(255, (0, 0), window)

    def develop(self) -> tuple[HounsfieldArray, HounsfieldArray]:
        """Return the picture (HU) and the lung's share of every pixel (0 to 1), both `[H, W]` float32."""
        picture = np.array(self.picture.reduce(SUPERSAMPLING), dtype=np.float32)
        lung = np.asarray(self.lung.reduce(SUPERSAMPLING), dtype=np.float32) / np.float32(255)
        return picture, lung


def stamp(
    placement: Placement, outlines: Sequence[FloatArray], blur_mm: float, holes: Sequence[FloatArray] = ()
) -> HounsfieldArray:
    """Return the coverage `[H, W]`, 0 to 1, of filled outlines with softened edges.

    Args:
        placement: Where the patient lies in the picture.
        outlines: Closed outlines in mm, each `[N, 2]`.
        blur_mm: Standard deviation of the softening, mm.
        holes: Outlines that are cut out again.

    Returns:
        Float32 coverage.
    """
    coverage = np.zeros((placement.height, placement.width), dtype=np.float32)
    pixels = [placement.to_pixels(outline) for outline in (*outlines, *holes)]
    reach = 3 * blur_mm * placement.scale + 2
    low = np.floor(np.min([p.min(axis=0) for p in pixels], axis=0) - reach).astype(int)
    high = np.ceil(np.max([p.max(axis=0) for p in pixels], axis=0) + reach).astype(int)
    low = np.maximum(low, 0)
    high = np.minimum(high, (placement.width, placement.height))
    if np.any(high <= low):
        return coverage
    factor = 3 if blur_mm < 2 else 1  # a soft edge needs no supersampling
    width, height = (int(n) * factor for n in high - low)
    patch = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(patch)
    for number, outline in enumerate(pixels):
        draw.polygon(((outline - low) * factor).ravel().tolist(), fill=255 if number < len(outlines) else 0)
    soft = patch.reduce(factor).filter(ImageFilter.GaussianBlur(blur_mm * placement.scale))
    coverage[low[1] : high[1], low[0] : high[0]] = np.asarray(soft, dtype=np.float32) / 255
    return coverage
