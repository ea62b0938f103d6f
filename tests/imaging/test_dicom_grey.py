"""DICOM grey: Hounsfield units and the one window of CT; LUTs and windows of the rest; what is no slice."""

import io
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import UnreadableImageError
from dicom_files import STORED, dicom, grey_at, shipped
from volume_files import compress

pytestmark = pytest.mark.filterwarnings("error")


def look_up_table(values: NDArray[np.integer], first: int, bits: int) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values) % 65536, first, bits])
    item.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    item.ModalityLUTType = "US"
    return Sequence([item])


def groups(**sequences: Mapping[str, object]) -> Sequence:
    group = Dataset()
    for name, elements in sequences.items():
        item = Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(group, name, Sequence([item]))
    return Sequence([group])


def through_lung_window(hounsfield: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.rint(((hounsfield + 1350.0) * 255 / 1500).clip(0, 255))


def as_pydicom_has_it(data: bytes) -> NDArray[np.float64]:
    dataset = dcmread(io.BytesIO(data))
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    return np.asarray(values, np.float64)


# --- bits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.RLELossless])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_values_are_read_from_the_bits_that_hold_them(high: int, syntax: uid.UID, signed: bool) -> None:
    rescale = {"RescaleIntercept": 0 if signed else -1024}
    values = STORED if signed else (STORED + 1024).astype(np.uint16)
    plain = dicom(values, BitsStored=12, HighBit=11, **rescale)
    shifted = dicom(values << (high - 11), BitsStored=12, HighBit=high, **rescale)

    found = decode_image(compress(shifted, syntax) if syntax == uid.RLELossless else shifted)

    np.testing.assert_array_equal(found.hounsfield, decode_image(plain).hounsfield)
    np.testing.assert_array_equal(found.hounsfield, STORED)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        (
            {"BitsStored": 16, "HighBit": 11},
            r"HighBit \(0028,0102\) is 11: expected 15, one less than BitsStored",
        ),
        ({"BitsStored": 12, "HighBit": 19}, r"HighBit \(0028,0102\) is 19: expected 11"),
        ({"BitsStored": 12, "HighBit": 15}, "there are values below bit 4, where they begin by HighBit"),
    ],
)
def test_a_highest_bit_that_can_not_be_is_refused(elements: dict[str, object], reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(dicom(**elements))


def test_what_was_compressed_has_its_highest_bit_where_bits_stored_ends() -> None:
    data = compress(dicom((STORED + 1024).astype(np.uint16), RescaleIntercept=-1024), uid.JPEGLosslessSV1)
    dataset = dcmread(io.BytesIO(data))
    dataset.BitsStored = 12
    buffer = io.BytesIO()
    dataset.save_as(buffer)

    with pytest.raises(UnreadableImageError, match="is 15: expected 11"):
        decode_image(buffer.getvalue())


# --- CT --------------------------------------------------------------------------------------------------------------


def test_ct_is_seen_through_the_lung_window() -> None:
    decoded = decode_image(dicom())

    assert decoded.scaling == "HU"
    assert (decoded.pixels == decoded.pixels[..., :1]).all()
    assert [grey_at(decoded, hu) for hu in (-1000, -600, 150, 500)] == [60, 128, 255, 255]


@pytest.mark.parametrize("window", [(40, 400), (-600, 1500), (300, 1500), ([40, -600], [400, 1500])])
def test_the_window_of_a_file_changes_no_ct_slice(window: tuple[object, object]) -> None:
    decoded = decode_image(dicom(WindowCenter=window[0], WindowWidth=window[1]))

    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom()).pixels)


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.5, -200), (2, -210.5)])
def test_rescale_is_that_of_pydicom(slope: float, intercept: float) -> None:
    stored = (STORED + 1024).astype(np.uint16)

    decoded = decode_image(dicom(stored, RescaleSlope=slope, RescaleIntercept=intercept))

    np.testing.assert_array_equal(decoded.pixels[..., 0], through_lung_window(stored.astype(float) * slope + intercept))


