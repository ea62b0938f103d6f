"""Grey values of more than eight bits: Hounsfield units where they are such, else made 0..255 robustly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.pixels import UnreadableImageError, scale

AIR = -1000.0
"""Hounsfield units of air, and of what was not measured: padding around the round field of a scanner."""

_LOWEST = -1024.0
_SHIFT = 32768  # Public sets keep Hounsfield units in unsigned 16-bit PNG files with this added.
_SHARES = (0.005, 0.995)
_FOURTEEN_BITS = 2**14


def fill_with_air(hounsfield: NDArray[Any]) -> NDArray[Any]:
    """Put air where nothing was measured: below -1024, where scanners write no tissue and no air, and for NaN."""
    return np.where(hounsfield >= _LOWEST, hounsfield, AIR)


def holds_hounsfield(values: NDArray[Any]) -> bool:
    """Say whether values are Hounsfield units of a body: some are air, some are soft tissue, none is above metal.

    Args:
        values: Grey values of any type and shape. Below -4096, what pads a picture may be of one value only.
    """
    measured = values[values >= _LOWEST]
    padding = values[values < -4096]
    if measured.size < values.size / 4 or (padding.size and padding.min() != padding.max()):
        return False
    air = np.count_nonzero(measured <= -700) / measured.size
    tissue = np.count_nonzero((measured >= -200) & (measured <= 300)) / measured.size
    return bool(air >= 0.01 and tissue >= 0.01 and np.quantile(measured, 0.999, method="lower") <= 4000)


def find_hounsfield(values: NDArray[Any]) -> tuple[NDArray[Any], str] | None:
    """Recognise Hounsfield units in grey of unknown meaning: as they are, or with 32768 added.

    Args:
        values: Integers or real numbers of any shape.

    Returns:
        Hounsfield units of the same shape, and what they were, for `DecodedImage.scaling`; None where they are none.

    Raises:
        UnreadableImageError: They were, until those below 0 wrapped around, as NumPy's `astype(uint16)` does.
    """
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size and finite.min() < 0 and holds_hounsfield(finite):
        return values, "HU"
    if values.dtype.kind == "u" and finite.size and finite.max() >= _SHIFT - 1000:
        shifted = values.astype(np.int32) - _SHIFT
        if holds_hounsfield(shifted):
            return shifted, "HU + 32768"
        if finite.max() < 2 * _SHIFT and holds_hounsfield(values.astype(np.uint16).view(np.int16)):
            raise UnreadableImageError(
                f"Hounsfield units below 0 are stored as {values[values >= _SHIFT].min()} and above, so that air is "
                "brighter than bone; save them with 32768 added, or as signed values in a TIFF"
            )
    return None


@np.errstate(all="ignore")
def compact(hounsfield: NDArray[Any]) -> NDArray[Any]:
    """Make Hounsfield units int16 where they are whole numbers, else float32; what was not measured is air."""
    filled = fill_with_air(hounsfield)
    whole = np.rint(filled)
    fits = bool((whole == filled).all()) and abs(whole).max(initial=0) < 2**15
    return whole.astype(np.int16) if fits else filled.astype(np.float32)


def to_eight_bits(values: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Make grey that is no Hounsfield units 0..255.

    Values that eight bits hold (also times 256 or 257) are those eight bits, and what fills more than 14 bits is
    sixteen bits: so a picture is the same in 8 and in 16 bits. Anything else is stretched from the 0.5th to the 99.5th
    percentile: one hot pixel darkens nothing.

    Args:
        values: Integers or real numbers of any shape; NaN becomes 0.

    Returns:
        Grey of the same shape, and what was done, for `DecodedImage.scaling`.
    """
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return np.zeros(values.shape, np.uint8), "nothing measured"
    lowest, highest = float(finite.min()), float(finite.max())
    low, high = (float(np.quantile(finite, _SHARES[i], method=("higher", "lower")[i])) for i in (0, 1))
    if lowest >= 0 and (factor := _eight_bits_times(finite, highest)):
        return scale(values, 0.0, 255.0 * factor), "8 bits"
    if lowest >= 0 and highest <= 65535 and high - low >= _FOURTEEN_BITS:
        return scale(values, 0.0, 65535.0), "16 bits"
    if low < high:
        return scale(values, low, high), "percentiles 0.5 to 99.5"
    return scale(values, lowest, highest), "minimum to maximum"


def _eight_bits_times(values: NDArray[Any], highest: float) -> int | None:
    """Return 1, 256 or 257 where all values are 0..255 times that, else None."""
    for factor in (1, 257, 256):
        if highest <= 255 * factor and not np.any(values % factor):
            return factor
    return None
