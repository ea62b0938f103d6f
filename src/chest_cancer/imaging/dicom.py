"""DICOM slices to RGB. Keeps the elements that describe pixels and no others: patient data is skipped unread.

Grey pixels become Hounsfield units (rescale slope and intercept) and are seen through the file's first window; without
one through the lung window (level -600, width 1500) for CT, else from their own minimum to maximum. Only
`decoding.decode_image` calls this module.
"""

import io
import logging
import math
import zlib
from collections.abc import MutableSequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from chest_cancer.imaging.pixels import (
    DecodedImage,
    UnreadableImageError,
    check_single_frame,
    check_size,
    describe,
    grey_to_rgb,
    scale,
    stretch,
)

# pydicom logs every warning, and quotes malformed values in it: nothing of an uploaded file belongs in our logs.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_ELEMENTS: list[BaseTag | int] = [
    Tag(keyword)
    for keyword in (
        "Modality",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "PlanarConfiguration",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "RescaleIntercept",
        "RescaleSlope",
        "WindowCenter",
        "WindowWidth",
        "VOILUTFunction",
        "RedPaletteColorLookupTableDescriptor",
        "GreenPaletteColorLookupTableDescriptor",
        "BluePaletteColorLookupTableDescriptor",
        "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData",
        "BluePaletteColorLookupTableData",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
        "PixelData",
    )
]
_LUNG_WINDOW = (-600.0, 1500.0)


def decode_dicom(data: bytes, max_pixels: int, min_side: int) -> DecodedImage:
    """Decode one DICOM file, which must begin with the 128-byte preamble and `DICM`.

    Args:
        data: The whole file.
        max_pixels: Largest accepted rows x columns.
        min_side: Smallest accepted rows and columns, in pixels.

    Returns:
        The decoded image; its mode is the stored photometric interpretation.

    Raises:
        UnreadableImageError: No image inside, several frames, outside the limits, or no decoder for its compression.
        Exception: Anything that pydicom raises on damaged files; `decoding.decode_image` gives it its reason.
    """
    dataset, syntax = _read_elements(data, max_bytes=4 * max_pixels)
    if missing := [keyword for keyword in ("PixelData", "Rows", "Columns") if keyword not in dataset]:
        raise UnreadableImageError(f"DICOM file without an image (no {', '.join(missing)}); expected a CT slice")
    width, height = int(dataset.Columns), int(dataset.Rows)
    check_size(width, height, max_pixels, min_side)
    check_single_frame(int(dataset.get("NumberOfFrames") or 1))
    stored, photometric, bits = _decode_pixels(dataset, syntax)
    if photometric == "RGB":
        pixels = _to_eight_bits(stored, bits)
    elif photometric == "PALETTE COLOR":
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        pixels = _to_eight_bits(apply_color_lut(stored, dataset), bits)
    elif photometric in ("MONOCHROME1", "MONOCHROME2"):
        grey = _through_window(stored, dataset)
        pixels = grey_to_rgb(255 - grey if photometric == "MONOCHROME1" else grey)
    else:
        raise UnreadableImageError(f"DICOM photometric interpretation {photometric} is not supported; save it as RGB")
    return DecodedImage(pixels, "DICOM", str(dataset.PhotometricInterpretation), width, height)


def _read_elements(data: bytes, max_bytes: int) -> tuple[Dataset, UID]:
    """Return the elements that describe the pixels, and the transfer syntax."""
    file = io.BytesIO(data)
    file.seek(132)
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    syntax = meta.get("TransferSyntaxUID")
    if not isinstance(syntax, UID):
        raise UnreadableImageError("DICOM file without a transfer syntax; save it again with its File Meta Information")
    if syntax == DeflatedExplicitVRLittleEndian:
        # pydicom would inflate without a limit.
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        file = io.BytesIO(inflater.decompress(file.read(), max_bytes))
        if inflater.unconsumed_tail:
            raise UnreadableImageError(f"deflated DICOM file exceeds {max_bytes:,} bytes when inflated")
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise _no_decoder(syntax)
    return read_dataset(file, syntax.is_implicit_VR, syntax.is_little_endian, specific_tags=_ELEMENTS), syntax


def _decode_pixels(dataset: Dataset, syntax: UID) -> tuple[NDArray[Any], str, int]:
    """Return `[H, W]` or `[H, W, 3]` as stored (YBR made RGB), its photometric interpretation and bits per sample."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise _no_decoder(syntax) from error
    if not decoder.is_available:
        raise _no_decoder(syntax)
    try:
        stored, properties = decoder.as_array(dataset, index=0)
    except Exception as error:  # Part of the boundary in `decode_image`: here the transfer syntax can be named.
        raise UnreadableImageError(f"DICOM pixels in {syntax.name} cannot be decoded: {describe(error)}") from error
    return stored, str(properties["photometric_interpretation"]), int(properties["bits_stored"])


def _no_decoder(syntax: UID) -> UnreadableImageError:
    name = f"{syntax.name} ({syntax})" if syntax.name != syntax else syntax[:64]
    return UnreadableImageError(f"no decoder for the DICOM transfer syntax {name}; save it uncompressed or as PNG")


def _to_eight_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Keep the eight highest of the `bits` bits that a colour sample uses."""
    return np.ascontiguousarray(samples >> max(bits - 8, 0), np.uint8)


@np.errstate(all="ignore")
def _through_window(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    """Rescale stored grey (to Hounsfield units for CT) and map its window to 0..255."""
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    values = stored.astype(np.float64)
    values *= 1.0 if slope is None else slope
    values += intercept or 0.0
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if centre is None or width is None or width <= (function == "LINEAR"):
        if dataset.get("Modality") != "CT" or intercept is None:
            return stretch(values)  # Without a rescale, CT values are no Hounsfield units: a screenshot, say.
        (centre, width), function = _LUNG_WINDOW, "LINEAR_EXACT"
    if function == "SIGMOID":
        return scale(1.0 / (1.0 + np.exp(-4.0 * (values - centre) / width)), 0.0, 1.0)
    if function == "LINEAR":  # PS3.3 C.11.2.1.2: the window spans whole pixel values, half a value off centre.
        centre, width = centre - 0.5, width - 1.0
    return scale(values, centre - width / 2, centre + width / 2)


def _number(dataset: Dataset, keyword: str) -> float | None:
    """Return the (first) finite value of an element, or None."""
    value = dataset.get(keyword)
    if isinstance(value, MutableSequence):
        value = value[0] if value else None
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None