def test_enhanced_ct_is_rescaled_by_its_functional_groups() -> None:
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
    shared = groups(
        PixelValueTransformationSequence=rescale, FrameVOILUTSequence={"WindowCenter": 40, "WindowWidth": 400}
    )
    elements = {"SOPClassUID": uid.EnhancedCTImageStorage, "NumberOfFrames": 1}
    stored = (STORED + 1024).astype(np.uint16)

    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        data = dicom(stored, RescaleSlope=None, RescaleIntercept=None, **elements, **{keyword: shared})

        np.testing.assert_array_equal(decode_image(data).pixels, decode_image(dicom()).pixels)


@pytest.mark.parametrize("text", [b"-1024,", b"-1024 ", b"-1024;"])
def test_a_number_with_something_behind_it_is_read(text: bytes) -> None:
    stored = (STORED + 1024).astype(np.uint16)
    data = dicom(stored, RescaleIntercept="-10245").replace(b"-10245", text.ljust(6))

    np.testing.assert_array_equal(decode_image(data).pixels, decode_image(dicom()).pixels)


@pytest.mark.parametrize("text", [b"-1,024", b"minus1", b"1e9999"])
def test_what_is_no_number_is_refused_with_element_value_and_cure(text: bytes) -> None:
    data = dicom(RescaleIntercept="-10245").replace(b"-10245", text)

    reason = (
        rf"^DICOM RescaleIntercept \(0028,1052\) is {text.decode()}: expected a number; correct the element, or save"
    )
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(data)


def test_a_slope_of_zero_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match=r"^DICOM RescaleSlope \(0028,1053\) is 0: expected another number"):
        decode_image(dicom(RescaleSlope=0))


def test_ct_without_rescale_is_recognised_where_it_holds_hounsfield_units() -> None:
    decoded = decode_image(dicom(RescaleSlope=None, RescaleIntercept=None))

    assert decoded.scaling == "HU"
    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom()).pixels)


def test_ct_without_rescale_is_refused_where_it_does_not() -> None:
    data = dicom((STORED + 1024).astype(np.uint16), RescaleSlope=None, RescaleIntercept=None)

    reason = (
        r"^DICOM CT slice without RescaleSlope \(0028,1053\) and RescaleIntercept \(0028,1052\), and its values, 24 to "
    )
    with pytest.raises(
        UnreadableImageError, match=reason + r"1623, are no Hounsfield units; add them, or save the file"
    ):
        decode_image(data)


@pytest.mark.parametrize("rescale", [True, False])
def test_padding_is_air(rescale: bool) -> None:
    stored = STORED.copy()
    stored[:5] = -2000
    missing = {} if rescale else {"RescaleSlope": None, "RescaleIntercept": None}

    declared = decode_image(dicom(stored, PixelPaddingValue=-2000, **missing))
    silent = decode_image(dicom(stored, **missing))

    assert (declared.pixels[:5] == 60).all()
    np.testing.assert_array_equal(declared.pixels[5:], decode_image(dicom()).pixels[5:])
    np.testing.assert_array_equal(silent.pixels, declared.pixels)


def test_a_range_of_padding_is_air() -> None:
    decoded = decode_image(dicom(PixelPaddingValue=500, PixelPaddingRangeLimit=599))

    assert [grey_at(decoded, hu) for hu in (499, 500, 599)] == [255, 60, 60]


def test_air_is_dark_whatever_the_photometric_interpretation() -> None:
    np.testing.assert_array_equal(
        decode_image(dicom(PhotometricInterpretation="MONOCHROME1")).pixels, decode_image(dicom()).pixels
    )


def test_absurd_rescale_does_not_overflow_into_a_warning() -> None:
    assert decode_image(dicom(RescaleSlope="1e305", RescaleIntercept="-1e305")).pixels.shape == (40, 40, 3)


# --- radiographs -----------------------------------------------------------------------------------------------------


