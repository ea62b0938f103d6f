"""DICOM slices to RGB.

Keeps the elements that describe pixels and, where they are asked for, the three identifiers that say which slices
belong together and the attributes of groups of patients (`imaging.dicom.attributes`): all other patient data is skipped
unread.

Grey of CT becomes Hounsfield units, other grey is shown as the file says: see `imaging.dicom.grey`. What is no slice is
refused: see `imaging.dicom.kinds`.
"""

import contextlib
import io
import logging
import zlib
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chest_cancer.imaging.dicom.attributes import ATTRIBUTES, read_attributes
from chest_cancer.imaging.dicom.elements import number_of, text_of
from chest_cancer.imaging.dicom.frames import decode_pixels, no_decoder
from chest_cancer.imaging.dicom.functional_groups import of_frame
from chest_cancer.imaging.dicom.grey import own_window, read_grey
from chest_cancer.imaging.dicom.image_plane import GEOMETRY, image_plane_of
from chest_cancer.imaging.dicom.kinds import left_edge, require_axial, require_chest, require_image, require_slice
from chest_cancer.imaging.grey import compact
from chest_cancer.imaging.pixels import (
    DecodedImage,
    Heading,
    Identifiers,
    UnreadableImageError,
    check_slice,
    grey_to_rgb,
)
from chest_cancer.imaging.windows import see_lungs

# pydicom logs every warning, and quotes malformed values in it: nothing of an uploaded file belongs in our logs.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
ELEMENTS: list[BaseTag | int] = [
    Tag(keyword)
    for keyword in (
        "ImageType",
        "BodyPartExamined",
        "ImageOrientationPatient",
        "SOPClassUID",
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
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
        "RescaleIntercept",
        "RescaleSlope",
        "RescaleType",
        "ModalityLUTSequence",
        "VOILUTSequence",
        "WindowCenter",
        "WindowWidth",
        "VOILUTFunction",
        "RedPaletteColorLookupTableDescriptor",
        "GreenPaletteColorLookupTableDescriptor",
        "BluePaletteColorLookupTableDescriptor",
        "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData",
        "BluePaletteColorLookupTableData",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
        "PixelData",
    )
]


def decode_dicom(
    data: bytes, max_pixels: int, min_side: int, *, any_modality: bool, with_identifiers: bool
) -> DecodedImage:
    """Decode one DICOM file, with or without the 128-byte preamble and `DICM`.

    Args:
        data: The whole file.
        max_pixels: Largest accepted rows x columns.
        min_side: Smallest accepted rows and columns, in pixels.
        any_modality: Decode what is no CT slice and no radiograph as well.
        with_identifiers: Read whom it shows, its attributes, and where it lies, too.

    Returns:
        The decoded image; its mode is the stored photometric interpretation.

    Raises:
        UnreadableImageError: No image inside or no slice, several frames, outside the limits, no decoder for its
            compression, or an element that can't be used.
        Exception: Anything that pydicom raises on damaged files; `decoding.decode_image` gives it its reason.
    """
    asked = (*IDENTIFIERS, *GEOMETRY, *chain.from_iterable(ATTRIBUTES.values())) if with_identifiers else ()
    tags = [*ELEMENTS, *map(Tag, asked)]
    dataset, syntax = read_elements(data, 4 * max_pixels, tags)
    require_image(dataset)
    dataset = of_frame(dataset, 0)
    if not any_modality:
        require_slice(dataset)
        require_axial(dataset)
    width, height = int(dataset.Columns), int(dataset.Rows)
    frames = int(number_of(dataset, "NumberOfFrames") or 1)
    check_slice(width, height, frames, max_pixels, min_side)
    pixels, scaling, hounsfield = _read_pixels(dataset, syntax, any_modality=any_modality)
    if not any_modality:
        require_chest(dataset, hounsfield)
    mode, window = str(dataset.PhotometricInterpretation), None if hounsfield is None else own_window(dataset)
    decoded = DecodedImage(
        pixels,
        "DICOM",
        mode,
        width,
        height,
        scaling,
        hounsfield=hounsfield,
        own_window=window,
        left_edge=left_edge(dataset),
    )
    if not with_identifiers:
        return decoded
    plane = None
    if hounsfield is not None:
        with contextlib.suppress(Exception):  # whatever pydicom raises: such a slice lies in no series
            plane = image_plane_of(dataset)
    return replace(decoded, identifiers=identifiers_of(dataset), attributes=read_attributes(dataset), image_plane=plane)


