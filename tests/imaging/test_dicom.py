"""DICOM slices: Hounsfield units, windows, colours, compression, and what is refused."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid

from chest_cancer.imaging import dicom as dicom_reader
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import DecodedImage, UnreadableImageError

pytestmark = pytest.mark.filterwarnings("error")

STORED = np.arange(-1000, 600, dtype=np.int16).reshape(40, 40)


def shipped(name: str) -> bytes:
    """The bytes of a file that comes inside the pydicom package."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str), f"pydicom does not ship {name}"
    return Path(path).read_bytes()


def dicom(stored: NDArray[np.generic] = STORED, syntax: UID = ExplicitVRLittleEndian, **elements: object) -> bytes:
    """A CT slice of signed or unsigned stored values; keywords add or replace elements, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "CT"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def grey_at(decoded: DecodedImage, hounsfield: int, stored: NDArray[np.int16] = STORED) -> int:
    return int(decoded.pixels[stored == hounsfield][0, 0])


# --- grey ------------------------------------------------------------------------------------------------------------


def test_window_of_the_file_is_applied_to_hounsfield_units() -> None:
    decoded = decode_image(dicom(STORED + 1024, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400))

    assert (decoded.format, decoded.mode, decoded.width, decoded.height) == ("DICOM", "MONOCHROME2", 40, 40)
    assert (decoded.pixels == decoded.pixels[..., :1]).all()
    assert grey_at(decoded, -160) == 0
    assert grey_at(decoded, -158) == 1
    assert grey_at(decoded, 40) == 128
    assert grey_at(decoded, 239) == 255


def test_slope_is_applied() -> None:
    halved = decode_image(dicom(STORED, RescaleSlope=0.5, WindowCenter=0.5, WindowWidth=201))

    assert [grey_at(halved, stored) for stored in (-200, 0, 200)] == [0, 128, 255]


def test_first_of_several_windows_is_used() -> None:
    several = decode_image(dicom(WindowCenter=[-600, 40], WindowWidth=[1500, 400]))

    np.testing.assert_array_equal(several.pixels, decode_image(dicom(WindowCenter=-600, WindowWidth=1500)).pixels)


@pytest.mark.parametrize("width", [0, -5, 1], ids=["zero", "negative", "one"])
def test_unusable_window_is_ignored(width: int) -> None:
    decoded = decode_image(dicom(WindowCenter=40, WindowWidth=width))

    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom()).pixels)


def test_ct_without_a_window_is_seen_through_the_lung_window() -> None:
    decoded = decode_image(dicom())

    assert [grey_at(decoded, hu) for hu in (-1000, -600, 150, 500)] == [60, 128, 255, 255]


def test_ct_without_a_rescale_is_no_hounsfield_image_and_is_stretched() -> None:
    decoded = decode_image(dicom(RescaleSlope=None, RescaleIntercept=None))

    assert (grey_at(decoded, -1000), grey_at(decoded, 599)) == (0, 255)


def test_other_modalities_are_stretched_from_minimum_to_maximum() -> None:
    decoded = decode_image(dicom(Modality="MR"))

    np.testing.assert_array_equal(decoded.pixels[..., 0], np.rint((STORED + 1000.0) * 255 / 1599))


def test_linear_exact_window_spans_its_whole_width() -> None:
    decoded = decode_image(dicom(WindowCenter=0, WindowWidth=200, VOILUTFunction="LINEAR_EXACT"))

    assert [grey_at(decoded, hu) for hu in (-100, 0, 100)] == [0, 128, 255]


def test_sigmoid_window_follows_its_curve() -> None:
    decoded = decode_image(dicom(WindowCenter=0, WindowWidth=200, VOILUTFunction="SIGMOID"))

    assert [grey_at(decoded, hu) for hu in (-1000, -100, 0, 100)] == [0, 30, 128, 225]


def test_monochrome1_is_inverted() -> None:
    positive, negative = decode_image(dicom()), decode_image(dicom(PhotometricInterpretation="MONOCHROME1"))

    assert negative.mode == "MONOCHROME1"
    np.testing.assert_array_equal(negative.pixels, 255 - positive.pixels)


def test_constant_slice_becomes_zeros() -> None:
    assert not decode_image(dicom(np.full((40, 40), 7, np.uint8), Modality="OT")).pixels.any()


def test_absurd_rescale_does_not_overflow_into_a_warning() -> None:
    assert decode_image(dicom(RescaleSlope="1e300", RescaleIntercept="1e308")).pixels.shape == (40, 40, 3)


# --- files that pydicom ships ----------------------------------------------------------------------------------------


def test_ct_slice_of_a_scanner_is_seen_through_the_lung_window() -> None:
    decoded = decode_image(shipped("CT_small.dcm"))
    hounsfield = dcmread(io.BytesIO(shipped("CT_small.dcm"))).pixel_array - 1024.0

    assert (decoded.mode, decoded.pixels.shape) == ("MONOCHROME2", (128, 128, 3))
    expected = np.rint(((hounsfield + 1350) * 255 / 1500).clip(0, 255))
    np.testing.assert_array_equal(decoded.pixels[..., 0], expected)


@pytest.mark.parametrize("variant", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded"])
def test_lossless_transfer_syntaxes_give_the_same_pixels(variant: str) -> None:
    plain, encoded = decode_image(shipped("MR_small.dcm")), decode_image(shipped(f"MR_small_{variant}.dcm"))

    np.testing.assert_array_equal(encoded.pixels, plain.pixels)
    assert plain.pixels.std() > 10


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("SC_rgb_rle.dcm", "RGB"),
        ("SC_rgb_rle_16bit.dcm", "RGB"),
        ("SC_rgb_rle_32bit.dcm", "RGB"),
        ("SC_rgb_gdcm_KY.dcm", "RGB"),
        ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL"),
        ("SC_rgb_dcmtk_+eb+cy+n2.dcm", "YBR_FULL"),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", "YBR_FULL_422"),
        ("SC_ybr_full_422_uncompressed.dcm", "YBR_FULL_422"),
    ],
)
def test_colour_files_give_the_same_picture_however_they_are_stored(name: str, mode: str) -> None:
    reference, decoded = decode_image(shipped("SC_rgb_dcmtk_+eb+cr.dcm")), decode_image(shipped(name))

    assert decoded.mode == mode
    assert np.abs(decoded.pixels.astype(int) - reference.pixels)[5, 5].max() <= 2
    assert np.abs(decoded.pixels.astype(int) - reference.pixels).mean() < 3


def test_palette_colours_are_looked_up() -> None:
    decoded = decode_image(shipped("examples_palette.dcm"))
    dataset = dcmread(io.BytesIO(shipped("examples_palette.dcm")))

    assert decoded.mode == "PALETTE COLOR"
    np.testing.assert_array_equal(decoded.pixels, apply_color_lut(dataset.pixel_array, dataset) >> 8)


@pytest.mark.parametrize("name", ["examples_jpeg2k.dcm", "693_J2KI.dcm", "examples_overlay.dcm", "image_dfl.dcm"])
def test_other_shipped_images_are_read(name: str) -> None:
    decoded = decode_image(shipped(name))

    assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
    assert decoded.pixels.std() > 10


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("examples_ybr_color.dcm", r"^30 frames; expected a single slice$"),
        ("SC_rgb_rle_2frame.dcm", r"^2 frames; expected a single slice$"),
        ("rtplan.dcm", r"^DICOM file without an image \(no PixelData, Rows, Columns\); expected a CT slice$"),
        ("test-SR.dcm", r"^DICOM file without an image"),
        ("MR_truncated.dcm", r"DICOM pixels in Explicit VR Little Endian cannot be decoded: .*less than expected"),
        ("JPGExtended.dcm", r"DICOM pixels in JPEG Extended \(Process 2 and 4\) cannot be decoded: "),
        ("meta_missing_tsyntax.dcm", r"^DICOM file without a transfer syntax; save it again"),
        ("no_meta.dcm", r"^not a supported image: "),
    ],
)
def test_unusable_files_are_refused_with_their_reason(name: str, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(shipped(name), min_side=1)


@pytest.mark.skipif(get_decoder("1.2.840.10008.1.2.4.80").is_available, reason="a JPEG-LS decoder is installed")
def test_compression_without_a_decoder_is_refused_by_its_name() -> None:
    reason = r"^no decoder for the DICOM transfer syntax JPEG-LS Lossless .*\(1\.2\.840\.10008\.1\.2\.4\.80\); save it"

    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(shipped("MR_small_jpeg_ls_lossless.dcm"))


def test_unknown_transfer_syntax_is_refused_by_its_number() -> None:
    data = dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")

    with pytest.raises(
        UnreadableImageError, match=r"no decoder for the DICOM transfer syntax 1\.2\.840\.10008\.1\.2\.9"
    ):
        decode_image(data)


def test_huge_rows_and_columns_are_refused_before_decoding() -> None:
    with pytest.raises(UnreadableImageError, match=r"^20000 x 20000 pixels exceed the limit of 64,000,000$"):
        decode_image(dicom(Rows=20_000, Columns=20_000))


def test_too_small_a_slice_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match=r"^1 x 1 pixels; expected at least 32 on each side$"):
        decode_image(dicom(Rows=1, Columns=1))


def test_deflated_file_is_inflated_only_up_to_a_limit() -> None:
    data = dicom(np.zeros((1000, 1000), np.uint8), syntax=DeflatedExplicitVRLittleEndian)
    assert len(data) < 5000

    with pytest.raises(UnreadableImageError, match=r"^deflated DICOM file exceeds 400,000 bytes when inflated$"):
        decode_image(data, max_pixels=100_000)


def test_unsupported_colour_space_is_refused() -> None:
    data = dicom(np.zeros((40, 40), np.uint8), PhotometricInterpretation="HSV")

    with pytest.raises(UnreadableImageError, match="DICOM"):
        decode_image(data)


def test_patient_data_is_skipped_when_a_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Dataset] = []
    decode_pixels = dicom_reader._decode_pixels

    def spy(dataset: Dataset, syntax: UID) -> tuple[NDArray[np.generic], str, int]:
        seen.append(dataset)
        return decode_pixels(dataset, syntax)

    monkeypatch.setattr(dicom_reader, "_decode_pixels", spy)
    decode_image(dicom(PatientName="Doe^Jane", PatientID="4711", StudyDate="19700101"))

    assert {element.tag.group for element in seen[0]} <= {0x0008, 0x0028, 0x7FE0}
    assert [element.keyword for element in seen[0].group_dataset(0x0008)] == ["Modality"]


def test_nothing_of_a_malformed_file_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    padded = STORED.tobytes() + bytes(2)  # pydicom logs a warning about the excess.
    data = dicom(PatientName="Doe^Jane", PatientBirthDate="19700101", PixelData=padded)
    data = data.replace(b"19700101", b"Doe^Jane")

    decoded = decode_image(data)
    with pytest.raises(UnreadableImageError, match="Photometric Interpretation") as refused:
        decode_image(data.replace(b"MONOCHROME2", b"NONOCHROME2"))

    assert "Doe" not in repr(decoded) + str(refused.value)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("pydicom")] == []


# --- anything at all -------------------------------------------------------------------------------------------------

WHOLE_FILES = {
    "own": dicom(WindowCenter=40, WindowWidth=400),
    "RLE": shipped("MR_small_RLE.dcm"),
    "JPEG 2000": shipped("MR_small_jp2klossless.dcm"),
    "JPEG": shipped("SC_rgb_jpeg_dcmtk.dcm"),
    "big-endian": shipped("MR_small_bigendian.dcm"),
    "deflated": dicom(syntax=DeflatedExplicitVRLittleEndian),
}


@pytest.mark.parametrize("name", WHOLE_FILES)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damaged_files_decode_or_are_refused(name: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE_FILES[name])
    for _ in range(data.draw(st.integers(0, 6))):
        where = data.draw(st.integers(132, len(damaged) - 1) | st.integers(132, min(len(damaged) - 1, 2000)))
        damaged[where] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(UnreadableImageError):
            decoded = decode_image(bytes(damaged[:end]), max_pixels=1_000_000, min_side=1)
            assert decoded.pixels.dtype == np.uint8
            assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
    assert [str(warning.message) for warning in caught] == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_after_the_preamble_are_refused(tail: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode_image(bytes(128) + b"DICM" + tail)
