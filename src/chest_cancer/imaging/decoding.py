"""The one decoder of the project: the bytes of an image file in, upright 8-bit RGB pixels or Hounsfield units out.

Training, evaluation, batch prediction and the web upload all call `decode_image`, so a file means the same pixels
everywhere. The bytes may be hostile: only listed formats are opened, size limits are checked before pixels are decoded,
and whatever goes wrong inside Pillow or pydicom comes out as one exception with a reason.
"""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from chest_cancer.imaging.boundary import as_unreadable
from chest_cancer.imaging.damage import check_jpeg, check_png, check_tiff
from chest_cancer.imaging.grey import compact, find_hounsfield, to_eight_bits
from chest_cancer.imaging.pixels import DecodedImage, Heading, UnreadableImageError, check_slice, grey_to_rgb
from chest_cancer.imaging.signatures import identify
from chest_cancer.imaging.windows import see_lungs

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MOST_PAGES_COUNTED = 1000
_MOST_BYTES_A_PIXEL = 16
_ROWS = 256
_FEWEST_GREYS = 64  # what fills up to 14 bits of 16 has fewer when eight are kept
_UNSIGNED_32 = {258: (32,), 339: (1,)}
_CHECKS = {JpegImageFile: check_jpeg, PngImageFile: check_png}


def decode_image(
    data: bytes,
    *,
    max_pixels: int = 64_000_000,
    min_side: int = 32,
    any_modality: bool = False,
    with_identifiers: bool = False,
) -> DecodedImage:
    """Decode the bytes of one image file into upright RGB.

    Alpha is composited on black. Grey of more than eight bits is kept as Hounsfield units where it is such, else scaled
    so that extremes darken nothing: see `imaging.grey`, and for DICOM `imaging.dicom`. Of a JPEG
    that carries further pictures (MPO, a gain map) the main one is taken.

    Args:
        data: The whole file.
        max_pixels: Largest accepted width x height.
        min_side: Smallest accepted width and height, in pixels.
        any_modality: Decode DICOM that is no CT slice and no radiograph as well, to look at it.
        with_identifiers: Read whom a DICOM file shows, its attributes, and where it lies; see `DecodedImage`.

    Returns:
        The decoded image.

    Raises:
        UnreadableImageError: The bytes are no image of a known format, are damaged, are outside the limits, or are
            DICOM of another kind than a slice.
    """
    kind = identify(data)
    with as_unreadable("DICOM" if kind is None else str(kind.format), extra="dicom"):
        if kind is None:
            # Imported on use: pydicom costs start-up time that most runs need not pay.
            from chest_cancer.imaging.dicom.read import decode_dicom

            image = decode_dicom(
                data, max_pixels, min_side, any_modality=any_modality, with_identifiers=with_identifiers
            )
        else:
            image = _decode_with_pillow(kind, data, max_pixels, min_side)
    image.pixels.setflags(write=False)
    return image


def heading_of(start: bytes, *, max_pixels: int = 64_000_000) -> Heading | None:
    """Read whom a file shows and how many frames it has, and nothing else of it.

    Args:
        start: Its beginning, or all of it; identifiers that lie beyond are empty.
        max_pixels: Largest accepted width x height.

    Returns:
        What it says; None for other formats than DICOM.

    Raises:
        UnreadableImageError: As `decode_image`.
    """
    if identify(start) is not None:
        return None
    with as_unreadable("DICOM", extra="dicom"):
        from chest_cancer.imaging.dicom.read import read_heading  # on use, as above

        return read_heading(start, 4 * max_pixels)


def without_identifiers(data: bytes, hashed: Callable[[str, str], str], *, max_pixels: int = 64_000_000) -> bytes:
    """Return an image file without what says whom it shows, if it is DICOM; another format as it is.

    Args:
        data: The whole file.
        hashed: Takes `patient`, `study`, `series` or `site` and an identifier, and returns what is kept in its place.
        max_pixels: Largest accepted width x height.

    Returns:
        A file with the same pixels.

    Raises:
        UnreadableImageError: The bytes are no image of a known format, or DICOM that is damaged.
    """
    if identify(data) is not None:
        return data
    with as_unreadable("DICOM", extra="dicom"):
        from chest_cancer.imaging.dicom.deidentify import hide_identifiers  # on use, as above

        return hide_identifiers(data, 4 * max_pixels, hashed)


