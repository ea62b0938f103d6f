"""Damage inside compressed pictures that Pillow passes over in silence."""

import io
import re
import struct
import zlib

import simplejpeg
from PIL.TiffImagePlugin import TiffImageFile

from chest_cancer.imaging.pixels import UnreadableImageError

# Of libjpeg's warnings, those that say that pixels are lost; odd version numbers, say, cost nothing.
_PIXELS_LOST = re.compile(r"Corrupt JPEG data(?!: bad ICC)|Premature end of JPEG|Inconsistent progression")
_CURE = "fetch the file again, or save it again from its source"
_COMPRESSION, _JPEG_TABLES, _OFFSETS, _COUNTS = 259, 347, (273, 324), (279, 325)
_JPEG, _DEFLATE = 7, (8, 32946)


def check_jpeg(data: bytes) -> None:
    """Raise `UnreadableImageError` where libjpeg warns that a JPEG's data are corrupt; Pillow silences its warnings.

    Of colours that simplejpeg can't read (subsampled CMYK), nothing is said.

    Args:
        data: The whole JPEG, of a size that was found to be within the limits.
    """
    try:
        colours = simplejpeg.decode_jpeg_header(data)[2]
        space = "CMYK" if colours in ("CMYK", "YCCK") else "GRAY"
        # An eighth of each side: all codes are read, and little else is done.
        simplejpeg.decode_jpeg(data, space, min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        if _PIXELS_LOST.search(str(error)):
            raise UnreadableImageError(f"JPEG data are damaged: {error}; {_CURE}") from error


def check_tiff(data: bytes, image: TiffImageFile, most_bytes: int) -> None:
    """Raise `UnreadableImageError` where a strip or tile is a damaged JPEG, or its deflate checksum is wrong.

    libtiff silences libjpeg as well, and stops before a checksum once it has all the rows.

    Args:
        data: The whole file.
        image: The same, opened.
        most_bytes: To inflate of a strip or tile; it holds no more pixels than the image.
    """
    tags = image.tag_v2
    compression, tables = tags.get(_COMPRESSION), tags.get(_JPEG_TABLES, b"")
    offsets, counts = (tags.get(strips) or tags.get(tiles) or () for strips, tiles in (_OFFSETS, _COUNTS))
    for offset, count in zip(offsets, counts, strict=False):
        part = data[offset : offset + count]
        if compression == _JPEG:
            check_jpeg(tables[:-2] + part[2:] if tables else part)
        elif compression in _DEFLATE:
            try:
                zlib.decompressobj().decompress(part, most_bytes)
            except zlib.error as error:
                raise UnreadableImageError(f"TIFF data are damaged: {error}; {_CURE}") from error


def check_png(data: bytes) -> None:
    """Raise `UnreadableImageError` where the checksum of a PNG's pixel data is wrong; Pillow doesn't look at it."""
    file = io.BytesIO(data)
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        body, checksum = file.read(length), file.read(4)
        if kind == b"IDAT" and len(checksum) == 4 and zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum):
            raise UnreadableImageError(f"PNG data are damaged: their checksum is wrong; {_CURE}")
