"""DICOM slices: Hounsfield units, windows, colours, compression, and what is refused."""

import contextlib
import io
import logging
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.dicom import read as dicom_reader
from chest_cancer.imaging.pixels import Identifiers, UnreadableImageError
from dicom_files import STORED, dicom, shipped
from properties import examples
from volume_files import belly, phantom

pytestmark = pytest.mark.filterwarnings("error")

decode_any = partial(decode_image, any_modality=True)


# --- files that pydicom ships ----------------------------------------------------------------------------------------


def test_ct_slice_of_a_scanner_is_seen_through_the_lung_window() -> None:
    decoded = decode_image(shipped("CT_small.dcm"))
    hounsfield = dcmread(io.BytesIO(shipped("CT_small.dcm"))).pixel_array - 1024.0

    assert (decoded.mode, decoded.pixels.shape) == ("MONOCHROME2", (128, 128, 3))
    expected = np.rint(((hounsfield + 1350) * 255 / 1500).clip(0, 255))
    np.testing.assert_array_equal(decoded.pixels[..., 0], expected)


@pytest.mark.parametrize(
    "variant", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"]
)
def test_lossless_transfer_syntaxes_give_the_same_pixels(variant: str) -> None:
    plain, encoded = decode_any(shipped("MR_small.dcm")), decode_any(shipped(f"MR_small_{variant}.dcm"))

    np.testing.assert_array_equal(encoded.pixels, plain.pixels)
    assert plain.pixels.std() > 10


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("SC_rgb_rle.dcm", "RGB"),
        ("SC_rgb_rle_16bit.dcm", "RGB"),
        ("SC_rgb_rle_32bit.dcm", "RGB"),
        ("SC_rgb_gdcm_KY.dcm", "RGB"),
        ("SC_rgb_jpeg_gdcm.dcm", "RGB"),
        ("SC_rgb_jls_lossy_line.dcm", "RGB"),
        ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL"),
        ("SC_rgb_dcmtk_+eb+cy+n2.dcm", "YBR_FULL"),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", "YBR_FULL_422"),
        ("SC_ybr_full_422_uncompressed.dcm", "YBR_FULL_422"),
    ],
)
def test_colour_files_give_the_same_picture_however_they_are_stored(name: str, mode: str) -> None:
    reference, decoded = decode_any(shipped("SC_rgb_dcmtk_+eb+cr.dcm")), decode_any(shipped(name))

    assert decoded.mode == mode
    assert np.abs(decoded.pixels.astype(int) - reference.pixels)[5, 5].max() <= 2
    assert np.abs(decoded.pixels.astype(int) - reference.pixels).mean() < 3


def test_palette_colours_are_looked_up() -> None:
    decoded = decode_any(shipped("examples_palette.dcm"))
    dataset = dcmread(io.BytesIO(shipped("examples_palette.dcm")))

    assert decoded.mode == "PALETTE COLOR"
    np.testing.assert_array_equal(decoded.pixels, apply_color_lut(dataset.pixel_array, dataset) >> 8)


@pytest.mark.parametrize(
    "name", ["examples_jpeg2k.dcm", "693_J2KI.dcm", "examples_overlay.dcm", "image_dfl.dcm", "GDCMJ2K_TextGBR.dcm"]
)
def test_other_shipped_images_are_read(name: str) -> None:
    decoded = decode_any(shipped(name))

    assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
    assert decoded.pixels.std() > 10


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("examples_ybr_color.dcm", r"^30 frames; expected a single slice$"),
        ("SC_rgb_rle_2frame.dcm", r"^2 frames; expected a single slice$"),
        (
            "rtplan.dcm",
            r"^DICOM file without an image \(RT Plan Storage, no PixelData, Rows, Columns\); expected a",
        ),
        ("test-SR.dcm", r"^DICOM file without an image"),
        ("MR_truncated.dcm", r"DICOM pixels in Explicit VR Little Endian cannot be decoded: .*less than expected"),
        ("JPGExtended.dcm", r"DICOM pixels in JPEG Extended \(Process 2 and 4\) cannot be decoded: "),
        ("meta_missing_tsyntax.dcm", r"^DICOM file without a transfer syntax; save it again"),
        ("no_meta.dcm", r"^DICOM file without an image|^not a supported image: "),
        ("badVR.dcm", r"^DICOM NumberOfFrames \(0028,0008\) is 1A: expected a number; correct the element"),
    ],
)
def test_unusable_files_are_refused_with_their_reason(name: str, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode_any(shipped(name), min_side=1)


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
    decode_pixels = dicom_reader.decode_pixels

    def spy(dataset: Dataset, syntax: UID) -> tuple[NDArray[np.generic], str, int]:
        seen.append(dataset)
        return decode_pixels(dataset, syntax)

    monkeypatch.setattr(dicom_reader, "decode_pixels", spy)
    decode_image(dicom(PatientName="Doe^Jane", PatientID="4711", StudyDate="19700101"))

    assert {element.tag.group for element in seen[0]} <= {0x0008, 0x0028, 0x7FE0}
    assert [element.keyword for element in seen[0].group_dataset(0x0008)] == ["SOPClassUID", "Modality"]


def test_identifiers_are_read_where_they_are_asked_for_and_never_shown() -> None:
    data = dicom(PatientID="Jane Doe ", StudyInstanceUID="1.2.3", PatientName="Doe^Jane")

    found = decode_image(data, with_identifiers=True).identifiers

    assert found == Identifiers("Jane Doe", "1.2.3", "")
    assert repr(found) == "Identifiers()"
    assert decode_image(data).identifiers is None


def test_nothing_of_a_malformed_file_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    padded = STORED.tobytes() + bytes(2)  # pydicom logs a warning about the excess.
    data = dicom(PatientName="Doe^Jane", PatientBirthDate="19700101", PixelData=padded)
    data = data.replace(b"19700101", b"Doe^Jane")

    decoded = decode_image(data)
    with pytest.raises(UnreadableImageError, match="PhotometricInterpretation") as refused:
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
    "JPEG-LS": shipped("MR_small_jpeg_ls_lossless.dcm"),
    "JPEG Lossless": shipped("SC_rgb_jpeg_gdcm.dcm"),
    "no preamble": dicom()[132:],
    "deflated": dicom(syntax=DeflatedExplicitVRLittleEndian),
}