def _decode_with_pillow(reader: type[ImageFile.ImageFile], data: bytes, max_pixels: int, min_side: int) -> DecodedImage:
    image = _open(reader, data)
    mode = image.mode
    # Pillow announces TIFF sizes as rotated by the orientation tag, and rotates by itself on loading.
    width, height = (image.tag_v2[256], image.tag_v2[257]) if isinstance(image, TiffImageFile) else image.size
    check_slice(width, height, _count_frames(image), max_pixels, min_side)
    # A 16-bit or float TIFF may store white as its smallest value; Pillow undoes that for 8 bits only.
    negative = isinstance(image, TiffImageFile) and image.tag_v2.get(262) == 0
    # Pillow keeps 32 unsigned bits as signed ones.
    unsigned = isinstance(image, TiffImageFile) and _UNSIGNED_32.items() <= dict(image.tag_v2).items()
    if isinstance(image, TiffImageFile):
        check_tiff(data, image, _MOST_BYTES_A_PIXEL * width * height)
    elif reader in _CHECKS:
        _CHECKS[reader](data)
    image.load()
    pixels, scaling, hounsfield = _read_pixels(_turn_upright(image), negative, unsigned)
    if _has_deep_colour(image, data) and np.ptp(pixels) < _FEWEST_GREYS:
        raise UnreadableImageError(
            f"16 bits a sample in colour or with transparency, of which eight are read: only {pixels.min()} to "
            f"{pixels.max()} of 255 remains; save it as grey of 16 bits, without transparency"
        )
    return DecodedImage(pixels, str(reader.format), mode, width, height, scaling, hounsfield=hounsfield)


def _open(reader: type[ImageFile.ImageFile], data: bytes) -> ImageFile.ImageFile:
    try:
        return reader(io.BytesIO(data))
    except SyntaxError as error:
        if reader is TiffImageFile and "unknown pixel mode" in str(error):
            raise UnreadableImageError(
                "TIFF of a pixel type that is not read (64-bit floats, for one); save it with 8 or 16 bits, or 32-bit "
                "floats"
            ) from error
        raise


def _count_frames(image: ImageFile.ImageFile) -> int:
    if not isinstance(image, TiffImageFile):
        return int(getattr(image, "n_frames", 1))
    # Pillow's own count takes time quadratic in the number of pages, and a page needs only six bytes.
    for page in range(1, _MOST_PAGES_COUNTED):
        try:
            image.seek(page)
        except EOFError:
            return page
    raise UnreadableImageError(f"at least {_MOST_PAGES_COUNTED} frames; expected a single slice")


def _has_deep_colour(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether a picture has several samples of 16 bits, of which Pillow keeps the higher eight."""
    if isinstance(image, PngImageFile):
        depth, colour = data[24:26]  # of the chunk IHDR, the first one
        return depth == 16 and colour != 0
    return isinstance(image, TiffImageFile) and 16 in image.tag_v2.get(258, ())[1:]


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, struct.error):
        return image  # Broken EXIF says nothing about the pixels, which are fine.
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _read_pixels(
    image: Image.Image, negative: bool, unsigned: bool
) -> tuple[NDArray[np.uint8], str, NDArray[Any] | None]:
    """Return RGB `[H, W, 3]`, how it was scaled, and Hounsfield units `[H, W]` where it holds them."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image).view(np.uint32) if unsigned else np.asarray(image)
        if not negative and (found := find_hounsfield(values)):
            hounsfield = compact(found[0])
            return see_lungs(hounsfield), found[1], hounsfield
        grey, scaling = to_eight_bits(values)
        return grey_to_rgb(255 - grey if negative else grey), scaling, None
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        black = Image.new("RGB", image.size)
        black.paste(rgba, mask=rgba)
        return _rgb(black), "8 bits", None
    return _rgb(image), "8 bits", None


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Take an image's pixels, some rows at a time: Pillow copies them twice on the way, at 4 bytes for a pixel."""
    if image.mode == "L":
        return grey_to_rgb(np.asarray(image))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        rows = image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = np.asarray(rows if rows.mode == "RGB" else rows.convert("RGB"))
    return pixels
