"""Series of DICOM slices: sorted by position alone, and what is doubled, missing, mixed or of another plane."""

import io
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import ImplicitVRLittleEndian

from chest_cancer.imaging.decoding import without_identifiers
from chest_cancer.imaging.pixels import Identifiers
from chest_cancer.imaging.volumes.series import Slice, sort_slices
from chest_cancer.imaging.volumes.volume import Limits
from dicom_files import dicom, shipped
from volume_files import (
    AXIAL,
    LIMITS,
    STEP,
    Files,
    Study,
    ct_slice,
    enhanced,
    heights,
    opener,
    read_study,
    series,
    stack,
)

SLICES = stack()
HEIGHTS = heights(len(SLICES))
CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
OBLIQUE = (1, 0, 0, 0, float(np.sqrt(0.5)), float(np.sqrt(0.5)))


def study_of(files: Files, limits: Limits = LIMITS) -> Study:
    return read_study(files, opener(files), limits)


def kinds(study: Study) -> list[str]:
    return [note.kind for volume in study.volumes for note in volume.notes]


def whole(**elements: object) -> Files:
    """All slices under names in order of their heights."""
    return {f"{number}": ct_slice(SLICES[number], HEIGHTS[number], **elements) for number in range(len(SLICES))}


# --- in order --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("down", [1, -1], ids=["from the feet", "turned over"])
def test_slices_know_the_file_that_they_came_from_and_its_window(down: int) -> None:
    orientation = [1, 0, 0, 0, down, 0]
    files = {
        f"{number}": ct_slice(
            slice_[::down], HEIGHTS[number], ImageOrientationPatient=orientation, WindowCenter=number, WindowWidth=9
        )
        for number, slice_ in enumerate(SLICES)
    }

    (volume,) = study_of(files).volumes

    assert [origin.file for origin in volume.origins] == [f"{number}" for number in range(len(SLICES))]
    image = volume.image(5)
    np.testing.assert_array_equal(image.hounsfield, SLICES[5])
    assert (image.own_window, image.scaling, image.pixels.shape) == ((5, 9), "HU", (*SLICES[5].shape, 3))


def test_frames_of_one_file_are_told_apart() -> None:
    (volume,) = study_of({"one": enhanced(SLICES, HEIGHTS)}).volumes

    assert sorted(origin.frame for origin in volume.origins) == list(range(len(SLICES)))


def test_a_study_with_localiser_doubled_slice_directory_and_gap_gives_its_slices_and_says_what_was_odd() -> None:
    files = series(SLICES)
    missing = next(name for name, data in files.items() if dcmread(io.BytesIO(data)).ImagePositionPatient[2] == -290)
    del files[missing]
    doubled = next(iter(files))
    files["again.dcm"] = files[doubled]
    files["scout.dcm"] = ct_slice(
        SLICES[0], 0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=list(CORONAL)
    )
    files["DICOMDIR"] = directory()

    study = study_of(files)

    (volume,) = study.volumes
    np.testing.assert_array_equal(volume.hounsfield, np.delete(SLICES, 4, axis=0))
    np.testing.assert_allclose(volume.positions, np.delete(HEIGHTS, 4))
    assert volume.notes == (
        ("doubled", "slices left out, whose position and values another has: 1"),
        ("gap", "slices missing at a spacing of 2.50 mm: 1, between -292.5 and -287.5 mm"),
    )
    assert study.notes == (("directory", "left out, as it only lists files: DICOMDIR (1)"),)
    ((files_refused, reason),) = study.refused
    assert files_refused == ("scout.dcm",)
    assert reason.startswith(
        "DICOM ImageType (0008,0008) is ORIGINAL\\PRIMARY\\LOCALIZER: expected a slice; leave it out"
    )


