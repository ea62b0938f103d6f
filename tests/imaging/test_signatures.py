"""Formats that are refused by their name, with the cure, and DICOM that is known without a preamble."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.signatures import identify
from dicom_files import dicom
from properties import examples


def saved(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    if arrays:
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # NumPy types `allow_pickle` among them
    else:
        np.save(buffer, np.zeros((2, 40, 40)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer.*`git lfs pull`"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC, which is not read; save it as PNG or JPEG"),
        (b"\xff\x0a" + bytes(99), "JPEG XL, which is not read; save it as PNG or JPEG"),
        (b"\x5c\x01\0\0" + bytes(340) + b"n+1\0" + bytes(999), "a NIfTI volume; save its axial slices as DICOM or PNG"),
        (
            gzip.compress(bytes(999), mtime=0),
            r"compressed with gzip .*\.nii\.gz, are\); unpack it, or save its axial slices",
        ),
        (b"NRRD0005\n", "an NRRD volume; save its axial slices as DICOM or PNG"),
        (b"ObjectType = Image\nNDims = 3\n", "a MetaImage .* volume; save its axial slices as DICOM or PNG"),
        (saved(), r"a NumPy array \(\.npy\); save its images as PNG, one a file"),
        (saved(x=np.zeros(3)), r"NumPy arrays \(\.npz\); save them as PNG, one a file"),
        (b"PK\x03\x04" + bytes(99), "a zip archive; unpack it and pass the images inside"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file; save its images as PNG"),
        (b"%PDF-1.7", "a PDF document; save its picture as PNG"),
        (b"outs:\n- md5: 00\n", "a pointer of DVC, not the file itself; fetch it with `dvc pull`"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7-Zip archive; unpack it and pass the images inside"),
        (b"Rar!\x1a\x07\x00" + bytes(99), "a RAR archive; unpack it and pass the images inside"),
        (b"\n<!DOCTYPE html><html>", "a web page; fetch the file itself again"),
        (b"\0\x05\x16\x07" + bytes(99), "notes of macOS beside a file"),
    ],
)
def test_a_known_format_that_is_not_read_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=f"^the file is {reason}"):
        decode_image(data)


def test_tiff_of_sixty_four_bit_floats_is_refused_with_the_cure() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((40, 40), np.float32)).save(buffer, "TIFF")
    data = buffer.getvalue().replace(b"\x02\x01\x03\0\x01\0\0\0\x20\0", b"\x02\x01\x03\0\x01\0\0\0\x40\0")

    with pytest.raises(UnreadableImageError, match=r"^TIFF of a pixel type that is not read .*; save it with 8 or 16"):
        decode_image(data)


def test_dicom_is_known_without_preamble() -> None:
    data = dicom()

    assert identify(data) is None
    assert identify(data[132:]) is None
    np.testing.assert_array_equal(decode_image(data[132:]).pixels, decode_image(data).pixels)


@examples(100, 2000)
@given(st.binary(min_size=140, max_size=300))
def test_random_bytes_are_not_taken_for_dicom(data: bytes) -> None:
    # Hypothesis likes zeros and small numbers, of which elements are made: those aside, nothing random is DICOM.
    if data[:1] not in (b"\x02", b"\x08"):
        with pytest.raises(UnreadableImageError):
            decode_image(data)
