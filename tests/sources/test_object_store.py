"""Images that lie in an object store: read there by batches, fetched once by ingestion. A real S3 server, real cuts."""

import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.runner import SequentialRunner
from PIL import Image

from batch_run import KEY, make_table
from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.pipelines.batch_inference import create_pipeline, nodes
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.storage.table_parts import TableParts
from conftest import PROJECT, Pixels
from dicom_files import dicom
from object_store import ACCOUNT, BUCKET, Line, line_to_s3
from tiny_classifier import tiny_classifier
from volume_files import nifti, stack

PAGE = PROJECT / "docs" / "object-storage.md"
PICTURES = 24


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with line_to_s3() as line:
        yield line


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[..., Pixels]) -> Path:
    """Pictures in folders, a slice, a volume in two files, and what is no image."""
    folder = tmp_path / "source"
    for number in range(PICTURES):
        path = folder / f"ward_{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, 40, 48)).save(path)
    (folder / "ward_0" / "slice.dcm").write_bytes(dicom(PatientID="Planted Doe", StudyInstanceUID="1.2"))
    (folder / "ward_1" / "scan.nii").write_bytes(nifti(stack(2)))
    (folder / "ward_1" / "header.mhd").write_text("ObjectType = Image\nNDims = 3\n")
    (folder / "ward_1" / "header.raw").write_bytes(b"values")
    (folder / "ward_2" / "broken.png").write_bytes(b"no picture")
    (folder / "ward_2" / "empty.png").touch()
    return folder


@pytest.fixture
def source(folder: Path, line: Line) -> str:
    """The same in the bucket."""
    files = {path.relative_to(folder.parents[1]).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    line.files().pipe({f"{BUCKET}/{name}": path.read_bytes() for name, path in files.items()})
    line.asked.clear()
    return f"s3://{BUCKET}/{folder.parent.name}/{folder.name}"


def rows(parts: TableParts) -> pd.DataFrame:
    return pd.concat(list(parts)).sort_values("path", ignore_index=True)


def made_in(line: Line) -> set[str]:
    """Names of the parts that were written, and forget it."""
    found = {asked.rpartition("/")[2] for asked in line.asked if asked.startswith("PUT ")}
    line.asked.clear()
    return found


def read_of(line: Line, source: str) -> list[str]:
    """Names of the objects of a source that were read, and forget it."""
    prefix = f"GET {source.removeprefix('s3://')}/"
    found = [asked.removeprefix(prefix) for asked in line.asked if asked.startswith(prefix)]
    line.asked.clear()
    return found


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of processes, each of which begins a connection of its own."""
    monkeypatch.setattr(nodes, "Processes", lambda count, **_: ThreadPoolExecutor(count))


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a store that stays away costs no seconds."""
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 2)


def blocks_of_page() -> Iterator[dict[str, Any]]:
    """The YAML of the documentation."""
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL):
        yield yaml.safe_load(block)


def documented_catalog(source: str, line: Line, work: Path) -> DataCatalog:
    """The catalog of batches, with what the documentation has of it; the bucket is the tests' one."""
    credentials, entries = blocks_of_page()
    base = yaml.safe_load((PROJECT / "conf" / "base" / "catalog.yml").read_text())
    names = create_pipeline().all_outputs() | {"patient_key"}
    catalog = {name: entry for name, entry in (base | entries).items() if name in names}
    text = yaml.safe_dump(catalog).replace("s3://hospital/results", f"{source}-results")
    text = re.sub(r"filepath: (data|conf)/", rf"filepath: {work}/\1/", text)
    assert line.credentials().keys() - {"config_kwargs"} == credentials["object_store"].keys()
    account = {"archive": {}, "object_store": line.credentials()}
    return DataCatalog.from_config(yaml.safe_load(text), credentials=account)


