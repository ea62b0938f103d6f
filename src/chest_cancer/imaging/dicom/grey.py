"""Stored grey of a DICOM file: Hounsfield units of CT slices, and 0..255 of others, as the file says."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from chest_cancer.imaging.dicom.elements import CURE, name_of, number_of
from chest_cancer.imaging.grey import AIR, holds_hounsfield, to_eight_bits
from chest_cancer.imaging.pixels import UnreadableImageError, describe, scale

_AIR_ALONE = -200  # below fat


class Grey(NamedTuple):
    """Stored grey as it may be used: Hounsfield units, or what the file says is to be seen.

    Attributes:
        values: `[H, W]`: Hounsfield units, or uint8 0..255, dark where little was measured.
        is_hounsfield: Which of them.
        scaling: How it was made, for `DecodedImage.scaling`.
    """

    values: NDArray[Any]
    is_hounsfield: bool
    scaling: str


@np.errstate(all="ignore")
def read_grey(stored: NDArray[Any], dataset: Dataset, *, any_modality: bool) -> Grey:
    """Make stored grey Hounsfield units, or else 0..255.

    Args:
        stored: `[H, W]` integers as stored.
        dataset: The elements that say what they mean; those of functional groups beside the others.
        any_modality: Show a CT image whose values are no Hounsfield units as well.

    Returns:
        Hounsfield units, air where there is padding; or what the file says is to be seen.

    Raises:
        UnreadableImageError: An element can't be used, or a CT slice can't be made Hounsfield units.
    """
    padding = _padding(stored, dataset)
    values = _rescale(stored, dataset)
    measured = values[~padding]
    # Air alone is more often grey that was windowed, and kept the rescale of before; in a stack there are such slices.
    if _are_hounsfield(measured, dataset) and (measured.max() > _AIR_ALONE or any_modality):
        values[padding] = AIR
        return Grey(values, True, "HU")
    if dataset.get("Modality") == "CT" and not any_modality:
        raise _no_hounsfield(values, dataset)
    grey, scaling = _as_the_file_says(values, padding, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    grey[padding] = 0
    return Grey(grey, False, scaling)


def own_window(dataset: Dataset) -> tuple[float, float] | None:
    """Return level and width of the first window that a slice's file names, in Hounsfield units."""
    level, width = number_of(dataset, "WindowCenter"), number_of(dataset, "WindowWidth")
    return None if level is None or width is None or width <= 0 else (level, width)


@np.errstate(all="ignore")
def make_hounsfield(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.float64]:
    """Make stored values Hounsfield units.

    Args:
        stored: `[H, W]` integers as stored.
        dataset: As in `read_grey`.

    Returns:
        Hounsfield units `[H, W]`; padding is air.

    Raises:
        UnreadableImageError: An element can't be used, or the values are no Hounsfield units.
    """
    padding = _padding(stored, dataset)
    values = _rescale(stored, dataset)
    if not _are_hounsfield(values[~padding], dataset):
        raise _no_hounsfield(values, dataset)
    values[padding] = AIR
    return values


def _are_hounsfield(measured: NDArray[np.float64], dataset: Dataset) -> bool:
    """Say whether rescaled values are Hounsfield units, as far as the elements tell, else by the values themselves.

    What other programs write anew may have a rescale that isn't its own: without values below 0, air and fat are
    missing.
    """
    modality = dataset.get("Modality")
    if modality == "CT" and _is_rescaled(dataset) and measured.min() < 0:
        return True
    return (modality == "CT" or not modality) and holds_hounsfield(measured)


def _is_rescaled(dataset: Dataset) -> bool:
    return any(keyword in dataset for keyword in ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"))


def _no_hounsfield(values: NDArray[np.float64], dataset: Dataset) -> UnreadableImageError:
    slope, intercept = name_of("RescaleSlope"), name_of("RescaleIntercept")
    if _is_rescaled(dataset):
        return UnreadableImageError(
            f"DICOM CT slice whose values, {values.min():g} to {values.max():g} by its rescale, are no Hounsfield "
            f"units: those of a body go from below 0 to above {_AIR_ALONE}; correct {slope} and {intercept}, or save "
            "the file as PNG"
        )
    return UnreadableImageError(
        f"DICOM CT slice without {slope} and {intercept}, and its values, {values.min():g} to {values.max():g}, are "
        "no Hounsfield units; add them, or save the file as PNG"
    )


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Return where nothing was measured; nowhere if that would be everywhere."""
    value, limit = number_of(dataset, "PixelPaddingValue"), number_of(dataset, "PixelPaddingRangeLimit")
    if value is None:
        return np.zeros(stored.shape, np.bool_)
    limit = value if limit is None else limit
    padding: NDArray[np.bool_] = (stored >= min(value, limit)) & (stored <= max(value, limit))
    return padding & (not padding.all())


def _rescale(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.float64]:
    """Apply the Modality LUT Sequence, else slope and intercept (one that is missing changes nothing)."""
    if dataset.get("ModalityLUTSequence"):
        try:
            return apply_modality_lut(stored.astype(np.int64), dataset).astype(np.float64)
        except Exception as error:  # Part of the boundary in `decode_image`: here the element can be named.
            raise _unusable("ModalityLUTSequence", error) from error
    slope, intercept = number_of(dataset, "RescaleSlope"), number_of(dataset, "RescaleIntercept")
    if slope == 0:
        raise UnreadableImageError(f"DICOM {name_of('RescaleSlope')} is 0: expected another number; {CURE}")
    values = stored.astype(np.float64)
    values *= 1.0 if slope is None else slope
    values += intercept or 0.0
    return values


def _as_the_file_says(
    values: NDArray[np.float64], padding: NDArray[np.bool_], dataset: Dataset
) -> tuple[NDArray[np.uint8], str]:
    """Apply the first VOI LUT, else the first window, else stretch."""
    if dataset.get("VOILUTSequence"):
        try:
            bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
            return scale(apply_voi(np.rint(values).astype(np.int64), dataset), 0, 2**bits - 1), "VOI LUT"
        except Exception as error:  # Part of the boundary in `decode_image`: here the element can be named.
            raise _unusable("VOILUTSequence", error) from error
    centre, width = number_of(dataset, "WindowCenter"), number_of(dataset, "WindowWidth")
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if centre is None or width is None or width <= (function == "LINEAR"):
        measured = values.copy()
        measured[padding] = np.nan
        return to_eight_bits(measured)
    if function == "SIGMOID":
        return scale(1.0 / (1.0 + np.exp(-4.0 * (values - centre) / width)), 0.0, 1.0), "window of the file"
    if function == "LINEAR":  # PS3.3 C.11.2.1.2: the window spans whole pixel values, half a value off centre.
        centre, width = centre - 0.5, width - 1.0
    return scale(values, centre - width / 2, centre + width / 2), "window of the file"


def _unusable(keyword: str, error: Exception) -> UnreadableImageError:
    return UnreadableImageError(f"DICOM {name_of(keyword)} can't be applied: {describe(error)}; {CURE}")
