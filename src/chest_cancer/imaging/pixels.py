"""Decoded pixels: what every reader of image files returns, checks and refuses with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.planes import Side

_LONGEST_DETAIL = 200


class UnreadableImageError(ValueError):
    """Bytes that are no usable image; the message is the reason, fit for a quarantine table or an HTTP answer."""


class TooManyPixelsError(UnreadableImageError):
    """An image whose header announces more pixels than are accepted."""


@dataclass(frozen=True)
class Identifiers:
    """Whom and what a DICOM file shows, as it says: for this process's memory alone, never logged, stored or shown.

    Attributes:
        patient, study, series: PatientID, StudyInstanceUID and SeriesInstanceUID; empty where the file has none.
    """

    patient: str = field(repr=False)
    study: str = field(repr=False)
    series: str = field(repr=False)


class Heading(NamedTuple):
    """What the beginning of a DICOM file says: whom it shows, and how many frames it has.

    `frames` is None where the beginning ends before it says so.
    """

    identifiers: Identifiers
    frames: int | None


class ImagePlane(NamedTuple):
    """Where a CT slice lies.

    Attributes:
        orientation: Unit vectors along a row and along a column, six numbers: ImageOrientationPatient.
        spacing: Millimetres from row to row, and from column to column.
        corner: Centre of the first pixel, x, y, z in mm: ImagePositionPatient.
        acquisition: AcquisitionNumber, or that of the frame; empty where there is none.
        image_type: ImageType, its values joined by backslashes; empty where there is none.
    """

    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    corner: tuple[float, ...]
    acquisition: str
    image_type: str = ""


@dataclass(frozen=True)
class DecodedImage:
    """One decoded slice and what its file said about it.

    Attributes:
        pixels: `[H, W, 3]` uint8, RGB 0..255, upright, read-only; Hounsfield units as the lung window shows them.
        format: What the bytes are, whatever the file's name: PNG, JPEG, TIFF, BMP, GIF, WEBP, AVIF, JPEG2000 or DICOM.
        mode: Pixel mode as stored, e.g. "L", "RGBA", "I;16"; for DICOM the photometric interpretation.
        width: Columns as stored, before any EXIF rotation.
        height: Rows as stored, before any EXIF rotation.
        scaling: How stored grey or colour became 0..255: "8 bits" as it is, "16 bits" by its full range, "HU",
            "HU + 32768", "window of the file", "VOI LUT", "percentiles 0.5 to 99.5", "minimum to
            maximum", or "nothing measured" (only NaN).
        identifiers: Whom a DICOM file shows; None for other formats, and where nobody asked.
        hounsfield: Hounsfield units, int16 (float32 where they are no whole numbers) `[H, W]`, air where nothing was
            measured; None for what is a picture.
        own_window: Level and width that the file names for them, in Hounsfield units.
        left_edge: Which side of the patient is at the left edge of the picture; None where the file doesn't say.
        attributes: What a DICOM file says of patient, scanner and site, by name, where somebody asked: not for logs,
            and kept in groups alone.
        image_plane: Where a CT slice lies, where its file says so and somebody asked whom it shows.
    """

    pixels: NDArray[np.uint8]
    format: str
    mode: str
    width: int
    height: int
    scaling: str
    identifiers: Identifiers | None = None
    hounsfield: NDArray[Any] | None = None
    own_window: tuple[float, float] | None = None
    left_edge: Side | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)
    image_plane: ImagePlane | None = None

    @property
    def digest(self) -> str:
        """What the image is known by, whatever file it came in: SHA-256 of its Hounsfield units, or of its pixels."""
        return pixel_digest(self.pixels if self.hounsfield is None else self.hounsfield)


def pixel_digest(pixels: NDArray[Any]) -> str:
    """SHA-256 over the shape and the values of an image."""
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def describe(error: Exception) -> str:
    """Return an exception's text as one short line."""
    return " ".join(str(error).split())[:_LONGEST_DETAIL] or type(error).__name__


def check_size(width: int, height: int, max_pixels: int, min_side: int) -> None:
    """Raise `UnreadableImageError` when a size that a header announces is outside the limits (pixels)."""
    if width * height > max_pixels:
        raise TooManyPixelsError(f"{width} x {height} pixels exceed the limit of {max_pixels:,}")
    if min(width, height) < min_side:
        raise UnreadableImageError(f"{width} x {height} pixels; expected at least {min_side} on each side")


def check_slice(width: int, height: int, frames: int, max_pixels: int, min_side: int) -> None:
    """Raise `UnreadableImageError` for a size outside the limits (`check_size`), or several frames, pages or slices."""
    check_size(width, height, max_pixels, min_side)
    if frames > 1:
        raise UnreadableImageError(f"{frames} frames; expected a single slice")


@np.errstate(all="ignore")
def scale(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map low..high linearly to 0..255, rounded, clipped outside, NaN to 0; all zeros unless low < high."""
    if not low < high:
        return np.zeros(values.shape, np.uint8)
    scaled: NDArray[np.float64] = np.subtract(values, low, dtype=np.float64)
    scaled *= 255.0
    scaled /= high - low
    np.nan_to_num(scaled, copy=False, nan=0.0)
    scaled.clip(0.0, 255.0, out=scaled)
    np.rint(scaled, out=scaled)
    return scaled.astype(np.uint8)


def grey_to_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat `[H, W]` grey into `[H, W, 3]`."""
    return np.stack([grey] * 3, axis=2)  # three times as fast as to repeat each pixel
