"""One phantom volume in everything that keeps a CT: the same slices to the last digit, or a reason."""

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid

from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.reading import read_volume
from chest_cancer.imaging.volumes.volume import Limits, Volume
from properties import examples
from volume_files import (
    SPACING,
    by_simpleitk,
    compress,
    enhanced,
    heights,
    nifti,
    opener,
    read_study,
    series,
    stack,
)  # fmt: skip

SLICES = stack()
ORDERS = ["LPS", "RAS", "SPL", "PIR", "LIP", "ASR"]


def assert_the_same(volume: Volume) -> None:
    assert volume.hounsfield.dtype == np.int16
    np.testing.assert_array_equal(volume.hounsfield, SLICES)
    np.testing.assert_allclose(volume.positions, heights(len(SLICES)), atol=1e-4)
    np.testing.assert_allclose(volume.spacing, SPACING, rtol=1e-6)
    np.testing.assert_allclose(volume.orientation, (1, 0, 0, 0, 1, 0), atol=1e-6)
    assert not volume.hounsfield.flags.writeable


def only_volume(files: dict[str, bytes]) -> Volume:
    study = read_study(files, opener(files))
    assert study.refused == ()
    (volume,) = study.volumes
    return volume


# --- the same slices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "syntax", [None, uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless], ids=str
)
def test_a_dicom_series_gives_the_slices(syntax: uid.UID | None) -> None:
    files = series(SLICES)
    if syntax:
        files = {name: compress(data, syntax) for name, data in files.items()}

    volume = only_volume(files)

    assert_the_same(volume)
    assert volume.notes == ()
    assert volume.identifiers is not None
    assert (volume.identifiers.patient, volume.identifiers.series) == ("4711", "1.2.3.4")
    assert "4711" not in repr(volume)
    assert set(volume.files) == set(files)


def test_dicom_files_without_preamble_give_the_slices() -> None:
    assert_the_same(only_volume({name: data[132:] for name, data in series(SLICES).items()}))


