"""What a site's scanner and its display window make of the chest phantoms."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.phantoms.canvas import HounsfieldArray, Placement
from chest_cancer.imaging.phantoms.draws import Draws, Stream

Range = tuple[float, float]
ScannerName = Literal["a", "b"]


class Scanner(NamedTuple):
    """A site's scanner and how its slices are shown; each patient's values are drawn evenly from the ranges.

    Attributes:
        noise: Standard deviation, HU, before `grain`.
        kernel: How much of a pixel goes to each of its neighbours, 0 sharp.
        grain: The same for the noise.
        level: Added to the window's level, HU.
        width: Factor on the window's width.
        first_patient: Number of the site's first patient, so that no patient is at two sites.
    """

    noise: Range
    kernel: Range
    grain: Range
    level: float = 0.0
    width: float = 1.0
    first_patient: int = 0


SCANNERS: dict[ScannerName, Scanner] = {
    "a": Scanner(noise=(6, 18), kernel=(0.0, 0.2), grain=(0, 0.3)),
    # A low dose, smoothed, in a window so wide that little contrast is left.
    "b": Scanner((110, 180), (0.28, 0.33), (0.25, 0.33), level=-350.0, width=2.0, first_patient=1_000_000),
}


def _smooth(picture: HounsfieldArray, side_tap: float) -> HounsfieldArray:
    """Convolve `[H, W]` along both axes with three taps that sum to one, edges repeated."""
    side, middle = np.float32(side_tap), np.float32(1 - 2 * side_tap)
    wide = np.pad(picture, 1, mode="edge")
    wide = middle * wide[1:-1] + side * (wide[:-2] + wide[2:])
    return np.asarray(middle * wide[:, 1:-1] + side * (wide[:, :-2] + wide[:, 2:]))


def measure(picture: HounsfieldArray, placement: Placement, draws: Draws, scanner: Scanner) -> HounsfieldArray:
    """Add the scanner's blur and noise.

    Args:
        picture: What is there, HU `[H, W]`.
        placement: Where the patient lies in the picture.
        draws: The slice's random streams.
        scanner: Whose ranges are drawn from.

    Returns:
        What is measured, HU `[H, W]`.
    """
    rng = draws.of_patient(Stream.SCANNER)
    amplitude, kernel, grain = rng.uniform(*scanner.noise), rng.uniform(*scanner.kernel), rng.uniform(*scanner.grain)
    noise = draws.of_slice(Stream.NOISE).standard_normal(picture.shape, dtype=np.float32) * np.float32(amplitude)
    picture = _smooth(picture, kernel) + _smooth(noise, grain)
    if rng.random() < 0.25:
        # The reconstruction circle: nothing was measured outside of it.
        rows, columns = np.ogrid[: placement.height, : placement.width]
        across = (columns - placement.centre[0]) ** 2 + (rows - placement.centre[1]) ** 2
        picture = np.where(across > (rng.uniform(0.5, 0.62) * max(picture.shape)) ** 2, -2000, picture)
    return picture


def scan(picture: HounsfieldArray, placement: Placement, draws: Draws, scanner: Scanner) -> NDArray[np.uint8]:
    """Measure a slice and show it through a display window; see `measure`.

    Returns:
        The slice, uint8 `[H, W]`.
    """
    picture = measure(picture, placement, draws, scanner)
    rng = draws.of_patient(Stream.WINDOW)
    kind = rng.random()
    if kind < 0.72:  # lung
        level, width = rng.uniform(-580, -310), rng.uniform(1225, 1775)
    elif kind < 0.98:  # in between
        level, width = rng.uniform(-320, -150), rng.uniform(1200, 1600)
    else:  # mediastinum
        level, width = rng.uniform(10, 60), rng.uniform(350, 500)
    level, width = level + scanner.level, width * scanner.width
    shown = (picture - (level - width / 2)) * (255 / width)
    return np.asarray(np.clip(shown + 0.5, 0, 255), dtype=np.uint8)
