"""DICOM files without whom they show: same pixels, same refusals, no identifier left."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from chest_cancer.imaging.decoding import decode_image, without_identifiers
from chest_cancer.imaging.pixels import DecodedImage, UnreadableImageError
from dicom_files import dicom, shipped
from properties import examples

SHIPPED = [
    "CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "MR_truncated.dcm", "image_dfl.dcm", "SC_rgb_jpeg_dcmtk.dcm", "liver_1frame.dcm",
    "no_meta.dcm", "ExplVR_BigEndNoMeta.dcm", "rtplan.dcm", "examples_palette.dcm",
]  # fmt: skip
NAME = "Planted^Name"


def hashed(kind: str, identifier: str) -> str:
    return hashlib.sha256(f"{kind} {identifier}".encode()).hexdigest()[:16]


def outcome(data: bytes) -> DecodedImage | str:
    try:
        return decode_image(data, min_side=1, any_modality=True, with_identifiers=True)
    except UnreadableImageError as error:
        return str(error)


def cleaned(data: bytes) -> DecodedImage | str:
    try:
        return outcome(without_identifiers(data, hashed))
    except UnreadableImageError as error:
        return str(error)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_means_the_same_afterwards(name: str) -> None:
    before, after = outcome(shipped(name)), cleaned(shipped(name))

    if isinstance(before, str) or isinstance(after, str):
        assert after == before
        return
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert (after.scaling, after.mode, after.format) == (before.scaling, before.mode, before.format)


def test_identifiers_become_hashes_and_all_else_is_gone() -> None:
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept = 1, 0
    item.PatientComments = NAME
    group = Dataset()
    group.PixelValueTransformationSequence = Sequence([item])
    group.ReferencedImageSequence = Sequence([item])
    file = dicom(
        PatientID="ID 7",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.4",
        InstitutionName=NAME,
        PatientName=NAME,
        ReferringPhysicianName=NAME,
        ImageComments=NAME,
        SharedFunctionalGroupsSequence=Sequence([group]),
        PatientSex="F",
        ImagePositionPatient=[0.5, 0.5, 5.5],
    )

    after = without_identifiers(NAME.encode().ljust(128) + file[128:], hashed)

    assert NAME.encode() not in after
    assert b"ID 7" not in after
    found = decode_image(after, with_identifiers=True).identifiers
    assert found is not None
    assert (found.patient, found.study, found.series) == (
        hashed("patient", "ID 7"),
        hashed("study", "1.2.3"),
        hashed("series", "1.2.4"),
    )
    assert hashed("site", NAME).encode() in after
    assert b"CS\x02\x00F " in after
    assert b"0.5\\0.5\\5.5" in after


def test_a_file_without_identifiers_gets_none() -> None:
    found = decode_image(without_identifiers(dicom(), hashed), with_identifiers=True).identifiers
    assert found is not None
    assert (found.patient, found.study) == ("", "")


def test_what_is_no_sequence_is_refused_by_its_name() -> None:
    file = dicom(ModalityLUTSequence=Sequence([Dataset()]))
    broken = file.replace(b"\x28\x00\x00\x30SQ\0\0", b"\x28\x00\x00\x30OB\0\0")
    assert broken != file
    with pytest.raises(UnreadableImageError, match=r"^DICOM ModalityLUTSequence \(0028,3000\) is no sequence; correct"):
        without_identifiers(broken, hashed)


def test_another_format_stays_as_it_is() -> None:
    assert without_identifiers(b"BM anything", hashed) == b"BM anything"


@examples(60, 500)
@given(st.sampled_from([uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian]), st.data())
def test_damaged_files_are_refused_or_mean_the_same(syntax: uid.UID, data: st.DataObject) -> None:
    file = bytearray(dicom(syntax=syntax, PatientID=NAME, PatientName=NAME, SOPInstanceUID="1.2.3"))
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(132, len(file) - 1600))] = data.draw(st.integers(0, 255))

    before, after = outcome(bytes(file)), cleaned(bytes(file))

    if isinstance(before, DecodedImage) and isinstance(after, DecodedImage):
        np.testing.assert_array_equal(after.pixels, before.pixels)
    else:  # a file that can't be written anew is refused, though it could be read; never the other way round
        assert isinstance(after, str)
