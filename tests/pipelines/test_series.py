"""Series and volumes on their way into the index: the same slices whatever keeps them, and what is odd is said."""

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydicom import uid
from pydicom.filereader import dcmread

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import pixel_digest
from chest_cancer.parameters.blocks import DataIngestionParameters, ExternalValidationParameters
from chest_cancer.pipelines.data_ingestion import opened
from chest_cancer.pipelines.data_ingestion.nodes import index_external_images, index_images
from chest_cancer.pipelines.data_ingestion.overview import group_reasons
from chest_cancer.sources.image_source import ImageSource
from pipelines.test_ingestion_layouts import KEY
from volume_files import (
    CORNER,
    SPACING,
    Files,
    Stack,
    by_simpleitk,
    ct_slice,
    enhanced,
    heights,
    nifti,
    phantom,
    series,
    stack,
)

SLICES = stack()
EVERY = {"every_mm": 0.0}
Ingested = tuple[pd.DataFrame, dict[str, str], dict[str, Any]]
Ingest = Callable[..., Ingested]


@cache
def other() -> Stack:
    """Slices of another patient."""
    return np.stack([phantom(1, number)[::9, ::8] for number in range(8)])


def in_folder(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": data for name, data in files.items()}


NORMAL = in_folder("normal/case", series(other(), PatientID="815", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1"))


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    """Bring files here, and index them: the index by path, reasons by path, and the summary."""

    def run(files: Files, volumes: dict[str, Any] = EVERY, **options: Any) -> Ingested:
        for name, data in files.items():
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "source" / name).write_bytes(data)
        parameters = DataIngestionParameters.model_validate({"volumes": volumes} | options)
        dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
        dataset.save(ImageSource(location=str(tmp_path / "source"), key=KEY, table=parameters.table))
        index, quarantine, summary, _ = index_images(dataset.load(), parameters, None, KEY)
        return index.set_index("path"), dict(quarantine.itertuples(index=False, name=None)), summary

    return run


def digests(hounsfield: Stack) -> list[str]:
    return sorted(pixel_digest(np.ascontiguousarray(slice_)) for slice_ in hounsfield)


def of_class(index: pd.DataFrame, label: str) -> pd.DataFrame:
    return index[index["label"] == label]


def odd_series() -> Files:
    """Slices with a gap after the fourth, a doubled one, a localiser that says so and one that doesn't."""
    files = dict(zip("hcagbfed", series(SLICES).values(), strict=True))  # Made in the order of their heights.
    by_height = list(files)
    del files[by_height[4]]
    files["again.dcm"] = files[by_height[2]]
    files["scout.dcm"] = ct_slice(SLICES[0], 0.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    files["front.dcm"] = ct_slice(SLICES[0], 0.0, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    return files


# --- the same slices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("volumes", [EVERY, {}])
def test_tables_do_not_depend_on_how_many_files_are_opened_at_once(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, volumes: dict[str, Any]
) -> None:
    files = NORMAL | in_folder("tumour/case", odd_series()) | {"tumour/copy.dcm": next(iter(NORMAL.values()))}

    index, *others = ingest(files, volumes)
    monkeypatch.setattr(opened, "_FILES_AT_ONCE", 3)
    again, *others_again = ingest(files, volumes)

    assert len(index) > 3
    pd.testing.assert_frame_equal(again, index)
    assert others_again == others


@pytest.mark.parametrize("name", ["series", "enhanced", "legacy", "scan.nii", "scan.nii.gz", "scan.mha", "scan.nrrd"])
def test_a_volume_gives_the_same_slices_whatever_keeps_it(ingest: Ingest, tmp_path: Path, name: str) -> None:
    legacy = uid.LegacyConvertedEnhancedCTImageStorage
    files = {
        "series": lambda: in_folder("case", series(SLICES)),
        "enhanced": lambda: {"IM0001": enhanced(SLICES, heights(8))},
        "legacy": lambda: {"IM0001.dcm": enhanced(SLICES, heights(8), legacy)},
        "scan.nii": lambda: {name: nifti(SLICES, order="RAS")},
        "scan.nii.gz": lambda: {name: gzip.compress(nifti(SLICES))},
    }.get(name, lambda: {name: by_simpleitk(SLICES, tmp_path, name)})()

    index, quarantine, summary = ingest(NORMAL | in_folder("tumour", files))

    assert quarantine == {}
    found = of_class(index, "tumour")
    assert sorted(found["pixel_sha256"]) == digests(SLICES)
    assert set(found["scaling"]) == {"HU"}
    assert of_class(index, "normal")["patient"].notna().all()
    assert found["study"].nunique() == found["series"].nunique() == 1
    assert found["study"].notna().all()
    assert summary["not_chosen"] == 0
    assert not any("Series" in note for note in summary["notes"])
    if name != "series":
        (file,) = files
        assert sorted(found.index) == [f"tumour/{file}/slice_{number:04d}.dcm" for number in range(1, 9)]


def test_slices_of_a_volume_lie_where_it_says(ingest: Ingest, tmp_path: Path) -> None:
    ingest(NORMAL | {"tumour/scan.nii.gz": gzip.compress(nifti(SLICES))})
    ingested = tmp_path / "data/images/tumour/scan.nii.gz"

    slices = [dcmread(path) for path in sorted(ingested.iterdir())]

    found = [[float(number) for number in slice_.ImagePositionPatient] for slice_ in slices]
    np.testing.assert_allclose(found, [[*CORNER[:2], height] for height in heights(8)], atol=1e-4)
    assert {tuple(map(float, slice_.PixelSpacing)) for slice_ in slices} == {SPACING}
    assert {slice_.get_item("StudyInstanceUID").value[:5] for slice_ in slices} == {b"hash:"}
    assert all("SliceThickness" not in slice_ for slice_ in slices)  # NIfTI doesn't say it


def test_frames_keep_what_their_file_says_of_patient_and_scanner(ingest: Ingest, tmp_path: Path) -> None:
    data = enhanced(SLICES, heights(8), PatientID="Planted Doe", PatientSex="F", ConvolutionKernel="B70f")
    index, _, _ = ingest(NORMAL | {"tumour/CT": data})

    assert len(set(of_class(index, "tumour")["patient"])) == 1
    copies = [path.read_bytes() for path in (tmp_path / "data/images/tumour/CT").iterdir()]
    assert all(b"B70f" in copy and b"Planted" not in copy for copy in copies)


def test_volumes_of_the_same_name_in_two_classes_are_no_patients_with_classes_inside(ingest: Ingest) -> None:
    files = {"normal/scan.nii": nifti(other()), "tumour/scan.nii": nifti(SLICES)}

    index, _, summary = ingest(files)

    assert dict(index["label"].value_counts()) == {"normal": 8, "tumour": 8}
    assert summary["pattern"] == "<class>/<file>"
    assert summary["notes"] == []
    assert index["series"].nunique() == 2


def test_a_volume_may_be_the_patient(ingest: Ingest) -> None:
    files = {"normal/a.nii": nifti(other()), "tumour/b.nii": nifti(SLICES)}

    _, _, unasked = ingest(files)
    index, _, summary = ingest(files, patient="<class>/<patient>/<file>")

    assert (unasked["patients"], summary["patients"]) == (None, 2)
    assert index.groupby("label")["patient"].nunique().to_dict() == {"normal": 1, "tumour": 1}


def test_volumes_of_one_class_are_not_taken_for_classes(tmp_path: Path) -> None:
    (tmp_path / "source" / "tumour").mkdir(parents=True)
    for name, slices in (("a.nii", SLICES), ("b.nii", other())):
        (tmp_path / "source" / "tumour" / name).write_bytes(nifti(slices))
    dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
    dataset.save(ImageSource(location=str(tmp_path / "source"), key=KEY))

    index, _, summary = index_external_images(dataset.load(), ExternalValidationParameters(), ["normal", "tumour"], KEY)

    assert set(index["label"]) == {"tumour"}
    assert summary["not_chosen"] == 8


# --- what is odd -----------------------------------------------------------------------------------------------------


def test_localisers_doubled_slices_and_gaps_are_told(ingest: Ingest) -> None:
    index, quarantine, summary = ingest(NORMAL | in_folder("tumour", odd_series()))

    assert sorted(of_class(index, "tumour")["pixel_sha256"]) == digests(np.delete(SLICES, 4, axis=0))
    reasons = sorted(reason.split(":")[0] for reason in quarantine.values())
    assert reasons == [
        "DICOM ImageOrientationPatient (0020,0037) is coronal, 1.0\\0.0\\0.0\\0.0\\0.0\\-1.0",
        "DICOM ImageType (0008,0008) is ORIGINAL\\PRIMARY\\LOCALIZER",
        "doubled",
    ]
    notes = [
        note for note in summary["notes"] if note.startswith("Series with missing slices: 1 of 2, such as that of")
    ]
    assert notes[0].endswith("slices missing at a spacing of 2.50 mm: 1, between -292.5 and -287.5 mm.")
    assert summary["quarantined"] == 3


@pytest.mark.parametrize(
    ("study", "kind", "told"),
    [
        ("1.2.3", ["DERIVED", "SECONDARY", "AXIAL", "MIP"], True),
        ("1.2.3", ["ORIGINAL", "PRIMARY", "AXIAL"], False),
        ("1.2.5", ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"], False),  # the only one of its study
    ],
)
def test_series_that_were_computed_from_others_of_their_study_are_told(
    ingest: Ingest, study: str, kind: list[str], told: bool
) -> None:
    again = series(SLICES + 1, StudyInstanceUID=study, SeriesInstanceUID="1.2.3.9", ImageType=kind)
    files = series(SLICES, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"]) | in_folder("again", again)

    index, quarantine, summary = ingest(NORMAL | in_folder("tumour", files))

    assert quarantine == {}
    assert len(of_class(index, "tumour")) == 16
    notes = [note for note in summary["notes"] if note.startswith("Series that were computed from others")]
    assert len(notes) == told
    if told:
        assert ": 1 of 3, such as that of `tumour/again/" in notes[0]
        assert r"ImageType (0008,0008) is DERIVED\SECONDARY\AXIAL\MIP. " in notes[0]


def test_slices_of_another_label_are_missing_in_no_series(ingest: Ingest) -> None:
    slices = series(SLICES).items()
    files = {f"{'tumour' if 2 <= n < 5 else 'normal'}/{name}": data for n, (name, data) in enumerate(slices)}

    index, _, summary = ingest(files)

    assert len(index) == len(files) > 6
    assert not any(note.startswith("Series with missing slices") for note in summary["notes"])


def test_a_gap_and_a_doubled_frame_of_a_multi_frame_file_are_told_as_well(ingest: Ingest) -> None:
    order = [0, 1, 2, 2, 3, 5, 6, 7]
    data = enhanced(SLICES[order], [heights(8)[number] for number in order])

    index, quarantine, summary = ingest(NORMAL | {"tumour/CT": data})

    assert len(of_class(index, "tumour")) == 7
    assert [reason.split(":")[0] for reason in quarantine.values()] == ["doubled"]
    assert any(note.startswith("Series with missing slices: 1 of 2") for note in summary["notes"])


def test_two_acquisitions_that_nothing_tells_apart_are_refused(ingest: Ingest) -> None:
    files = series(SLICES) | in_folder("again", series(SLICES + 1))
    good = series(SLICES + 2, SeriesInstanceUID="1.2.3.9")

    index, quarantine, _ = ingest(NORMAL | in_folder("tumour", files) | in_folder("tumour/good", good))

    assert len(of_class(index, "tumour")) == 8
    assert set(quarantine) == {f"tumour/{name}" for name in files}
    assert all("AcquisitionNumber (0020,0012) doesn't tell" in reason for reason in quarantine.values())


def test_what_is_of_two_labels_is_in_quarantine_and_not_taken_for_doubled(ingest: Ingest) -> None:
    name, data = next(iter(series(SLICES).items()))

    _, quarantine, _ = ingest(
        NORMAL | in_folder("tumour", series(SLICES)) | {f"normal/{name}": data}, {"every_mm": 5.0}
    )

    assert set(quarantine) == {f"normal/{name}", f"tumour/{name}"}
    assert all(reason.startswith("contradicting labels") for reason in quarantine.values())


def test_a_slice_without_lung_says_so_and_is_used_only_where_it_is_asked_for(ingest: Ingest) -> None:
    abdomen = np.where(SLICES[0] > -400, SLICES[0], np.int16(40))
    abdomen[:3], abdomen[-3:] = -1000, -1000
    files = NORMAL | in_folder("tumour", series(SLICES) | {"low.dcm": ct_slice(abdomen, CORNER[2] - 2.5)})

    index, quarantine, summary = ingest(files)
    all_of_them, nothing, asked_for = ingest(files, EVERY | {"lungs": None})

    assert quarantine == {"tumour/low.dcm": NO_LUNG}
    assert summary["left_out"] == [{"reason": NO_LUNG, "files": 1, "example": "tumour/low.dcm"}]
    assert not any("could not be used" in said for said in summary["odd"])
    assert nothing == {}
    assert len(all_of_them) == len(index) + 1
    assert [said["slices_without_lung"] for said in (summary, asked_for)] == [False, True]


@pytest.mark.parametrize(
    "without", [{"ImagePositionPatient": None}, {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, {"PixelSpacing": None}]
)
def test_slices_that_do_not_say_where_they_lie_are_used_one_by_one(ingest: Ingest, without: dict[str, Any]) -> None:
    files = in_folder("tumour", series(np.concatenate([SLICES, SLICES[:1] // 8]), **without))

    index, quarantine, _ = ingest(NORMAL | files, {})

    assert quarantine == {}
    assert len(of_class(index, "tumour")) == 9


# --- which are used --------------------------------------------------------------------------------------------------


def test_neighbours_of_a_series_are_left_out_by_default_and_counted(ingest: Ingest) -> None:
    index, quarantine, summary = ingest(NORMAL | in_folder("tumour", series(SLICES)), {})

    assert dict(index["label"].value_counts()) == {"normal": 4, "tumour": 4}
    assert quarantine == {}
    assert (summary["files"], summary["quarantined"], summary["not_chosen"]) == (16, 0, 8)
    assert (
        "Of 16 slices of 2 series 8 are used, as `data_ingestion.volumes` says; the other 8 are neither in the index "
        "nor in quarantine." in summary["notes"]
    )


def test_most_slices_are_those_of_a_study_in_all_its_series(ingest: Ingest) -> None:
    files = series(SLICES) | in_folder("soft", series(SLICES + 1, SeriesInstanceUID="1.2.3.9"))

    index, _, _ = ingest(NORMAL | in_folder("tumour", files), EVERY | {"most_slices": 6})

    assert dict(index["label"].value_counts()) == {"normal": 6, "tumour": 6}
    assert set(of_class(index, "tumour")["series"].value_counts()) == {3}


@pytest.mark.parametrize("down", [1, -1])
def test_the_part_of_the_lungs_is_counted_from_the_feet(ingest: Ingest, down: int) -> None:
    files = in_folder("tumour", series(SLICES, ImageOrientationPatient=[1, 0, 0, 0, down, 0]))

    index, _, _ = ingest(NORMAL | files, EVERY | {"lungs": [0.0, 0.5]})

    assert sorted(of_class(index, "tumour")["pixel_sha256"]) == digests(SLICES[:4])


# --- a row for all of them -------------------------------------------------------------------------------------------


def test_a_row_of_a_table_names_a_volume_or_the_folder_of_a_series(ingest: Ingest, tmp_path: Path) -> None:
    files = in_folder("P1", series(SLICES)) | {"b/scan2.nii.gz": gzip.compress(nifti(other())), "notes/P3.txt": b"-"}
    table = tmp_path / "table.csv"
    table.write_text("file,label,patient\nP1,tumour,1\nscan2,normal,2\nP3.txt,normal,3\n")

    index, _, summary = ingest(files, table={"path": str(table)})

    assert dict(index["label"].value_counts()) == {"tumour": 8, "normal": 8}
    assert index.groupby("label")["patient"].nunique().to_dict() == {"tumour": 1, "normal": 1}
    assert summary["patients"] == 2
    assert "Rows of the table without a file: 1 of 3, such as `P3.txt`. They were not used." in summary["notes"]


def test_reasons_that_differ_in_numbers_alone_are_one_line() -> None:
    reasons = [r"is coronal, 0.99\-0.01\0.00: expected", r"is coronal, 0.98\0.02\-0.00: expected", "is sagittal"]

    groups = group_reasons([(f"{number}.dcm", reason) for number, reason in enumerate(reasons)])

    assert [(group["files"], group["example"]) for group in groups] == [(2, "0.dcm"), (1, "2.dcm")]