@pytest.mark.parametrize("sop_class", [uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage])
@pytest.mark.parametrize("syntax", [None, uid.RLELossless, uid.JPEG2000Lossless], ids=str)
def test_a_multi_frame_ct_gives_the_slices(syntax: uid.UID | None, sop_class: uid.UID) -> None:
    data = enhanced(SLICES, heights(len(SLICES)), sop_class)

    assert_the_same(only_volume({"CT": compress(data, syntax) if syntax else data}))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_gives_the_slices_however_its_axes_run(order: str, kind: type) -> None:
    data = nifti(SLICES, order=order, kind=kind)

    assert_the_same(read_volume(data))
    assert_the_same(read_volume(gzip.compress(data)))


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"),
    [(np.float32, 1.0, 0.0), (np.float64, 0.5, 3.0), (np.uint16, 1.0, -1024.0), (np.int32, 0.25, 0.0)],
)
def test_nifti_gives_the_slices_after_its_slope_and_intercept(
    dtype: type[np.generic], slope: float, intercept: float
) -> None:
    assert_the_same(read_volume(nifti(SLICES, dtype=dtype, slope=slope, intercept=intercept)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["ct.mha", "ct.nrrd"])
@pytest.mark.parametrize("compressed", [True, False])
def test_metaimage_and_nrrd_give_the_slices_however_their_axes_run(
    tmp_path: Path, name: str, order: str, compressed: bool
) -> None:
    assert_the_same(read_volume(by_simpleitk(SLICES, tmp_path, name, order=order, compressed=compressed)))


@pytest.mark.parametrize("name", ["ct.mhd", "ct.nhdr"])
def test_values_in_a_file_beside_the_header_give_the_slices(tmp_path: Path, name: str) -> None:
    header = by_simpleitk(SLICES, tmp_path, name)
    files = {f"study/{path.name}": path.read_bytes() for path in tmp_path.iterdir()}

    assert_the_same(read_volume(header, beside=lambda other: (tmp_path / other).read_bytes()))
    assert len(files) == 2
    assert_the_same(only_volume(files))


def test_fractions_are_rounded_and_what_was_not_measured_is_air() -> None:
    values = SLICES.astype(np.float64)
    values[0, 0, :4] = [-3024, np.nan, -1024.4, 40_000]
    values[0, 1, :3] = [-1024, 40.6, 40.4]

    volume = read_volume(nifti(values, dtype=np.float64))  # type: ignore[arg-type]  # not whole on purpose

    assert volume.hounsfield[0, 0, :4].tolist() == [-1000, -1000, -1000, 32767]
    assert volume.hounsfield[0, 1, :3].tolist() == [-1024, 41, 40]


# --- refusals --------------------------------------------------------------------------------------------------------


def edited(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


@pytest.mark.parametrize(
    "named", ["../../etc/passwd", "/etc/passwd", "a/b.raw", "LIST", "ct%03d.raw 1 9 1", ".key", ""]
)
@pytest.mark.parametrize(("name", "key"), [("ct.mhd", b"ElementDataFile = "), ("ct.nhdr", b"data file: ")])
def test_a_header_that_names_another_file_than_a_plain_one_beside_it_is_refused(
    tmp_path: Path, name: str, key: bytes, named: str
) -> None:
    header = by_simpleitk(SLICES, tmp_path, name)
    start = header.index(key) + len(key)
    end = header.index(b"\n", start)

    def beside(other: str) -> bytes:
        pytest.fail(f"opened {other}")

    with pytest.raises(UnreadableImageError):
        read_volume(header[:start] + named.encode() + header[end:], beside=beside)


@pytest.mark.parametrize("name", ["ct.mhd", "ct.nhdr"])
def test_an_upload_names_no_file_at_all(tmp_path: Path, name: str) -> None:
    header = by_simpleitk(SLICES, tmp_path, name)

    with pytest.raises(UnreadableImageError, match=r"^the header keeps its values in another file; save header and"):
        read_volume(header)
    study = read_study([name], {name: header}.__getitem__)
    assert "which isn't beside it; pass both" in study.refused[0].reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"NDims = 3", b"NDims = 4", "^MetaImage NDims is 4: expected 3; correct it, or save the volume as .nii.gz$"),
        (b"MET_SHORT", b"MET_SHORT_ARRAY", "^MetaImage ElementType is MET_SHORT_ARRAY: expected one of MET_CHAR"),
        (b"DimSize = 62 41 8", b"DimSize = 62 41", "^MetaImage DimSize is 62 41: expected 3 numbers"),
        (b"DimSize = 62 41 8", b"DimSize = 0 41 8", "^a volume of 8 x 41 x 0 values; expected at least one along"),
        (
            b"DimSize = 62 41 8",
            b"DimSize = 99999 99999 8",
            "^a volume of 8 x 99999 x 99999 values exceeds the limit of",
        ),
        (b"DimSize = 62 41 8", b"DimSize = 62 41 9", "^40,672 bytes of values: expected 45,756, as the header says"),
        (b"DimSize = 62 41 8", b"DimSize = 62 8 41", "^62 x 8 pixels; expected at least 32 on each side"),
        (
            b"ElementSpacing = 1.25",
            b"ElementSpacing = zero",
            "^MetaImage ElementSpacing is zero 1.5 2.5: expected 3 num",
        ),
        (b"ElementSpacing = 1.25", b"ElementSpacing = 0", "^spacing, directions or origin of the volume are no usable"),
        (
            b"TransformMatrix = 1 0 0",
            b"TransformMatrix = 0 1 0",
            "^the directions of the volume's axes are not at right",
        ),
        (b"TransformMatrix", b"TransformMetrics", "^MetaImage TransformMatrix is missing: expected 9 numbers"),
        (b"BinaryData = True", b"BinaryData = False", "^MetaImage BinaryData is False: expected TRUE"),
        (b"ElementDataFile", b"ElementDataFill", "^MetaImage ElementDataFile is missing: expected it as the last line"),
    ],
)
def test_a_metaimage_is_refused_with_element_value_and_cure(
    tmp_path: Path, old: bytes, new: bytes, reason: str
) -> None:
    data = by_simpleitk(SLICES, tmp_path, "ct.mha", compressed=False)

    with pytest.raises(UnreadableImageError, match=reason):
        read_volume(edited(data, old, new))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            b"dimension: 3",
            b"dimension: 4",
            "^NRRD dimension is 4: expected 3; correct it, or save the volume as .nii.gz$",
        ),
        (b"type: short", b"type: block", "^NRRD type is block: expected whole numbers of up to 32 bits"),
        (b"endian: little", b"endian: middle", "^NRRD endian is middle: expected little or big"),
        (b"encoding: raw", b"encoding: hex", "^NRRD encoding is hex: expected one of raw, gzip"),
        (
            b"space: left-posterior",
            b"space: scanner",
            "^NRRD space is scanner-superior: expected left-posterior-superior",
        ),
        (b"sizes: 62 41 8", b"sizes: 62 41 none", "^NRRD sizes is 62 41 none: expected 3 numbers"),
        (b"sizes: 62 41 8", b"sizes: 1e9 1e9 8", "^a volume of 8 x 1000000000 x 1000000000 values exceeds the limit"),
        (b"(1.25,0,0)", b"none", r"^NRRD space directions is none .*: expected 9 numbers"),
        (b"space origin", b"space_origin", "^NRRD space origin is missing: expected 3 numbers"),
        (
            b"endian: little",
            b'endian: little\nspace units: "m" "m" "m"',
            '^NRRD space units is "m" "m" "m": expected "mm"',
        ),
    ],
)
def test_an_nrrd_is_refused_with_field_value_and_cure(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    data = by_simpleitk(SLICES, tmp_path, "ct.nrrd", compressed=False)

    with pytest.raises(UnreadableImageError, match=reason):
        read_volume(edited(data, old, new))


NIFTI = nifti(SLICES)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (344, b"ni1\0", "^NIfTI header without its values, which are in an .img file; save both as one .nii.gz$"),
        (40, struct.pack("<5h", 4, 62, 41, 4, 2), r"^NIfTI dim is \(62, 41, 4, 2\): expected three dimensions"),
        (
            40,
            struct.pack("<4h", 3, 30000, 30000, 30000),
            "^a volume of 30000 x 30000 x 30000 values exceeds the limit of",
        ),
        (40, struct.pack("<4h", 3, 62, 41, 9), "^40,672 bytes of values: expected 45,756, as the header says; fetch"),
        (108, struct.pack("<f", 1e9), "^NIfTI vox_offset is 1000000000: expected the end of the header"),
        (252, struct.pack("<2h", 0, 0), "^NIfTI sform_code and qform_code are 0, so that nobody knows left from right"),
        (70, struct.pack("<2h", 128, 24), r"^NIfTI datatype is \[.*: expected numbers; save Hounsfield units as int16"),
        (280, struct.pack("<f", float("nan")), "^spacing, directions or origin of the volume are no usable numbers"),
        (320, struct.pack("<f", 1e-30), "^spacing, directions or origin of the volume are no usable numbers"),
        (324, struct.pack("<f", 1e20), "^spacing, directions or origin of the volume are no usable numbers"),
    ],
)
def test_a_nifti_is_refused_with_element_value_and_cure(at: int, value: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        read_volume(NIFTI[:at] + value + NIFTI[at + len(value) :])


def test_a_mask_is_no_ct() -> None:
    with pytest.raises(
        UnreadableImageError, match=r"^the values, 0 to 1, are no Hounsfield units of a body in air; pass"
    ):
        read_volume(nifti((SLICES > 0).astype(np.int16)))


def test_a_leaning_volume_is_refused() -> None:
    header = nibabel.Nifti1Image.from_bytes(NIFTI)
    angle = np.radians(45)
    turn = np.array([[1, 0, 0, 0], [0, np.cos(angle), -np.sin(angle), 0], [0, np.sin(angle), np.cos(angle), 0]])
    affine = np.vstack([turn, [0, 0, 0, 1]]) @ header.affine
    data = nibabel.Nifti1Image(np.asarray(header.dataobj), affine).to_bytes()

    with pytest.raises(
        UnreadableImageError, match=r"^the slices lean by 45 degrees: expected axial slices, leaning by at"
    ):
        read_volume(data)


def test_a_gzip_file_of_something_else_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match=r"^a gzip file without a NIfTI volume inside; unpack it"):
        read_volume(gzip.compress(b"text" * 999))


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    data = NIFTI[:40] + struct.pack("<4h", 3, 1000, 1000, 1000) + NIFTI[48:]

    with pytest.raises(
        UnreadableImageError, match=r"^a volume of 1000 x 1000 x 1000 values exceeds the limit of 9,999 v"
    ):
        read_volume(gzip.compress(data + bytes(10_000_000)), limits=Limits(voxels=9_999))


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "nifti").write_bytes(NIFTI)
    (tmp_path / "dicom").write_bytes(next(iter(series(SLICES).values())))
    program = f"""
import sys
from pathlib import Path
sys.modules["nibabel"] = sys.modules["pydicom"] = None
from chest_cancer.imaging.volumes.reading import survey, read_one_by_one
from chest_cancer.imaging.decoding import decode_image
names, open_file = ["nifti", "dicom"], lambda name: (Path({str(tmp_path)!r}) / name).read_bytes()
print(*read_one_by_one(survey(names, open_file), names, open_file), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    said = dict(zip(("pydicom", "nibabel"), done.stdout.splitlines(), strict=True))
    for missing, name, extra in (("nibabel", "NIfTI", "volumes"), ("pydicom", "DICOM", "dicom")):
        reason = f"{name} needs the packages of the extra `{extra}`: expected {missing} to be installed; install"
        assert f"{reason} chest_cancer[{extra}]" in said[missing]


# --- anything at all -------------------------------------------------------------------------------------------------

SMALL = stack()[:2]


def metaimage_or_nrrd(name: str) -> Callable[[Path], bytes]:
    return lambda folder: by_simpleitk(SMALL, folder, name, compressed=False)


def several_frames(_folder: Path) -> bytes:
    return enhanced(SMALL, heights(2))


WHOLE_FILES: dict[str, Callable[[Path], bytes]] = {
    "NIfTI": lambda _folder: nifti(SMALL),
    "NIfTI-2, zipped": lambda _folder: gzip.compress(nifti(SMALL, kind=nibabel.Nifti2Image)),
    "MetaImage": metaimage_or_nrrd("ct.mha"),
    "MetaImage without values": metaimage_or_nrrd("ct.mhd"),
    "NRRD": metaimage_or_nrrd("ct.nrrd"),
    "NRRD, compressed": lambda folder: by_simpleitk(SMALL, folder, "ct.nrrd"),
    "Enhanced CT": several_frames,
    "Enhanced CT, RLE": lambda folder: compress(several_frames(folder), uid.RLELossless),
    "CT slice": lambda _folder: next(iter(series(SMALL).values())),
}


@pytest.fixture(scope="module", params=WHOLE_FILES)
def whole_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return WHOLE_FILES[request.param](tmp_path_factory.mktemp("whole"))


@examples(20, 200)
@given(st.data())
def test_damaged_files_are_read_or_refused(whole_file: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole_file)
    for _ in range(data.draw(st.integers(0, 5))):
        where = data.draw(st.integers(0, min(len(damaged) - 1, 700)) | st.integers(0, len(damaged) - 1))
        damaged[where] = data.draw(st.integers(0, 255) | st.sampled_from(b"0123456789-. \n=:"))
    end = data.draw(st.just(len(damaged)) | st.integers(0, len(damaged)))

    study = read_study(["file"], lambda _name: bytes(damaged[:end]), limits=Limits(voxels=100_000))

    for volume in study.volumes:
        assert volume.hounsfield.dtype == np.int16
        assert (np.diff(volume.positions) > 0).all()
    assert all(refusal.reason for refusal in study.refused)
    assert len(study.volumes) + len(study.refused) + len(study.notes) >= 1
