"""A batch in parts: what is made again and what is not, shares, and where the files stay."""

import shutil
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.pandas import ParquetDataset
from PIL import Image

from batch_run import KEY, make_table
from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.datasets.image_files_dataset import ImageFilesDataset
from chest_cancer.datasets.table_parts import TablePartsDataset
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.pipelines.batch_inference import create_pipeline, nodes
from chest_cancer.pipelines.batch_inference.nodes import predict_images
from chest_cancer.pipelines.batch_inference.parts import name_of_source
from chest_cancer.pipelines.batch_inference.patients import gather_patients, gather_studies
from chest_cancer.pipelines.batch_inference.summary import draw_gallery, list_predictions, sum_up_batch
from chest_cancer.sources.identifiers import keyed_hash
from chest_cancer.sources.image_folder import SourceRecord
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.storage.table_parts import PlannedTable, TableParts
from conftest import Pixels
from dicom_files import dicom
from manifests import PATIENT_RULE
from tiny_classifier import tiny_classifier
from volume_files import ct_slice, nifti, stack

FILES = 40


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of processes, which take a second to begin; test_batch_kill.py has these."""
    monkeypatch.setattr(nodes, "Processes", lambda count, preload: ThreadPoolExecutor(count))


@pytest.fixture
def source(tmp_path: Path, picture: Callable[..., Pixels]) -> Path:
    """Pictures in folders, and one file that is none."""
    folder = tmp_path / "source"
    for number in range(FILES):
        path = folder / f"ward_{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, 40, 48)).save(path)
    (folder / "ward_0" / "broken.png").write_bytes(b"no picture")
    return folder


def folder_of(parts: TableParts) -> Path:
    return Path(parts.place.address)


def contents(parts: TableParts) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder_of(parts).iterdir()}


def times(parts: TableParts) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder_of(parts).glob("*.parquet")}


def paths_in(parts: TableParts) -> list[str]:
    return sorted(pd.concat(list(parts))["path"])


def test_a_run_of_the_same_source_and_model_makes_nothing_again(source: Path, tmp_path: Path) -> None:
    first = times(make_table(source, tmp_path))

    assert times(make_table(source, tmp_path)) == first
    assert len(first) > 10


def test_pandas_reads_the_parts_as_one_table_with_every_file_once(source: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(folder_of(make_table(source, tmp_path)))

    assert sorted(table["path"]) == sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))
    (broken,) = table[table["reason"].notna()].to_dict("records")
    assert broken["path"] == "ward_0/broken.png"
    assert "not a supported image" in broken["reason"]


def test_shares_in_any_order_and_some_twice_give_the_same_files_as_one_run(source: Path, tmp_path: Path) -> None:
    whole = contents(make_table(source, tmp_path / "whole"))
    order = [3, 8, 7, 1, 5, 3, 2, 6, 8, 4]

    for number in order:
        parts = make_table(source, tmp_path / "shared", f"{number}/8")
    for number in (2, 1, 3):
        thirds = make_table(source, tmp_path / "thirds", f"{number}/3")

    assert contents(parts) == whole
    assert contents(thirds) == whole


def test_a_share_makes_its_own_parts_alone(source: Path, tmp_path: Path) -> None:
    shares = [set(paths_in(make_table(source, tmp_path / str(number), f"{number}/4"))) for number in range(1, 5)]

    assert all(0 < len(share) < FILES for share in shares)
    assert sum(map(len, shares)) == FILES + 1 == len(set.union(*shares))


def test_another_model_makes_all_of_it_anew(source: Path, tmp_path: Path) -> None:
    before = contents(make_table(source, tmp_path))

    after = make_table(source, tmp_path, seed=1)

    assert before.keys() == contents(after).keys()
    assert not set(before.values()) & set(contents(after).values())
    assert len(paths_in(after)) == FILES + 1


def test_another_way_to_find_patients_makes_all_of_it_anew(source: Path, tmp_path: Path) -> None:
    make_table(source, tmp_path)

    (table,) = {len(pd.concat(list(make_table(source, tmp_path, patient="(?P<patient>ward_.)")))["patient"].unique())}

    assert table == 3


def test_a_file_that_changed_makes_its_part_anew_and_one_that_is_gone_is_no_row(
    source: Path, tmp_path: Path, picture: Callable[..., Pixels]
) -> None:
    first = times(make_table(source, tmp_path))

    Image.fromarray(picture(99, 40, 48)).save(source / "ward_1" / "01.png")
    changed = times(make_table(source, tmp_path))
    (source / "ward_2" / "02.png").unlink()
    fewer = make_table(source, tmp_path)

    assert sum(first[name] != changed[name] for name in first) == 1
    assert "ward_2/02.png" not in paths_in(fewer)
    assert len(paths_in(fewer)) == FILES


@pytest.mark.parametrize("share", [None, "1/16"])
def test_parts_of_another_source_are_kept_and_the_run_says_how_to_go_on(
    source: Path, tmp_path: Path, picture: Callable[..., Pixels], share: str | None
) -> None:
    parts = make_table(source, tmp_path)
    before = contents(parts)
    (tmp_path / "other").mkdir()
    Image.fromarray(picture(3, 40, 48)).save(tmp_path / "other" / "only.png")

    for other in (tmp_path / "other", "phantom"):
        with pytest.raises(
            DatasetError,
            match=rf"predictions holds parts of another source: {len(before)} of source \(\w{{8}}\)\. "
            rf"Expected none, or parts of {Path(other).name}.* Move that folder away to keep them",
        ):
            make_table(other, tmp_path, share)

    assert contents(parts) == before
    assert times(make_table(source, tmp_path)) == times(parts)
    folder_of(parts).rename(tmp_path / "kept")
    assert paths_in(make_table(tmp_path / "other", tmp_path)) == ["only.png"]


def test_parts_of_phantoms_make_room_for_those_of_images(source: Path, tmp_path: Path) -> None:
    make_table("phantom", tmp_path)

    assert len(paths_in(make_table(source, tmp_path))) == FILES + 1


def test_each_query_of_an_archive_is_a_source_and_its_name_does_not_say_for_whom_it_asks() -> None:
    archive = SourceRecord.in_place("dicomweb", "dicomweb+https://pacs.example/dicom-web")
    first, again, second = (
        name_of_source(archive, f"{archive.location}?PatientID={patient}", KEY) for patient in ("4711", "4711", "4712")
    )

    assert first == again != second
    assert first.startswith("dicomweb+https://pacs.example/dicom-web (")
    assert "4711" not in first


def test_what_is_no_part_is_not_removed(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "predictions" / "mine.parquet"
    mine.parent.mkdir()
    pd.DataFrame({"path": ["a.png"]}).to_parquet(mine)

    with pytest.raises(DatasetError, match=r"another source: 1 of a source that they do not name\."):
        make_table(source, tmp_path)

    assert mine.is_file()


def test_a_source_is_the_same_however_it_is_written_and_parts_do_not_say_where_it_lies(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", source)
    (tmp_path / "link").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    for seed, same in enumerate([(source, "source/", "link"), (archive, "archive.zip")]):
        for number, written in enumerate(same):
            parts = make_table(written, tmp_path / f"work_{seed}", seed=number)

        assert len(paths_in(parts)) == FILES + 1
        assert not [name for name, part in contents(parts).items() if str(tmp_path).encode() in part]


def test_a_damaged_part_is_made_again(source: Path, tmp_path: Path) -> None:
    parts = make_table(source, tmp_path)
    before = contents(parts)
    (folder_of(parts) / min(before)).write_bytes(b"PAR1")

    assert contents(make_table(source, tmp_path)) == before


def test_a_folder_is_read_in_place(source: Path, tmp_path: Path) -> None:
    make_table(source, tmp_path / "work")

    copied = [path for path in (tmp_path / "work").rglob("*") if path.suffix == ".png"]
    assert copied == []
    assert (tmp_path / "work" / "images" / ".source.json").stat().st_size < 1000


def test_files_in_place_give_the_same_rows_as_in_an_archive(tmp_path: Path, picture: Callable[..., Pixels]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "scan.nii").write_bytes(nifti(stack(2)))
    (source / "slice.dcm").write_bytes(ct_slice(stack()[0], 0, PatientID="Planted Doe", StudyInstanceUID="1.2"))
    (source / "notes.csv").write_text("a,b\n1,2\n")
    (source / "header.mhd").write_text("ObjectType = Image\nNDims = 3\n")
    (source / "header.raw").write_bytes(b"values")
    Image.fromarray(picture(3, 40, 48)).save(source / "a.png")
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as archive:
        for path in source.iterdir():
            archive.write(path, path.name)

    in_place, unpacked = (
        pd.concat(list(make_table(tmp_path / name, tmp_path / f"of_{name}"))).sort_values("path", ignore_index=True)
        for name in ("source", "source.zip")
    )

    assert in_place["path"].tolist()[-2:] == ["scan.nii/slice_0002.dcm", "slice.dcm"]
    pd.testing.assert_frame_equal(in_place, unpacked)
    assert in_place.set_index("path").loc["slice.dcm", "patient"] == keyed_hash(KEY, "patient", "Planted Doe")
    assert "Planted" not in in_place.to_csv()


def test_a_folder_that_is_gone_is_no_reason_of_its_files(source: Path, tmp_path: Path) -> None:
    images = ImageFilesDataset(filepath=str(tmp_path / "images"))
    images.save(ImageSource(location=str(source), parameter="batch_inference.source", key=KEY))
    planned, _, _ = predict_images(images.load(), tiny_classifier(), BatchInferenceParameters(), KEY)
    source.rename(tmp_path / "elsewhere")  # as where a disk is not mounted

    with pytest.raises(ConnectionError, match=f"can't be reached from .*: expected {source}. Received: no such folder"):
        list(planned.compute(list(planned.asked)))


def test_slices_of_a_patient_and_of_a_study_are_in_one_part(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(24):
        patient = None if number == 5 else f"patient {number % 4}"  # one file of a study does not say whose it is
        content = dicom(PatientID=patient or "", StudyInstanceUID=f"1.2.{number % 8}")
        (source / f"{number:02}.dcm").write_bytes(content)

    tables = list(make_table(source, tmp_path))

    for identity in ("patient", "study"):
        shown = [set(table[identity].dropna()) for table in tables]
        assert sum(map(len, shown)) == len(set.union(*shown)) == {"patient": 4, "study": 8}[identity]
    assert len(tables) > 1


@pytest.mark.parametrize("share", ["0/4", "5/4", "3", "a/b", "1/4/2"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(ValueError, match="expected which share and of how many, as in 3/16: from 1/16 to 16/16"):
        BatchInferenceParameters(part=share)


@pytest.mark.parametrize(("name", "is_said"), [("/home/ada/the same", True), ("/home/ada/another", False)])
def test_the_page_says_where_the_model_was_made_from_the_same_source(
    source: Path, tmp_path: Path, name: str, is_said: bool
) -> None:
    trained = tiny_classifier(data={"location": "/home/ada/the same", "synthetic": False})
    work, parts = {"source": name, "synthetic": False, "files": FILES + 1, "parts": 1}, make_table(source, tmp_path)
    images = ImageFilesDataset(filepath=str(tmp_path / "images")).load()

    facts = sum_up_batch(parts, gather_patients(parts, trained), gather_studies(parts, trained), work)

    page = draw_gallery(images, parts, trained, facts, BatchInferenceParameters(), KEY)
    assert ("The model has learnt from these images." in page) == is_said
    assert "<code>the same</code>" in page
    assert "/home/ada" not in page


def test_the_page_shows_a_sample_and_says_what_is_missing(source: Path, tmp_path: Path) -> None:
    trained, work = tiny_classifier(), {"source": "<here>", "synthetic": False, "files": FILES + 1, "parts": 99}
    parts = make_table(source, tmp_path)
    images = ImageFilesDataset(filepath=str(tmp_path / "images")).load()

    facts = sum_up_batch(parts, gather_patients(parts, trained), gather_studies(parts, trained), work)
    page = draw_gallery(images, parts, trained, facts, BatchInferenceParameters(), KEY)

    assert facts["rows"] == len(list_predictions(parts)) == FILES + 1
    assert facts["without_answer"] == {"not a supported image": 1}
    assert sum(facts["answers"].values()) == FILES
    shown = page.count("data:image/jpeg;base64,") // 2
    assert shown == sum(min(count, 6) for count in facts["answers"].values())
    assert f"{len(parts)} of 99 parts" in page
    assert "<here>" not in page
    assert "http" not in page.split("</style>")[1]


class ReplacedMeanwhile(TablePartsDataset):
    """A table whose making takes so long that another model is served by the end."""

    def __init__(self, served: Path, other: Classifier, **where: str) -> None:
        super().__init__(**where)
        self._served, self._other = served, other

    def save(self, data: PlannedTable) -> None:
        super().save(data)
        ClassifierDataset(filepath=str(self._served)).save(self._other)


def test_a_batch_is_read_by_the_model_that_predicted_it_though_another_one_is_served_by_then(
    source: Path, tmp_path: Path
) -> None:
    first, second = (tiny_classifier(patient_rule=PATIENT_RULE | {"threshold": threshold}) for threshold in (-9, 9))
    served = tmp_path / "classifier"
    ClassifierDataset(filepath=str(served)).save(first)
    catalog = DataCatalog(
        {
            "params:batch_inference": MemoryDataset(
                BatchInferenceParameters(source=str(source), patient="(?P<patient>ward_.)")
            ),
            "patient_key": MemoryDataset(KEY),
            "inference_images": ImageFilesDataset(filepath=str(tmp_path / "images")),
            "classifier": ClassifierDataset(filepath=str(served)),
            "predictions": ReplacedMeanwhile(served, second, filepath=str(tmp_path / "predictions")),
            "patient_predictions": ParquetDataset(filepath=str(tmp_path / "patients.parquet")),
        }
    )

    SequentialRunner().run(create_pipeline(), catalog)

    assert catalog.load("patient_predictions")["threshold"].unique().tolist() == [-9]


def test_a_table_is_without_parts_that_another_model_has_made_meanwhile(source: Path, tmp_path: Path) -> None:
    parts = make_table(source, tmp_path)
    names = sorted(times(parts))

    make_table(source, tmp_path, share="1/4", seed=1)  # takes all others for out of date

    assert len(names) > len(times(parts)) > 0
    assert (list(parts), parts.count_rows()) == ([], 0)