def test_window_of_a_radiograph_is_applied() -> None:
    decoded = decode_image(
        dicom(STORED + 1024, Modality="DX", RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    )

    assert (decoded.format, decoded.mode, decoded.scaling) == ("DICOM", "MONOCHROME2", "window of the file")
    assert [grey_at(decoded, value) for value in (-160, -158, 40, 239)] == [0, 1, 128, 255]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_pydicom(function: str) -> None:
    data = dicom(
        Modality="CR", RescaleSlope=1, RescaleIntercept=0, WindowCenter=30, WindowWidth=700, VOILUTFunction=function
    )
    expected = as_pydicom_has_it(data)

    assert np.abs(decode_image(data).pixels[..., 0] - (expected + 32768) / 65535 * 255).max() <= 0.51


def test_first_of_several_windows_is_used() -> None:
    several = decode_image(dicom(Modality="CR", WindowCenter=[-600, 40], WindowWidth=[1500, 400]))

    single = decode_image(dicom(Modality="CR", WindowCenter=-600, WindowWidth=1500))
    np.testing.assert_array_equal(several.pixels, single.pixels)


@pytest.mark.parametrize("width", [0, -5, 1], ids=["zero", "negative", "one"])
def test_unusable_window_is_ignored(width: int) -> None:
    decoded = decode_image(dicom(Modality="DX", WindowCenter=40, WindowWidth=width))

    assert decoded.scaling == "percentiles 0.5 to 99.5"
    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom(Modality="DX")).pixels)


@pytest.mark.parametrize("first", [0, -1000, 100])
def test_voi_lut_is_that_of_pydicom(first: int) -> None:
    curve = np.rint(4095 * np.linspace(0, 1, 1600) ** 2)
    data = dicom(
        Modality="DX", RescaleSlope=None, RescaleIntercept=None, VOILUTSequence=look_up_table(curve, first, 12)
    )

    decoded = decode_image(data)

    assert decoded.scaling == "VOI LUT"
    np.testing.assert_array_equal(decoded.pixels[..., 0], np.rint(as_pydicom_has_it(data) * 255 / 4095))


def test_modality_lut_is_that_of_pydicom() -> None:
    curve = np.linspace(0, 65535, 1600).round()[::-1]
    data = dicom(
        (STORED + 1000).astype(np.uint16), Modality="CR", RescaleSlope=None, RescaleIntercept=None,
        ModalityLUTSequence=look_up_table(curve, 0, 16), WindowCenter=30000, WindowWidth=40000,
    )  # fmt: skip

    decoded = decode_image(data)

    assert np.abs(decoded.pixels[..., 0] - as_pydicom_has_it(data) / 65535 * 255).max() <= 0.51


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_broken_lut_is_refused_by_its_name(keyword: str) -> None:
    table = look_up_table(np.arange(10), 0, 16)
    table[0].LUTDescriptor = [5000, 0, 16]

    with pytest.raises(UnreadableImageError, match=rf"^DICOM {keyword} \(0028,3.*\) can't be applied: .*; correct the"):
        decode_image(dicom(Modality="CR", **{keyword: table}))


def test_monochrome1_of_a_radiograph_is_inverted() -> None:
    positive = decode_image(dicom(Modality="DX"))
    negative = decode_image(dicom(Modality="DX", PhotometricInterpretation="MONOCHROME1"))

    assert negative.mode == "MONOCHROME1"
    np.testing.assert_array_equal(negative.pixels, 255 - positive.pixels)


def test_padding_of_a_radiograph_neither_stretches_nor_shines() -> None:
    stored = STORED.copy()
    stored[:5] = 30000

    decoded = decode_image(dicom(stored, Modality="DX", PixelPaddingValue=30000))

    assert not decoded.pixels[:5].any()
    assert decoded.pixels[5:].std() > 50


