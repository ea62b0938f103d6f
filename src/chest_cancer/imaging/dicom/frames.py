"""The stored values of a DICOM file: decompressed by one fixed decoder for each transfer syntax.

Files may be hostile, and decoders trust what a codestream says of itself. So its size is compared with the header's
before it is decoded, and of JPEG Lossless, whose decoder can be crashed by a malformed head, the head is written anew.
"""

import itertools
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder

from chest_cancer.imaging.damage import check_jpeg
from chest_cancer.imaging.dicom.elements import CURE, name_of, number_of
from chest_cancer.imaging.dicom.lossless_jpeg import with_new_head
from chest_cancer.imaging.pixels import UnreadableImageError, describe

# One for each, so that a file gives the same pixels wherever it is read.
_PLUGINS: dict[str, str] = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: "pydicom",
}
_JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_LOSSLESS_JPEG = (uid.JPEGLossless, uid.JPEGLosslessSV1)
_OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


class Frame(NamedTuple):
    """The stored values of one frame.

    Attributes:
        values: `[H, W]` or `[H, W, 3]` as stored (YBR made RGB).
        photometric: Their photometric interpretation.
        bits: Bits per sample.
    """

    values: NDArray[Any]
    photometric: str
    bits: int


def decode_pixels(dataset: Dataset, syntax: uid.UID) -> Frame:
    """Decompress the only frame; see `decode_frames`."""
    return next(decode_frames(dataset, syntax, 1))


def decode_frames(dataset: Dataset, syntax: uid.UID, frames: int) -> Iterator[Frame]:
    """Decompress one frame after the other.

    Args:
        dataset: The elements that describe the pixels, and the pixels, of which compressed ones are taken out; Rows
            and Columns are within the limits.
        syntax: The transfer syntax.
        frames: How many there are.

    Yields:
        Each frame as it is stored.

    Raises:
        UnreadableImageError: There is no decoder, HighBit can't be, or the pixels are damaged.
    """
    plugin = _PLUGINS.get(syntax, "")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise no_decoder(syntax) from error
    if decoder.is_encapsulated and plugin not in decoder.available_plugins:
        raise no_decoder(syntax)
    lowest = _lowest_bit(dataset, syntax)
    # pydicom takes values to begin in bit 0, and clears all above.
    bits: dict[str, Any] = {"bits_stored": int(dataset.BitsStored) + lowest} if lowest else {}
    try:
        if not decoder.is_encapsulated:
            for index in range(frames):
                yield _frame(*decoder.as_array(dataset, index=index, **bits), lowest)
            return
        for frame in frame_bytes(dataset, syntax, frames):
            dataset.PixelData = encapsulate([_checked(frame, dataset, syntax)])
            dataset.NumberOfFrames = 1
            for keyword in _OFFSETS:  # They were those of all frames.
                dataset.pop(keyword, None)
            yield _frame(*decoder.as_array(dataset, index=0, decoding_plugin=plugin, **bits), lowest)
    except Exception as error:  # Part of the boundary in `decode_image`: here the transfer syntax can be named.
        raise UnreadableImageError(
            f"DICOM pixels in {syntax.name} cannot be decoded: {describe(error)}; save the file uncompressed or as PNG"
        ) from error


def frame_bytes(dataset: Dataset, syntax: uid.UID, frames: int) -> Iterator[bytes]:
    """Yield the bytes of each frame, as they are stored.

    Raises:
        ValueError: There are fewer frames than the file says.
    """
    pixels = dataset.PixelData
    if syntax.is_encapsulated:
        table, lengths = (dataset.get(keyword) for keyword in _OFFSETS)
        offsets = (table, lengths) if table and lengths else None
        stored = generate_frames(pixels, number_of_frames=frames, extended_offsets=offsets)
    else:
        size = len(pixels) // frames
        stored = (pixels[size * index : size * (index + 1)] for index in range(frames))
    found = 0
    for frame in itertools.islice(stored, frames):
        found += 1
        yield frame
    if found < frames:
        raise ValueError(f"{found} frames; expected {frames} as NumberOfFrames says")


