"""What bytes are, by how they begin: a format that is read, or one that is refused by its name with the cure."""

import re
import string

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from chest_cancer.imaging.pixels import UnreadableImageError

# Called directly: `Image.open` refuses by its own pixel limit, without naming the sides, before ours can be checked.
_READERS: tuple[tuple[re.Pattern[bytes], type[ImageFile.ImageFile]], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    (re.compile(rb"BM"), BmpImageFile),
    (re.compile(rb"GIF8[79]a"), GifImageFile),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    (re.compile(rb"\0\0\0\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51"), Jpeg2KImageFile),
    (re.compile(rb".{4}ftypavi[fs]", re.DOTALL), AvifImageFile),
)
GZIP = b"\x1f\x8b"
_VOLUMES = {
    "NIfTI": re.compile(rb".{344}(n\+1|ni1)\0|.{4}(n\+2|ni2)\0|\x1f\x8b", re.DOTALL),
    "MetaImage": re.compile(rb"(ObjectType|NDims|Comment)\s*="),
    "NRRD": re.compile(rb"NRRD000"),
}
_ACCEPTED = "PNG, JPEG, TIFF, BMP, GIF, WEBP, AVIF, JPEG 2000 or DICOM"
_SLICES = "save its axial slices as DICOM or PNG"
_INSIDE = "unpack it and pass the images inside"
_FOREIGN: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"),
    (re.compile(rb"outs:\n- "), "a pointer of DVC, not the file itself; fetch it with `dvc pull`"),
    (re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL), "HEIC, which is not read; save it as PNG or JPEG"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "JPEG XL, which is not read; save it as PNG or JPEG"),
    (re.compile(rb".{344}(n[+i]1)\0", re.DOTALL), f"a NIfTI volume; {_SLICES}"),
    (re.compile(rb"\x5c\x01\0\0|\0\0\x01\x5c|\x1c\x02\0\0|\0\0\x02\x1c"), f"a NIfTI or Analyze volume; {_SLICES}"),
    (re.compile(rb"NRRD000"), f"an NRRD volume; {_SLICES}"),
    (re.compile(rb"(ObjectType|NDims)\s*="), f"a MetaImage (MHA, MHD) volume; {_SLICES}"),
    (re.compile(rb"\x1f\x8b"), f"compressed with gzip (as NIfTI volumes, .nii.gz, are); unpack it, or {_SLICES}"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array (.npy); save its images as PNG, one a file"),
    (re.compile(rb"PK\x03\x04.{26}[^/]{1,200}\.npy", re.DOTALL), "NumPy arrays (.npz); save them as PNG, one a file"),
    (re.compile(rb"PK(\x03\x04|\x05\x06)"), f"a zip archive; {_INSIDE}"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), f"a 7-Zip archive; {_INSIDE}"),
    (re.compile(rb"Rar!\x1a\x07"), f"a RAR archive; {_INSIDE}"),
    (re.compile(rb"\x89HDF"), "an HDF5 file; save its images as PNG, one a file"),
    (re.compile(rb"%PDF"), "a PDF document; save its picture as PNG"),
    (re.compile(rb"\s*<(!doctype html|html|head)", re.IGNORECASE), "a web page; fetch the file itself again"),
    (re.compile(rb"\0\x05\x16\x07"), "notes of macOS beside a file (AppleDouble, ._name); pass the file itself"),
)


def identify(data: bytes) -> type[ImageFile.ImageFile] | None:
    """Return the Pillow reader for the bytes of a file, or None for DICOM.

    Raises:
        UnreadableImageError: The bytes are empty, of a known format that is not read, or of no known format.
    """
    if not data:
        raise UnreadableImageError(f"the file is empty; expected {_ACCEPTED}")
    if _is_dicom(data):
        return None
    for signature, reader in _READERS:
        if signature.match(data):
            return reader
    if foreign := foreign_by_content(data):
        raise UnreadableImageError(f"the file is {foreign}")
    if _is_dicom_without_preamble(data):
        return None
    raise UnreadableImageError(f"not a supported image: expected {_ACCEPTED}, received bytes that begin {data[:8]!r}")


def require_dicom(data: bytes) -> None:
    """Raise `UnreadableImageError` for a file that is a picture, or nothing that is read, where slices are expected."""
    if (picture := identify(data)) is not None:
        raise UnreadableImageError(
            f"the file is a picture ({picture.format}): expected slices of a CT; pass it by itself"
        )


def kind_of_volume(start: bytes) -> str | None:
    """Say what a file of a volume is, by its first bytes, some hundred of them.

    Returns:
        NIfTI (also for whatever gzip has packed), MetaImage or NRRD; None for all else.
    """
    return next((kind for kind, signature in _VOLUMES.items() if signature.match(start)), None)


def begins_like_an_image(start: bytes) -> bool:
    """Whether the first bytes of a file, some hundred of them, are those of a format that is read."""
    return _is_dicom(start) or any(signature.match(start) for signature, _ in _READERS)


def foreign_by_content(start: bytes) -> str | None:
    """Say what a file is, where its first bytes say that it is no image but something that people know.

    Args:
        start: The first bytes, some hundred of them.

    Returns:
        What it is and what to do about it; None where it may be an image.
    """
    return next((name for signature, name in _FOREIGN if signature.match(start)), None)


def _is_dicom(start: bytes) -> bool:
    return start[128:132] == b"DICM"


def _is_dicom_without_preamble(data: bytes) -> bool:
    """Say whether bytes begin with a little-endian element of group 2, or with one of group 8 as old files do."""
    if len(data) < 140:
        return False
    group, element = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
    if group == 2:
        return element <= 0x10
    if group != 8 or element > 0x70:
        return False
    capitals = string.ascii_uppercase.encode()
    return all(byte in capitals for byte in data[4:6]) or int.from_bytes(data[4:8], "little") <= 256