@pytest.mark.parametrize("name", WHOLE_FILES)
@examples(25, 200)
@given(st.data())
def test_damaged_files_decode_or_are_refused(name: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE_FILES[name])
    for _ in range(data.draw(st.integers(0, 6))):
        where = data.draw(st.integers(0, len(damaged) - 1) | st.integers(132, min(len(damaged) - 1, 2000)))
        damaged[where] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(UnreadableImageError):
            decoded = decode_any(bytes(damaged[:end]), max_pixels=1_000_000, min_side=1)
            assert decoded.pixels.dtype == np.uint8
            assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
    assert [str(warning.message) for warning in caught] == []


@examples(50, 500)
@given(st.binary(max_size=300))
def test_random_bytes_after_the_preamble_are_refused(tail: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode_image(bytes(128) + b"DICM" + tail)


# --- attributes ------------------------------------------------------------------------------------------------------


def test_attributes_of_patient_scanner_and_site_are_read_where_somebody_asks() -> None:
    data = dicom(
        PatientSex="F", PatientAge="057Y", PatientWeight="71", Manufacturer="Maker", ManufacturerModelName="Scan 64",
        ConvolutionKernel="B30f", SliceThickness="1.250", InstitutionName="A Hospital",
    )  # fmt: skip

    assert decode_image(data, with_identifiers=True).attributes == {
        "sex": "F", "age": "057Y", "scanner": "Maker Scan 64", "kernel": "B30f", "slice thickness (mm)": "1.250",
        "site": "A Hospital",
    }  # fmt: skip
    assert decode_image(data).attributes == {}
    assert "A Hospital" not in repr(decode_image(data, with_identifiers=True))


def test_no_picture_is_refused_for_a_malformed_attribute() -> None:
    data = dicom(SliceThickness="5.0", PatientAge="057Y", ConvolutionKernel="B30f")
    for good, bad in ((b"5.0 ", b"a\xff\\b"), (b"057Y", b"\xff\xfe\0\\"), (b"B30f", b"\\\\\\\\")):
        assert data.count(good) == 1
        data = data.replace(good, bad)

    decoded = decode_image(data, with_identifiers=True)

    assert all(isinstance(text, str) for text in decoded.attributes.values())
    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom()).pixels)


def test_another_part_of_the_body_is_refused_by_its_value() -> None:
    tissue = belly(STORED)
    for part in ("HEAD", "ABDOMEN"):
        reason = rf"^DICOM BodyPartExamined \(0018,0015\) is {part}, and the slice shows no lung: expected the"
        with pytest.raises(UnreadableImageError, match=reason):
            decode_image(dicom(tissue, BodyPartExamined=part))
    hand = dicom(Modality="DX", BodyPartExamined="HAND")
    with pytest.raises(
        UnreadableImageError, match=r"BodyPartExamined \(0018,0015\) is HAND: expected the chest; leave"
    ):
        decode_image(hand)

    assert decode_image(hand, any_modality=True).format == "DICOM"


@pytest.mark.parametrize("part", ["CHEST", "CHEST_ABDOMEN", "CHESTABDPELVIS", "THORAX", "LUNG", "WHOLEBODY", "", None])
def test_a_slice_of_the_chest_may_show_no_lung(part: str | None) -> None:
    elements = {} if part is None else {"BodyPartExamined": part}

    assert decode_image(dicom(belly(STORED), **elements)).hounsfield is not None


def test_lungs_that_are_seen_win_over_a_wrong_part_of_the_body() -> None:
    assert decode_image(dicom(phantom(3), BodyPartExamined="ABDOMEN")).hounsfield is not None