def _lowest_bit(dataset: Dataset, syntax: uid.UID) -> int:
    """Say in which bit values begin: in 0, unless HighBit is higher than BitsStored needs.

    Raises:
        UnreadableImageError: No such bits can be, or are in what was compressed, where values begin in 0.
    """
    allocated, stored, high = (number_of(dataset, keyword) for keyword in ("BitsAllocated", "BitsStored", "HighBit"))
    if allocated is None or stored is None or high is None or high == stored - 1:
        return 0
    if not stored <= high < allocated or (syntax.is_encapsulated and syntax != uid.RLELossless):
        raise UnreadableImageError(
            f"DICOM {name_of('HighBit')} is {high:g}: expected {stored - 1:g}, one less than BitsStored; {CURE}"
        )
    return int(high - stored) + 1


def _frame(values: NDArray[Any], properties: Mapping[str, Any], lowest: int) -> Frame:
    if lowest:
        if (values & ((1 << lowest) - 1)).any():
            raise ValueError(f"there are values below bit {lowest}, where they begin by HighBit; correct HighBit")
        values = values >> lowest
    return Frame(values, str(properties["photometric_interpretation"]), int(properties["bits_stored"]) - lowest)


def no_decoder(syntax: uid.UID) -> UnreadableImageError:
    """Return the refusal of a transfer syntax that nothing here decodes."""
    name = f"{syntax.name} ({syntax})" if syntax.name != syntax else syntax[:64]
    if syntax in _PLUGINS:
        return UnreadableImageError(
            f"the decoder of the DICOM transfer syntax {name} is not installed; install chest_cancer[dicom]"
        )
    return UnreadableImageError(f"no decoder for the DICOM transfer syntax {name}; save it uncompressed or as PNG")


def _checked(frame: bytes, dataset: Dataset, syntax: uid.UID) -> bytes:
    """Return a frame fit for its decoder, which would otherwise believe whatever size the codestream announces."""
    if syntax == uid.RLELossless:
        return frame  # pydicom's own decoder believes nothing.
    expected = (int(dataset.Columns), int(dataset.Rows), int(dataset.SamplesPerPixel))
    announced = _size_of_jpeg_2000(frame) if syntax in _JPEG_2000 else _size_of_jpeg(frame)
    if announced != expected:
        raise ValueError(
            f"the compressed image has {announced} columns, rows and samples; expected {expected} as Columns, Rows and "
            "SamplesPerPixel say"
        )
    if syntax in _LOSSLESS_JPEG:
        return with_new_head(frame, int(dataset.BitsAllocated))
    if syntax == uid.JPEGBaseline8Bit:
        check_jpeg(frame)
    if syntax in _JPEG_LS and not frame.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ValueError("the compressed image is cut short: no end-of-image marker")  # CharLS would never return.
    return frame


def _size_of_jpeg(frame: bytes) -> tuple[int, int, int]:
    """Return columns, rows and samples that the frame header of a JPEG or JPEG-LS announces."""
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # A fill byte.
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns, samples = struct.unpack_from(">HHB", frame, at + 5)
            return columns, rows, samples
        at += 2 + int.from_bytes(frame[at + 2 : at + 4])
    raise ValueError("no frame header in the JPEG")


def _size_of_jpeg_2000(frame: bytes) -> tuple[int, int, int]:
    """Return columns, rows and samples that the SIZ segment of a JPEG 2000 codestream announces."""
    at = frame.find(b"\xff\x4f\xff\x51", 0, 4096)  # Some files wrap the codestream in JP2 boxes.
    if at < 0 or len(frame) < at + 42:
        raise ValueError("no SIZ segment in the JPEG 2000 codestream")
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    return right - left, bottom - top, int.from_bytes(frame[at + 40 : at + 42])