def directory() -> bytes:
    path = get_testdata_file("DICOMDIR", download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123  # pydicom gives a text
        return file.read()


positions = st.lists(st.integers(-500, 500), min_size=1, max_size=20, unique=True)


@settings(max_examples=60, deadline=None)
@given(positions, st.randoms(use_true_random=False), st.floats(0, 25))
def test_slices_are_sorted_by_position_whatever_their_names_and_tilt(
    places: list[int], random: object, tilt: float
) -> None:
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    found = [
        slice_at(float(place), str(name), orientation=(1, 0, 0, 0, cosine, sine)) for name, place in enumerate(places)
    ]
    random.shuffle(found)  # type: ignore[attr-defined]  # hypothesis types its Random as an object

    (one,), refused = sort_slices(found)

    assert refused == []
    assert [slice_.corner[2] for slice_ in one.slices] == sorted(places)
    np.testing.assert_allclose(one.positions, np.sort(places) * cosine, atol=1e-9)


def slice_at(height: float, file: str, **changes: object) -> Slice:
    given = {
        "file": file,
        "frame": 0,
        "identifiers": Identifiers("", "", "1"),
        "acquisition": "",
        "rows": 64,
        "columns": 64,
        "spacing": (1.0, 1.0),
        "orientation": AXIAL,
        "corner": (0.0, 0.0, height),
        "digest": file.encode(),
    }
    return Slice(**(given | changes))  # type: ignore[arg-type]  # plain names and values


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        ((-1, 0, 0, 0, -1, 0), lambda values: values[:, ::-1, ::-1]),
        ((1, 0, 0, 0, -1, 0), lambda values: values[:, ::-1]),
        ((0, 1, 0, 1, 0, 0), lambda values: values.transpose(0, 2, 1)),
    ],
    ids=["prone", "flipped", "transposed"],
)
def test_slices_that_run_another_way_are_turned(orientation: tuple[int, ...], turn: object) -> None:
    turned = turn(SLICES)  # type: ignore[operator]  # parametrize gives objects
    spacing = [1.25, 1.5] if orientation[0] == 0 else [1.5, 1.25]

    study = study_of(series(turned, ImageOrientationPatient=list(orientation), PixelSpacing=spacing))

    (volume,) = study.volumes
    np.testing.assert_array_equal(volume.hounsfield, SLICES)
    np.testing.assert_allclose(volume.orientation, AXIAL)
    assert volume.spacing == (1.5, 1.25)
    assert (np.diff(volume.positions) == STEP).all()
    assert kinds(study) == ["turned"]


@pytest.mark.parametrize("files", [series(SLICES), {"CT": enhanced(SLICES, HEIGHTS)}], ids=["single", "multi-frame"])
def test_copies_without_identifiers_give_the_same_volume(files: Files) -> None:
    copies = {name: without_identifiers(data, lambda kind, _: f"{kind} 0") for name, data in files.items()}

    ((volume,), (original,)) = study_of(copies).volumes, study_of(files).volumes

    np.testing.assert_array_equal(volume.hounsfield, original.hounsfield)
    np.testing.assert_array_equal(volume.positions, original.positions)
    assert volume.identifiers == Identifiers("patient 0", "study 0", "series 0")


# --- what is odd -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0, 1, 2, 3, 4], []),
        ([0, 1.05, 2, 3, 4], []),
        ([0, 1, 2, 5, 6], [("gap", "slices missing at a spacing of 1.00 mm: 2, between 2.0 and 5.0 mm")]),
        ([0, 1, 2, 3.4, 4.4], [("uneven", "slices lie 1.00 to 1.40 mm apart, most of them 1.00 mm")]),
        ([0, 1, 2, 2.5, 4.5], ["gap", "uneven"]),
        ([7], []),
    ],
)
def test_gaps_and_uneven_spacing_are_told_apart(places: list[float], expected: list[object]) -> None:
    (one,), _ = sort_slices([slice_at(place, str(place)) for place in places])

    assert [note if isinstance(expected[0], tuple) else note.kind for note in one.notes] == expected


def test_two_acquisitions_at_the_same_positions_are_two_volumes() -> None:
    files = whole(AcquisitionNumber=1)
    files |= {f"late {name}": data for name, data in other_values(AcquisitionNumber=2).items()}

    study = study_of(files)

    assert [volume.hounsfield.shape for volume in study.volumes] == [SLICES.shape] * 2
    np.testing.assert_array_equal(study.volumes[0].hounsfield, SLICES)
    np.testing.assert_array_equal(study.volumes[1].hounsfield, SLICES + 10)
    assert kinds(study) == ["acquisitions", "acquisitions"]


def other_values(**elements: object) -> Files:
    return {f"{number}": ct_slice(SLICES[number] + 10, HEIGHTS[number], **elements) for number in range(len(SLICES))}


