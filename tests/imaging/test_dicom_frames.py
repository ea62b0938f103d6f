"""Compressed DICOM: the same values whatever the transfer syntax, and codestreams that lie about themselves."""

import base64
import io

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import generate_frames
from pydicom.filereader import dcmread
from pydicom.pixels.decoders.base import get_decoder

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.dicom.frames import _PLUGINS
from chest_cancer.imaging.pixels import UnreadableImageError
from dicom_files import STORED, dicom, lossless_jpeg, recompressed, shipped

pytestmark = pytest.mark.filterwarnings("error")
SLICE = (STORED + 1024).astype(np.uint16)
PLAIN = dicom(SLICE, RescaleIntercept=-1024)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_lossless_compression_changes_nothing(syntax: uid.UID) -> None:
    data = dicom(SLICE, RescaleIntercept=-1024)
    dataset = dcmread(io.BytesIO(data))
    dataset.compress(syntax, generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer)

    np.testing.assert_array_equal(decode_image(buffer.getvalue()).pixels, decode_image(data).pixels)


@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1])
def test_jpeg_lossless_changes_nothing(syntax: uid.UID) -> None:
    decoded = decode_image(recompressed(lossless_jpeg(SLICE), syntax, PLAIN))

    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom()).pixels)


# 13 x + 7 y, by OpenJPH 0.26.3: nothing that we install writes High-Throughput JPEG 2000.
HIGH_THROUGHPUT = base64.b64decode(
    "/0//UQApQAAAAABAAAAAQAAAAAAAAAAAAAAAQAAAAEAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCI"
    "kJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAPgAAf+TwAArAP9//32P+I/0AoG0AMAAE0AA"
    "EwDa2gGCdAD+/gBDVADAABUwAAVIbDab/apxAnUAft/3wBCB7LYAwAAV0AAFeDRN0zRN0+fKenpwgngAvvfee+/9gAB79gAB7LoA"
    "wAAWvAABa4AYY4wxxhhjjDHG+f8Kenp6enp6cAJ9AN7d3d3d3d3d/3hnJ798nv3ye/fJ7L8AwAAulgABdOCIiIiIiIiIiIiIiIiI"
    "iIiI/r/8p6enp6enp6enp6enp6enwnUBTJIkSZIkSZIkSZIk/3/bASe/ZJ79knv2Se/ZJ79knv2Se/ZJ7LsB/9k="
)


@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K])
def test_high_throughput_jpeg_2000_changes_nothing(syntax: uid.UID) -> None:
    y, x = np.indices((64, 64))
    plain = dicom((13 * x + 7 * y).astype(np.uint16), RescaleIntercept=-1024)

    decoded = decode_image(recompressed(HIGH_THROUGHPUT, syntax, plain))

    np.testing.assert_array_equal(decoded.pixels, decode_image(plain).pixels)


@pytest.mark.parametrize("syntax", _PLUGINS)
def test_every_listed_transfer_syntax_has_its_decoder(syntax: str) -> None:
    assert _PLUGINS[syntax] in get_decoder(uid.UID(syntax)).available_plugins


def test_a_transfer_syntax_without_a_decoder_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(_PLUGINS, uid.JPEGLSLossless)

    reason = r"^no decoder for the DICOM transfer syntax JPEG-LS Lossless .*\(1\.2\.840\.10008\.1\.2\.4\.80\); save it"
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(shipped("MR_small_jpeg_ls_lossless.dcm"), any_modality=True)


def test_a_decoder_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_PLUGINS, uid.JPEGLSLossless, "of another package")

    reason = r"^the decoder of the DICOM transfer syntax JPEG-LS .* is not installed; install chest_cancer\[dicom\]$"
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(shipped("MR_small_jpeg_ls_lossless.dcm"), any_modality=True)


@pytest.mark.parametrize(
    "name",
    ["SC_rgb_jpeg_gdcm.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_dcmtk.dcm"],
)
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(name: str) -> None:
    dataset = dcmread(io.BytesIO(shipped(name)))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    data = recompressed(frame, dataset.file_meta.TransferSyntaxUID, shipped(name), Rows=400, Columns=300)

    with pytest.raises(UnreadableImageError, match=r"columns, rows and samples; expected \(300, 400, [13]\) as"):
        decode_image(data, any_modality=True)


def test_baseline_jpeg_with_a_hole_is_refused() -> None:
    source = shipped("SC_rgb_jpeg_dcmtk.dcm")
    frame = next(generate_frames(dcmread(io.BytesIO(source)).PixelData, number_of_frames=1))
    middle = len(frame) // 2

    data = recompressed(frame[:middle] + bytes(600) + frame[middle + 600 :], uid.JPEGBaseline8Bit, source)

    with pytest.raises(UnreadableImageError, match=r"JPEG Baseline .* cannot be decoded: JPEG data are damaged: "):
        decode_image(data, any_modality=True)


@pytest.mark.parametrize(
    ("where", "byte", "reason"),
    [
        (b"\xff\xc3", b"\xff\xc1", "its frame header is missing or malformed"),
        (b"\xff\xc4\0\x24\0", b"\xff\xc4\0\x24\7", "a Huffman table is malformed"),
        (b"\0\0\0\0\x11\0", b"\x02\x02\0\0\x0d\0", "a Huffman table has impossible codes"),
        (b"\xff\xda\0\x08\1\1\0\1", b"\xff\xda\0\x08\1\1\x30\1", "names a sample or a table that does not exist"),
        (b"\xff\xda\0\x08\1\1\0\1", b"\xff\xda\0\x08\1\1\0\x09", "its predictor is not one of 1 to 7"),
        (b"\1\1\x11\0", b"\1\1\x22\0", "its samples are subsampled"),
        (b"\xff\xc3\0\x0b\x10", b"\xff\xc3\0\x0b\x08", "8 bits a sample; expected as many as BitsAllocated, 16, holds"),
    ],
)
def test_a_malformed_head_of_jpeg_lossless_is_refused(where: bytes, byte: bytes, reason: str) -> None:
    frame = lossless_jpeg(SLICE)
    assert where in frame

    with pytest.raises(UnreadableImageError, match=rf"^DICOM pixels in JPEG Lossless.* cannot be decoded: .*{reason}"):
        decode_image(recompressed(frame.replace(where, byte, 1), uid.JPEGLosslessSV1, PLAIN))


def test_jpeg_ls_that_is_cut_short_is_refused() -> None:
    source = shipped("MR_small_jpeg_ls_lossless.dcm")
    frame = next(generate_frames(dcmread(io.BytesIO(source)).PixelData, number_of_frames=1))

    for length in range(100, len(frame), 500):
        with pytest.raises(UnreadableImageError, match="cut short: no end-of-image marker; save the file uncompressed"):
            decode_image(recompressed(frame[:length], uid.JPEGLSLossless, source), any_modality=True)
