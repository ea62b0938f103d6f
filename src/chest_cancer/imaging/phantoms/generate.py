"""Procedural chest CT slices, with a mask for every tumour: synthetic data that needs no network.

Anatomy, picture size, window and noise come from one random stream, the tumour from another. The same seed and index
with another label therefore give the same picture outside of the tumour, and nothing else tells the classes apart.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.canvas import HounsfieldArray, Placement
from chest_cancer.imaging.phantoms.lesions import add_benign_findings, add_tumour

PHANTOM_CLASSES: tuple[str, ...] = ("normal", "adenocarcinoma", "squamous_cell", "large_cell")
PHANTOM_VERSION: int = 1  # raise it whenever a pixel changes: stored features are keyed by it

_ANATOMY_STREAM = 0
_ACQUISITION_STREAM = 1
_TUMOUR_STREAM = 2

_DRAWN_AHEAD = 32


@dataclass(frozen=True)
class Phantom:
    """One synthetic slice.

    Attributes:
        image: Windowed slice `[H, W]`, uint8.
        lesion_mask: True where the tumour lies `[H, W]`; empty for "normal".
        label: One of `PHANTOM_CLASSES`.
    """

    image: NDArray[np.uint8]
    lesion_mask: NDArray[np.bool_]
    label: str


def _smooth(picture: HounsfieldArray, side_tap: float) -> HounsfieldArray:
    """Convolve `[H, W]` along both axes with three taps that sum to one, edges repeated."""
    side, middle = np.float32(side_tap), np.float32(1 - 2 * side_tap)
    wide = np.pad(picture, 1, mode="edge")
    wide = middle * wide[1:-1] + side * (wide[:-2] + wide[2:])
    return np.asarray(middle * wide[:, 1:-1] + side * (wide[:, :-2] + wide[:, 2:]))


def _scan(picture: HounsfieldArray, placement: Placement, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add the scanner's blur and noise, then apply a display window: HU `[H, W]` to uint8."""
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(6, 18))
    kernel = rng.uniform(0.0, 0.2)  # below zero: an edge-enhancing lung kernel
    picture = _smooth(picture, kernel) + _smooth(noise, rng.uniform(0, 0.3))
    kind = rng.random()
    if kind < 0.72:  # lung
        level, width = rng.uniform(-580, -310), rng.uniform(1225, 1775)
    elif kind < 0.98:  # in between
        level, width = rng.uniform(-320, -150), rng.uniform(1200, 1600)
    else:  # mediastinum
        level, width = rng.uniform(10, 60), rng.uniform(350, 500)
    if rng.random() < 0.25:
        # The reconstruction circle: nothing was measured outside of it.
        rows, columns = np.ogrid[: placement.height, : placement.width]
        across = (columns - placement.centre[0]) ** 2 + (rows - placement.centre[1]) ** 2
        picture = np.where(across > (rng.uniform(0.5, 0.62) * max(picture.shape)) ** 2, -2000, picture)
    shown = (picture - (level - width / 2)) * (255 / width)
    return np.asarray(np.clip(shown + 0.5, 0, 255), dtype=np.uint8)


def generate_phantom(label: str, seed: int, index: int) -> Phantom:
    """Generate one phantom; the same arguments always give the same pixels.

    Args:
        label: One of `PHANTOM_CLASSES`.
        seed: Seed of the whole set, at least 0.
        index: Number of the phantom within the set, at least 0.

    Returns:
        The slice with its tumour mask.

    Raises:
        ValueError: If the label is unknown.
    """
    if label not in PHANTOM_CLASSES:
        raise ValueError(
            f"Invalid value received for argument `label`. Expected one of {PHANTOM_CLASSES}. Received: label={label!r}"
        )
    streams = (_ANATOMY_STREAM, _ACQUISITION_STREAM, _TUMOUR_STREAM + PHANTOM_CLASSES.index(label))
    body, scanner, tumour = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, stream))) for stream in streams
    )
    anatomy = draw_anatomy(body)
    picture = add_benign_findings(anatomy, body)
    picture, mask = add_tumour(picture, anatomy, label, tumour)
    return Phantom(_scan(picture, anatomy.placement, scanner), mask, label)


def generate_phantoms(classes: Sequence[str], images: int, seed: int) -> Iterator[Phantom]:
    """Generate a balanced set, class after class in turn.

    Args:
        classes: Labels to take turns, each one of `PHANTOM_CLASSES`.
        images: Number of phantoms.
        seed: Seed of the whole set, at least 0.

    Yields:
        Phantom `index` of the set, for every index below `images`.
    """
    # NumPy lets go of the interpreter while it draws, so threads share the cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, images, _DRAWN_AHEAD):
            indices = range(start, min(start + _DRAWN_AHEAD, images))
            yield from pool.map(lambda index: generate_phantom(classes[index % len(classes)], seed, index), indices)