# --- what is no slice ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "MR"}, r"DICOM Modality \(0008,0060\) is MR: expected one of CT, CR, DX; leave it out, or save"),
        ({"Modality": "PT"}, r"DICOM Modality \(0008,0060\) is PT"),
        (
            {"SOPClassUID": uid.SecondaryCaptureImageStorage},
            r"DICOM SOPClassUID \(0008,0016\) is Secondary Capture Image Storage: expected a CT or X-ray image",
        ),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            r"DICOM ImageType \(0008,0008\) is ORIGINAL\\PRIMARY\\LOCALIZER: expected a slice; leave it out",
        ),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, r"DICOM ImageType .*SCREEN SAVE: expected a slice"),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
            r"DICOM ImageOrientationPatient \(0020,0037\) is coronal, 1\.0\\0.*: expected an axial slice; leave it out",
        ),
        (
            {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
            r"DICOM ImageOrientationPatient \(0020,0037\) is sagittal, 0",
        ),
        ({"RescaleType": "Z_EFF"}, r"DICOM RescaleType \(0028,1054\) is Z_EFF: expected Hounsfield units \(HU\)"),
    ],
)
def test_what_is_no_slice_is_refused_with_element_and_value(elements: dict[str, object], reason: str) -> None:
    data = dicom(**elements)

    with pytest.raises(UnreadableImageError, match=f"^{reason}"):
        decode_image(data)
    assert decode_image(data, any_modality=True).pixels.any()


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 0.966, 0.259], [-1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], None])
def test_tilted_and_turned_slices_are_axial_and_what_says_nothing_is_taken(orientation: list[float] | None) -> None:
    elements = {} if orientation is None else {"ImageOrientationPatient": orientation}
    assert decode_image(dicom(**elements)).hounsfield is not None


def test_colour_under_the_modality_of_ct_is_a_screen() -> None:
    colours = {"Columns": 40, "SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    data = dicom(np.zeros((40, 120), np.uint8), **colours)

    with pytest.raises(UnreadableImageError, match=r"^DICOM PhotometricInterpretation \(0028,0004\) is RGB: expected"):
        decode_image(data)


@pytest.mark.parametrize("rescale_type", ["HU", "US", "Houndsfield Unit"])
def test_scanners_spell_hounsfield_units_as_they_like(rescale_type: str) -> None:
    assert decode_image(dicom(RescaleType=rescale_type)).scaling == "HU"


def test_a_file_that_says_nothing_of_its_kind_is_read() -> None:
    decoded = decode_image(dicom(Modality=None, SOPClassUID=None))

    np.testing.assert_array_equal(decoded.pixels, decode_image(dicom()).pixels)


def test_shipped_magnetic_resonance_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match="is MR"):
        decode_image(shipped("MR_small.dcm"))


# --- what other programs write ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "intercept"),
    [(STORED + 1024, 0), (np.arange(1600).reshape(40, 40) % 256, 0), (np.arange(1600).reshape(40, 40) % 256, -1024)],
    ids=["HU + 1024", "grey", "grey under its old rescale"],
)
def test_a_rescale_by_which_a_slice_shows_no_body_is_not_that_of_its_values(
    stored: NDArray[np.int64], intercept: int
) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(dicom(stored.astype(np.uint16), RescaleSlope=1, RescaleIntercept=intercept))

    assert str(caught.value) == (
        f"DICOM CT slice whose values, {stored.min() + intercept} to {stored.max() + intercept} by its rescale, are no "
        "Hounsfield units: those of a body go from below 0 to above -200; correct RescaleSlope (0028,1053) and "
        "RescaleIntercept (0028,1052), or save the file as PNG"
    )


@pytest.mark.parametrize("limit", [{}, {"PixelPaddingRangeLimit": -1900}])
@pytest.mark.parametrize("signed", [True, False])
def test_padding_of_files_that_leave_types_unsaid_is_air(limit: dict[str, int], signed: bool) -> None:
    stored = STORED.copy()
    stored[:5] = -2000
    shift = 0 if signed else 2000
    elements = {name: value + shift for name, value in (limit | {"PixelPaddingValue": -2000}).items()}
    shifted = (stored + shift).astype(np.int16 if signed else np.uint16)

    decoded = decode_image(dicom(shifted, uid.ImplicitVRLittleEndian, RescaleIntercept=-shift, **elements))

    assert (decoded.pixels[:5] == 60).all()
    np.testing.assert_array_equal(decoded.pixels[5:], decode_image(dicom()).pixels[5:])