def test_a_batch_in_the_store_whose_connection_is_cut_twice_has_the_rows_of_a_folder(
    folder: Path, source: str, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(nodes, "Processes", lambda count, **_: ThreadPoolExecutor(count))
        expected = rows(make_table(folder, tmp_path / "local"))
    catalog = documented_catalog(source, line, tmp_path)
    catalog["params:batch_inference"] = MemoryDataset(BatchInferenceParameters(source=source))
    catalog["classifier"] = MemoryDataset(tiny_classifier(), copy_mode="assign")
    catalog["patient_key"] = MemoryDataset(KEY)
    monkeypatch.setattr("chest_cancer.network.mapping.processors", lambda: 1)  # a real process, which reads by itself
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    line.cut_after(size // 2, size * 3 // 2)  # while files are looked at, and while they are read

    SequentialRunner().run(create_pipeline(), catalog)

    assert line.was_cut
    pd.testing.assert_frame_equal(rows(catalog["predictions"].load()), expected)
    assert len(expected) == PICTURES + 7
    assert catalog["batch_summary"].load()["rows"] == len(expected)
    assert len(catalog["patient_predictions"].load()) == 1
    assert "data:image/jpeg;base64," in catalog["predictions_gallery"].load()
    assert not [path for path in (tmp_path / "data").rglob("*") if path.suffix in (".png", ".dcm", ".parquet")]


def test_a_batch_that_the_store_left_goes_on_where_it_was(
    source: str, line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture, threads: None, few_tries: None
) -> None:
    def predict() -> TableParts:
        return make_table(source, tmp_path, predictions=f"{source}-rows", credentials=line.credentials())

    caplog.set_level(logging.INFO)
    line.go_down_after(3, "PUT ")
    words = r"Could not use s3://.*: no connection, or it was lost: \w+\. Once it works, start the same command again"
    with pytest.raises(DatasetError, match=words) as lost:
        predict()
    line.come_back()
    before = {name.rpartition("/")[2] for name in line.files().find(f"{source}-rows")}
    parts = predict()

    assert len(before) == 3
    assert {part.name for part in parts.place.list()} == before | (made := made_in(line))
    assert not before & made
    assert f"3 of {len(parts)} parts are there, {len(parts) - 3} are made now." in caplog.text
    assert len(rows(parts)) == PICTURES + 7
    assert not any(secret in caplog.text + str(lost.value) for secret in ACCOUNT.values())


def test_an_object_that_was_replaced_makes_its_part_anew(
    source: str, line: Line, tmp_path: Path, threads: None
) -> None:
    make_table(source, tmp_path, predictions=f"{source}-rows", credentials=line.credentials())
    everything = made_in(line)
    name = f"{source}/ward_1/01.png"
    line.files().pipe_file(name, line.files().cat_file(f"{source}/ward_1/04.png"))
    line.asked.clear()

    parts = make_table(source, tmp_path, predictions=f"{source}-rows", credentials=line.credentials())

    assert len(made_in(line)) == 1 < len(everything)
    table = rows(parts).set_index("path")
    assert table.loc["ward_1/01.png", "pixel_sha256"] == table.loc["ward_1/04.png", "pixel_sha256"]


def bring(source: str, line: Line, work: Path, **others: Any) -> ImageFolder:
    store = {"credentials": line.credentials()}
    dataset = ImageFolderDataset(filepath=str(work / "data" / "images"), object_store=store)
    dataset.save(ImageSource(location=source, key=KEY, **others))
    return dataset.load()


def contents(images: ImageFolder) -> dict[str, bytes]:
    return {path: images.read(path) for path in images.paths}


def test_objects_are_brought_here_as_a_folder_is_and_name_nobody(
    folder: Path, source: str, line: Line, tmp_path: Path
) -> None:
    local = ImageFolderDataset(filepath=str(tmp_path / "local" / "images"))
    local.save(ImageSource(location=str(folder), key=KEY))
    expected = local.load()

    images = bring(source, line, tmp_path)

    assert contents(images) == contents(expected)
    assert images.volumes == expected.volumes == ("ward_1/scan.nii",)
    assert dict(images.refused) == dict(expected.refused)
    assert images.source.location == source
    assert not any(b"Planted" in path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


def test_only_what_is_new_or_was_replaced_is_fetched(source: str, line: Line, tmp_path: Path) -> None:
    bring(source, line, tmp_path)
    everything = read_of(line, source)
    bring(source, line, tmp_path)
    nothing = read_of(line, source)
    line.files().pipe_file(f"{source}/ward_1/01.png", line.files().cat_file(f"{source}/ward_1/04.png"))
    line.files().rm_file(f"{source}/ward_2/02.png")
    line.asked.clear()

    images = bring(source, line, tmp_path)

    assert len(everything) == PICTURES + 5  # the empty one needs no question
    assert nothing == []
    assert read_of(line, source) == ["ward_1/01.png"]
    assert images.read("ward_1/01.png") == images.read("ward_1/04.png")
    assert "ward_2/02.png" not in images.paths


def test_what_was_fetched_before_the_store_left_is_not_fetched_again(
    source: str, line: Line, tmp_path: Path, few_tries: None
) -> None:
    line.go_down_after(20, ".png")  # of which at most 16 are on their way
    with pytest.raises(DatasetError, match="Once it works, start the same command again: what is complete is kept"):
        bring(source, line, tmp_path)
    line.come_back()
    read_of(line, source)

    images = bring(source, line, tmp_path)

    assert 0 < len(read_of(line, source)) <= PICTURES + 5 - (20 - 16)
    assert len(images.paths) == PICTURES + 3


def test_a_source_beyond_the_limits_is_refused_before_anything_is_fetched(
    source: str, line: Line, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"exceeds `data_ingestion\.limits\.max_files`. Expected at most 10"):
        bring(source, line, tmp_path, limits=SourceLimits(max_files=10))
    with pytest.raises(DatasetError, match=r"exceeds `data_ingestion\.limits\.max_total_bytes`. Expected at most 9000"):
        bring(source, line, tmp_path, limits=SourceLimits(max_total_bytes=9000))

    assert read_of(line, source) == []


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (
            "s3://key:secret@bucket/a",
            r"Expected an address without an account: that belongs into .* Received: one with it",
        ),
        ("s3://", r"the s3://, gs:// or az:// address of images .* Received: 's3://'"),
        ("s3://bucket/a.zip", r"address of images \(a bucket, a prefix in one, no archive\).* 's3://bucket/a\.zip'"),
    ],
)
def test_an_address_that_is_none_is_refused(location: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        ImageSource(location=location)
    assert "secret@" not in str(refused.value)