def read_heading(start: bytes, max_bytes: int) -> Heading:
    """Read whom a DICOM file shows, and how many frames it has.

    Args:
        start: Its beginning, or all of it; identifiers that lie beyond are empty.
        max_bytes: Most bytes that a deflated file may inflate to.

    Raises:
        Exception: As `decode_dicom`.
    """
    tags: list[BaseTag | int] = [*map(Tag, (*IDENTIFIERS, "NumberOfFrames", "Rows"))]
    elements, _ = read_elements(start, max_bytes, tags, Tag("Rows"))
    known = "Rows" in elements  # which comes after the number of frames
    return Heading(identifiers_of(elements), int(number_of(elements, "NumberOfFrames") or 1) if known else None)


def identifiers_of(dataset: Dataset) -> Identifiers:
    """Take the identifiers out of a file's elements; those that it lacks are empty."""
    return Identifiers(*(text_of(dataset, keyword).strip(" \0") for keyword in IDENTIFIERS))


def _read_pixels(
    dataset: Dataset, syntax: UID, *, any_modality: bool
) -> tuple[NDArray[np.uint8], str, NDArray[Any] | None]:
    """Return RGB `[H, W, 3]`, how it was scaled, and Hounsfield units `[H, W]` of a CT slice."""
    stored, photometric, bits = decode_pixels(dataset, syntax)
    if photometric == "RGB":
        return _highest_bits(stored, bits), "8 bits", None
    if photometric == "PALETTE COLOR":
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        return _highest_bits(apply_color_lut(stored, dataset), bits), "8 bits", None
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableImageError(f"DICOM photometric interpretation {photometric} is not supported; save it as RGB")
    grey = read_grey(stored, dataset, any_modality=any_modality)
    if not grey.is_hounsfield:
        return grey_to_rgb(grey.values), grey.scaling, None
    hounsfield = compact(grey.values)
    return see_lungs(hounsfield), grey.scaling, hounsfield


def read_elements(
    data: bytes, max_bytes: int, tags: list[BaseTag | int], last: BaseTag | None = None
) -> tuple[Dataset, UID]:
    """Return those of the elements that the file has, and the transfer syntax.

    Args:
        data: The whole file.
        max_bytes: Most bytes that a deflated file may inflate to.
        tags: What is read; all else is skipped.
        last: The element after which nothing is read; by default the whole file is.

    Raises:
        UnreadableImageError: No transfer syntax, one that nobody knows, or too many bytes.
    """
    file = io.BytesIO(data)
    stop = None if last is None else lambda tag, _vr, _length: tag > last
    if data[128:132] == b"DICM":
        file.seek(132)
    elif data[:2] == b"\x08\0":  # Neither preamble nor File Meta Information, as files of before 1993 are.
        syntax = ExplicitVRLittleEndian if data[4:6].isalpha() else ImplicitVRLittleEndian
        return read_dataset(file, syntax.is_implicit_VR, True, stop_when=stop, specific_tags=tags), syntax
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
        raise no_decoder(syntax)
    return read_dataset(
        file, syntax.is_implicit_VR, syntax.is_little_endian, stop_when=stop, specific_tags=tags
    ), syntax


def _highest_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Keep the eight highest of the `bits` bits that a colour sample uses."""
    return np.ascontiguousarray(samples >> max(bits - 8, 0), np.uint8)
