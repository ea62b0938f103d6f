"""Which slices of a volume train: neighbours look alike, and beyond the lungs there is nothing to learn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def select_slices(
    positions: ArrayLike,
    lungs: Sequence[bool],
    *,
    every_mm: float,
    part: tuple[float, float] = (0.0, 1.0),
    most: int | None = None,
) -> NDArray[np.intp]:
    """Choose slices that show lung, at even distances.

    Args:
        positions: Millimetres along the normal, `[slices]`, ascending from the feet.
        lungs: Whether each slice shows lung, `[slices]`: `lungs.find_lungs(slice).seen`.
        every_mm: Distance of the slices, at least 0; where the volume's own is larger, every slice.
        part: Between which shares of the lungs' height, from the lowest slice with lung (0) to the highest (1).
        most: Most slices, at least 1; where there were more, they lie further apart. None for any number.

    Returns:
        Their numbers, ascending; the chosen slices are the nearest to even places around the middle of the part.
        Empty where no slice shows lung.

    Raises:
        ValueError: An argument is outside its range, or positions and lungs differ in length.
    """
    places, shown = np.asarray(positions, np.float64), np.asarray(lungs, bool)
    if places.shape != shown.shape or not (np.diff(places) > 0).all():
        raise ValueError(
            "Invalid value received for argument `positions`. Expected ascending numbers, one for each of `lungs`. "
            f"Received: {len(places)} positions for {len(shown)} slices."
        )
    low, high = part
    if not (every_mm >= 0 and 0 <= low < high <= 1 and (most is None or most >= 1)):
        raise ValueError(
            "Invalid value received for argument `every_mm`, `part` or `most`. Expected at least 0, two shares "
            f"0 <= low < high <= 1, and None or at least 1. Received: every_mm={every_mm}, part={part}, most={most}"
        )
    if not shown.any():
        return np.flatnonzero(shown)
    foot, height = places[shown].min(), np.ptp(places[shown])
    inside = np.flatnonzero(shown & (places >= foot + low * height) & (places <= foot + high * height))
    return inside[_spread(places[inside], every_mm, most)] if len(inside) else inside


def _spread(places: NDArray[np.float64], every_mm: float, most: int | None) -> NDArray[np.intp]:
    """Return which of ascending places are the nearest to even ones, each once."""
    smallest = float(np.diff(places).min(initial=np.inf))
    if every_mm <= smallest and (most is None or most >= len(places)):
        return np.arange(len(places))
    length, step = float(np.ptp(places)), max(every_mm, smallest)
    count = int(length / step + 1e-6) + 1
    if most is not None and most < count:
        count, step = most, length / most
    wanted = (places[0] + places[-1]) / 2 + step * (np.arange(count) - (count - 1) / 2)
    return np.unique(np.searchsorted((places[1:] + places[:-1]) / 2, wanted))