def test_acquisitions_that_nothing_tells_apart_are_refused() -> None:
    study = study_of(whole() | {f"late {name}": data for name, data in other_values().items()})

    assert study.volumes == ()
    assert len(study.refused[0].files) == 16
    assert study.refused[0].reason == (
        "8 of 8 positions of the series are shown by several slices with different values, and DICOM AcquisitionNumber "
        "(0020,0012) doesn't tell which belong together; pass one acquisition at a time"
    )


def test_parts_of_one_series_that_differ_in_size_or_spacing_are_volumes_of_their_own() -> None:
    files = whole()
    files |= {f"wide {name}": ct_slice(SLICES[0][:, :40], int(name)) for name in "123"}
    files |= {f"near {name}": ct_slice(SLICES[0], int(name), PixelSpacing=[0.7, 0.7]) for name in "12"}

    study = study_of(files)

    assert sorted(volume.hounsfield.shape for volume in study.volumes) == [(2, 41, 62), (3, 41, 40), SLICES.shape]
    assert (
        study.volumes[0].notes[0].text.startswith("the slices of one series differ in size, spacing or orientation: 3")
    )
    assert kinds(study) == ["mixed"] * 3


def test_series_of_two_patients_stay_apart_whatever_their_uid() -> None:
    files = whole() | {f"other {name}": data for name, data in other_values(PatientID="4712").items()}

    assert [volume.hounsfield.shape for volume in study_of(files).volumes] == [SLICES.shape] * 2


# --- planes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plane", "orientation"), [("coronal", CORONAL), ("sagittal", SAGITTAL), ("oblique", OBLIQUE)])
def test_other_planes_are_refused(plane: str, orientation: tuple[float, ...]) -> None:
    normal = np.cross(orientation[:3], orientation[3:])
    places = {"ImageOrientationPatient": list(orientation)}
    files = {
        f"{number}": ct_slice(slice_, 0, ImagePositionPatient=(normal * number).round(6).tolist(), **places)
        for number, slice_ in enumerate(SLICES)
    }

    study = study_of(files)

    assert study.volumes == ()
    assert study.refused[0].reason == (
        f"DICOM ImageOrientationPatient (0020,0037) says that the slices are {plane}: expected axial ones; pass the "
        "axial series"
    )


# --- single files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "MR"}, "DICOM Modality (0008,0060) is MR: expected CT; leave it out"),
        ({"Modality": "CR"}, "DICOM Modality (0008,0060) is CR: expected CT; leave it out"),
        ({"ImageOrientationPatient": None}, "DICOM ImageOrientationPatient (0020,0037) is missing: expected 6 numbers"),
        ({"ImagePositionPatient": [1, 2]}, "DICOM ImagePositionPatient (0020,0032) is 1.0\\2.0: expected 3 numbers"),
        ({"PixelSpacing": [0, 1]}, "DICOM PixelSpacing (0028,0030) is 0\\1: expected millimetres above 0, up to 100"),
        (
            {"ImagePositionPatient": [0, 0, 1e9]},
            "DICOM ImagePositionPatient (0020,0032) is 0\\0\\1e+09: expected millime",
        ),
        (
            {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
            "DICOM ImageOrientationPatient (0020,0037) is 1\\0\\0\\1\\0\\0: expected two unit vectors at right angles",
        ),
        (
            {"NumberOfFrames": 2},
            "DICOM PerFrameFunctionalGroupsSequence (5200,9230) has not the 2 items of NumberOfFrames",
        ),
        ({"RescaleType": "Z_EFF"}, "DICOM RescaleType (0028,1054) is Z_EFF: expected Hounsfield units (HU)"),
        ({"RescaleSlope": 0}, "DICOM RescaleSlope (0028,1053) is 0: expected another number"),
        ({"Rows": 2100, "Columns": 2000}, "a volume of 1 x 2100 x 2000 values exceeds the limit of 300,000,000 values"),
        (
            {"Rows": 60_000, "Columns": 60_000},
            "a volume of 1 x 60000 x 60000 values exceeds the limit of 300,000,000 values, 4,194,304 a",
        ),
        ({"Rows": 8}, "62 x 8 pixels; expected at least 32 on each side"),
    ],
)
def test_a_slice_is_refused_with_element_value_and_cure(elements: dict[str, object], reason: str) -> None:
    data = {"one": ct_slice(SLICES[0], 0.0, **elements)}

    study = study_of(data)

    assert study.volumes == ()
    assert study.refused[0].reason.startswith(reason)


