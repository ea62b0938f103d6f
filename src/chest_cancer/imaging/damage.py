"""Damage inside compressed pictures that Pillow passes over in silence."""

import io
import re
import struct
import zlib

import simplejpeg

from chest_cancer.imaging.pixels import UnreadableImageError

# Of libjpeg's warnings, those that say that pixels are lost; odd version numbers, say, cost nothing.
_PIXELS_LOST = re.compile(r"Corrupt JPEG data(?!: bad ICC)|Premature end of JPEG|Inconsistent progression")


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
            msg = f"JPEG data are damaged: {error}; fetch the file again, or save it anew from its source"
            raise UnreadableImageError(msg) from error


def check_png(data: bytes) -> None:
    """Raise `UnreadableImageError` where the checksum of a PNG's pixel data is wrong; Pillow doesn't look at it."""
    file = io.BytesIO(data)
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        body, checksum = file.read(length), file.read(4)
        if kind == b"IDAT" and len(checksum) == 4 and zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum):
            raise UnreadableImageError(
                "PNG data are damaged: their checksum is wrong; fetch the file again, or save it anew from its source"
            )
