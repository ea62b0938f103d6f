"""Volumes on their way into the folder of images: slices come out, or a reason, within the limits."""

import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError
from pydicom.filereader import dcmread

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from volume_files import Files, by_simpleitk, enhanced, heights, nifti, stack

KEY = bytes(32)
SLICES = stack(4)
VOLUME = gzip.compress(nifti(SLICES), mtime=0)
NAMES = tuple(f"slice_{number:04d}.dcm" for number in range(1, 5))
Take = Callable[..., ImageFolder]


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Bring the files of a folder here."""
    dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))

    def save(files: Files | Path, **limits: int) -> ImageFolder:
        location = files if isinstance(files, Path) else tmp_path / "source"
        for name, content in {} if isinstance(files, Path) else files.items():
            (location / name).parent.mkdir(parents=True, exist_ok=True)
            (location / name).write_bytes(content)
        dataset.save(ImageSource(location=str(location), key=KEY, limits=SourceLimits(**limits)))
        return dataset.load()

    return save


def with_a_broken_last_frame(data: bytes) -> bytes:
    """Take the position out of the last of the frames."""
    dataset = dcmread(io.BytesIO(data))
    del dataset.PerFrameFunctionalGroupsSequence[-1].PlanePositionSequence
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_a_volume_is_a_folder_of_its_slices_and_known_as_a_file(take: Take) -> None:
    images = take({"normal/scan.nii.gz": VOLUME})

    assert images.paths == tuple(f"normal/scan.nii.gz/{name}" for name in NAMES)
    assert images.volumes == images.files_of_source == ("normal/scan.nii.gz",)
    assert images.folders == ("normal",)
    assert images.source.files == len(SLICES)
    decoded = [decode_image(images.read(path)).hounsfield for path in images.paths]
    np.testing.assert_array_equal(np.stack([slice_ for slice_ in decoded if slice_ is not None]), SLICES)


def test_a_volume_that_was_taken_apart_is_not_taken_apart_again(take: Take) -> None:
    made = take({"normal/scan.nii.gz": VOLUME}).root.stat().st_ino
    assert take({}).root.stat().st_ino == made


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.mha", "archive.zip"])
def test_one_volume_or_an_archive_of_it_is_a_source(take: Take, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    match name:
        case "archive.zip":
            with zipfile.ZipFile(source, "w") as archive:
                archive.writestr("normal/scan.nii.gz", VOLUME)
        case "scan.mha":
            by_simpleitk(SLICES, tmp_path, name)
        case _:
            source.write_bytes(VOLUME if name.endswith(".gz") else nifti(SLICES))

    images = take(source)

    assert images.refused == ()
    assert len(images.paths) == len(SLICES)


def test_texts_of_a_header_are_not_copied(take: Take) -> None:
    header = bytearray(nifti(SLICES))
    header[148:159] = b"Planted Doe"  # descrip
    images = take({"normal/scan.nii": bytes(header)})

    assert len(images.paths) == len(SLICES)
    assert not any(b"Planted" in images.read(path) for path in images.paths)


def test_nothing_is_left_of_a_file_whose_last_frame_is_damaged(take: Take) -> None:
    damaged = with_a_broken_last_frame(enhanced(SLICES, heights(4)))

    images = take({"normal/CT": damaged, "normal/scan.nii.gz": VOLUME})

    assert images.volumes == ("normal/scan.nii.gz",)
    assert images.source.files == len(SLICES)
    ((path, reason),) = images.refused
    assert path == "normal/CT"
    assert reason.startswith("DICOM ImagePositionPatient (0020,0032) is missing: expected 3 numbers; correct the")
    assert not (images.root / "normal/CT").exists()


def in_two_files(tmp_path: Path, name: str) -> Files:
    """A header, and its values beside it."""
    folder = tmp_path / "written"
    folder.mkdir()
    by_simpleitk(SLICES, folder, name)
    return {f"normal/{file.name}": file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("name", ["x.mhd", "x.nhdr"])
def test_a_header_is_read_with_its_values_beside_it(take: Take, tmp_path: Path, name: str) -> None:
    images = take(in_two_files(tmp_path, name))

    assert not images.refused
    assert images.volumes == (f"normal/{name}",)
    decoded = [decode_image(images.read(path)).hounsfield for path in images.paths]
    np.testing.assert_array_equal(np.stack([slice_ for slice_ in decoded if slice_ is not None]), SLICES)


def test_a_header_opens_no_file_of_another_name(take: Take, tmp_path: Path) -> None:
    files = in_two_files(tmp_path, "x.mhd")
    files["normal/key.zraw"] = files["normal/x.zraw"]
    files["normal/x.mhd"] = files["normal/x.mhd"].replace(b"= x.zraw", b"= key.zraw")

    images = take({**files, "normal/scan.nii.gz": VOLUME})

    reasons = dict(images.refused)
    assert reasons["normal/x.mhd"].startswith("the header names 'key.zraw' for its values: expected 'x.raw', as it ")
    assert set(reasons) == {"normal/key.zraw", "normal/x.mhd", "normal/x.zraw"}


def test_a_header_without_its_values_is_refused_with_the_cure(take: Take, tmp_path: Path) -> None:
    header = in_two_files(tmp_path, "x.mhd")["normal/x.mhd"]

    images = take({"normal/x.mhd": header, "normal/scan.nii.gz": VOLUME})

    assert dict(images.refused) == {
        "normal/x.mhd": "the header names 'x.zraw' for its values, which isn't beside it; pass both"
    }


def test_a_header_in_an_archive_is_refused_with_the_cure(take: Take, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for name, content in {**in_two_files(tmp_path, "x.mhd"), "normal/scan.nii.gz": VOLUME}.items():
            archive.writestr(name, content)

    images = take(tmp_path / "archive.zip")

    assert dict(images.refused)["normal/x.mhd"].startswith(
        "the header keeps its values in another file; save header and values as one file: .mha, .nrrd or .nii.gz"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (nifti(SLICES)[:-10], "20,326 bytes of values: expected 20,336"),
        (gzip.compress(b"hello", mtime=0), "a gzip file without a NIfTI volume inside"),
        (nifti((SLICES > 0).astype(np.int16)), "the values, 0 to 1, are no Hounsfield units of a body in air"),
    ],
)
def test_what_is_no_volume_of_a_ct_is_refused(take: Take, content: bytes, reason: str) -> None:
    images = take({"normal/a.nii": content, "normal/b.nii.gz": VOLUME})

    assert images.volumes == ("normal/b.nii.gz",)
    assert [path for path, _ in images.refused] == ["normal/a.nii"]
    assert images.refused[0][1].startswith(reason)


def test_slices_count_as_files(take: Take) -> None:
    with pytest.raises(DatasetError, match=r"`data_ingestion\.limits\.max_files`. Expected at most 3\. Received: 4"):
        take({"normal/scan.nii.gz": VOLUME}, max_files=3)


def test_unpacked_slices_count_as_bytes(take: Take) -> None:
    with pytest.raises(DatasetError, match=r"`data_ingestion\.limits\.max_total_bytes`. Expected at most"):
        take({"normal/scan.nii.gz": VOLUME}, max_total_bytes=len(VOLUME) + 100)


def test_slices_of_too_many_pixels_are_refused(take: Take) -> None:
    images = take({"normal/scan.nii.gz": VOLUME}, max_pixels=100)
    assert images.refused[0][1].endswith(
        "exceeds the limit of 300,000,000 values, 100 a slice; pass fewer or smaller slices"
    )


def test_a_missing_package_is_named_with_its_extra(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "chest_cancer.imaging.volumes.nifti", raising=False)
    monkeypatch.setitem(sys.modules, "nibabel", None)

    images = take({"normal/scan.nii.gz": VOLUME})

    assert images.refused[0][1].endswith("expected nibabel to be installed; install chest_cancer[volumes]")