def test_a_picture_among_the_slices_is_refused() -> None:
    study = study_of(whole() | {"a.png": b"\x89PNG\r\n\x1a\n" + bytes(200), "b.txt": b"some text"})

    assert len(study.volumes) == 1
    assert [refusal.reason[:60] for refusal in study.refused] == [
        "the file is a picture (PNG): expected slices of a CT; pass i",
        "not a supported image: expected PNG, JPEG, TIFF, BMP, GIF, W",
    ]


def test_a_damaged_slice_has_its_series_refused() -> None:
    files = whole()
    files["3"] = files["3"][:-400]

    study = study_of(files)

    assert study.volumes == ()
    assert study.refused[0].files == tuple(files)
    assert study.refused[0].reason.startswith("DICOM pixels in Explicit VR Little Endian cannot be decoded: ")


def test_a_series_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    study = study_of(whole(), limits=Limits(voxels=3 * SLICES[0].size))

    assert study.refused[0].reason.startswith("a volume of 8 x 41 x 62 values exceeds the limit of 7,626 values, 4,")


def test_a_multi_frame_ct_that_lacks_pixels_is_refused() -> None:
    (whole_reason,) = study_of({"CT": enhanced(SLICES, HEIGHTS, NumberOfFrames=9)}).refused
    (cut_reason,) = study_of({"CT": enhanced(SLICES, HEIGHTS)[: -SLICES[0].nbytes]}).refused

    assert "has not the 9 items of NumberOfFrames (0028,0008)" in whole_reason.reason
    assert "cannot be decoded" in cut_reason.reason


def test_every_file_that_pydicom_ships_is_read_or_refused_for_what_it_is() -> None:
    folder = Path(pydicom.data.__file__).parent
    paths = sorted(path for path in folder.rglob("*") if path.suffix in ("", ".dcm") and path.is_file())
    read = []
    for path in paths:
        study = read_study(["file"], lambda _name, path=path: path.read_bytes(), limits=Limits(side=1))  # type: ignore[misc]  # mypy can't infer it
        read += [path.name for _ in study.volumes]
        assert len(study.volumes) + len(study.refused) + len(study.notes) == 1
        assert not any("damaged" in refusal.reason for refusal in study.refused), path.name

    assert {"CT_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"} <= set(read)
    assert len(paths) > 150


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"],
)
def test_hounsfield_units_of_shipped_ct_are_those_of_pydicom(name: str) -> None:
    (volume,) = study_of({name: shipped(name)}).volumes

    dataset = dcmread(io.BytesIO(shipped(name)))
    expected = apply_modality_lut(dataset.pixel_array, dataset)
    measured = expected >= -1024
    np.testing.assert_array_equal(volume.hounsfield[0][measured], expected[measured])
    assert (volume.hounsfield[0][~measured] == -1000).all()


def test_slices_without_rescale_are_read_where_their_values_are_hounsfield_units() -> None:
    hounsfield = dicom(
        np.array(SLICES[0]),
        RescaleSlope=None,
        RescaleIntercept=None,
        ImageOrientationPatient=list(AXIAL),
        ImagePositionPatient=[0, 0, 0],
        PixelSpacing=[1, 1],
    )

    np.testing.assert_array_equal(study_of({"CT": hounsfield}).volumes[0].hounsfield[0], SLICES[0])


def test_a_study_whose_files_leave_types_unsaid_is_the_same_volume() -> None:
    """Implicit VR Little Endian, which every archive sends."""
    unsaid = {}
    for name, data in whole(PixelPaddingValue=65000).items():
        buffer = io.BytesIO()
        dataset = dcmread(io.BytesIO(data))
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(buffer, implicit_vr=True, little_endian=True)
        unsaid[name] = buffer.getvalue()

    study = study_of(unsaid)

    assert study.refused == ()
    np.testing.assert_array_equal(study.volumes[0].hounsfield, study_of(whole()).volumes[0].hounsfield)
