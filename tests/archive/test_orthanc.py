"""An archive as a source, and results stored in one: against a real Orthanc (`make pacs-test`)."""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, DatasetError
from kedro.runner import SequentialRunner
from pydicom import dcmread
from pydicom.dataset import Dataset

from archive.orthanc import PASSWORD, READER, Orthanc
from chest_cancer.cli import cli
from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.datasets.table_parts import TablePartsDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import BatchInferenceParameters, DataIngestionParameters
from chest_cancer.parameters.sources import TableParameters
from chest_cancer.pipelines.batch_inference import create_pipeline
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.reporting import study_answers
from chest_cancer.reporting.served_model import ServedModel
from chest_cancer.reporting.study_answers import answer_studies
from chest_cancer.sources.archive.account import Account
from chest_cancer.sources.archive.connection import Archive
from chest_cancer.sources.archive.location import parse_location
from chest_cancer.sources.archive.store import Stored, store_files
from chest_cancer.sources.identifiers import keyed_hash
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from dicom_files import dicom
from manifests import manifest_of
from reporting.test_study_reports import CLASSIFIER, FIGURES, PATIENT, answer_of, write
from reporting.test_study_reports import SLICES as SLICES_OF_A_REPORT
from volume_files import phantom, series

KEY = bytes(range(32))
STUDIES, SLICES = 20, 2
QUERY = "?Modality=CT&StudyDate=20260101-20261231"


def ct(study: int, number: int, **elements: object) -> bytes:
    """A slice with a pixel that tells it from all others, of a patient whose name must not come here."""
    stored = phantom(study, number)[::6, ::6].copy()
    stored[0, :2] = study, number
    given = {
        "PatientName": f"Planted^Doe{study}",
        "PatientID": f"Planted-{study}",
        "AccessionNumber": f"Planted{study}",
        "StudyInstanceUID": f"1.2.826.0.1.{study}",
        "SeriesInstanceUID": f"1.2.826.0.1.{study}.1",
        "SOPInstanceUID": f"1.2.826.0.1.{study}.1.{number}",
        "StudyDate": "20260401",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, number],
        "PixelSpacing": [1, 1],
    }
    return dicom(stored, **(given | elements))


@pytest.fixture(scope="module")
def full_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty studies of CT, one of them with an MR series, another from the year before, and one of MR alone."""
    server = Orthanc(tmp_path_factory.mktemp("full"))
    server.start()
    for study in range(1, STUDIES + 1):
        for number in range(1, SLICES + 1):
            server.add(ct(study, number))
    mr = {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}
    server.add(ct(3, 9, SeriesInstanceUID="1.2.826.0.1.3.2", **mr))
    server.add(ct(98, 1, StudyDate="20251231"))
    server.add(ct(99, 1, **mr))
    server.kill()
    return server.storage


@pytest.fixture
def filled(full_storage: Path, orthanc: Orthanc) -> Orthanc:
    orthanc.kill()
    shutil.copytree(full_storage, orthanc.storage, dirs_exist_ok=True)
    orthanc.start()
    return orthanc


def bring(orthanc: Orthanc, folder: Path, query: str = QUERY, **others: object) -> ImageFolder:
    dataset = ImageFolderDataset(
        filepath=str(folder / "images"), credentials=others.pop("account", orthanc.credentials)
    )
    dataset.save(ImageSource(location=orthanc.location + query, key=KEY, **{"retries": 0, **others}))
    return dataset.load()


def require_all_once(images: ImageFolder) -> None:
    """Every slice of every study, in the folder of its study, and none of them twice."""
    found = []
    for path in images.paths:
        pixels = decode_image(images.read(path)).hounsfield
        assert pixels is not None
        study, number = int(pixels[0, 0]), int(pixels[0, 1])
        assert path.split("/")[0] == keyed_hash(KEY, "study", f"1.2.826.0.1.{study}")
        found.append((study, number))
    assert sorted(found) == [(study, number) for study in range(1, STUDIES + 1) for number in range(1, SLICES + 1)]


def test_twenty_studies_come_once_and_without_whom_they_show(filled: Orthanc, tmp_path: Path) -> None:
    images = bring(filled, tmp_path / "data")

    require_all_once(images)
    assert images.source.kind == "dicomweb"
    assert images.source.location == filled.location
    folder, series = (keyed_hash(KEY, "study", "1.2.826.0.1.3"), keyed_hash(KEY, "series", "1.2.826.0.1.3.2"))
    assert images.refused == ((f"{folder}/{series}", "series of modality 'MR': expected 'CT'"),)
    identifiers = [b"Planted", b"1.2.826.0.1.3", PASSWORD.encode()]
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) > 2 * STUDIES * SLICES
    assert [
        path for path in files for text in identifiers if text in path.read_bytes() or text in str(path).encode()
    ] == []


def test_a_study_without_ct_beside_others_is_listed_with_its_modality(filled: Orthanc, tmp_path: Path) -> None:
    images = bring(filled, tmp_path, "?StudyDate=20260101-20261231")

    require_all_once(images)
    assert [reason for _, reason in images.refused] == ["series of modality 'MR': expected 'CT'"] * 2


def test_what_has_not_changed_is_not_fetched_again(
    filled: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(filled, tmp_path)
    fetched = []
    retrieve = Archive.retrieve
    monkeypatch.setattr(
        Archive, "retrieve", lambda self, instance: fetched.append(instance.uid) or retrieve(self, instance)
    )

    bring(filled, tmp_path)
    assert fetched == []

    filled.add(ct(7, SLICES + 1))
    images = bring(filled, tmp_path)
    assert sorted(fetched) == [f"1.2.826.0.1.7.1.{number}" for number in range(1, SLICES + 2)]
    assert len(images.paths) == STUDIES * SLICES + 1


def test_a_server_that_is_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    filled: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    retrieve = Archive.retrieve

    def dying(archive: Archive, instance: object) -> bytes:
        asked.append(instance)
        if len(asked) == 33:
            filled.kill()
        return retrieve(archive, instance)

    monkeypatch.setattr(Archive, "retrieve", dying)
    with pytest.raises(DatasetError, match=r"no connection\. Once it answers, start the same command again"):
        bring(filled, tmp_path)
    assert not (tmp_path / "images").exists()

    filled.start()
    images = bring(filled, tmp_path)

    require_all_once(images)
    assert len(asked) == STUDIES * SLICES + 33 % SLICES  # of the study that was under way


def test_a_server_that_comes_back_in_time_is_asked_again(
    filled: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_again(_: float) -> None:
        monkeypatch.undo()
        filled.start()

    filled.kill()
    monkeypatch.setattr("time.sleep", start_again)
    require_all_once(bring(filled, tmp_path, retries=1))


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ({"username": READER, "password": "wrong"}, r"it refuses this account \(status 401 Unauthorized\)"),
        ({}, r"it refuses requests without an account \(status 401 Unauthorized\)"),
        ({"token": "wrong-one"}, r"it refuses this account \(status 401 Unauthorized\)"),
    ],
)
def test_a_wrong_account_is_said_without_it(
    orthanc: Orthanc, tmp_path: Path, account: dict[str, str], message: str
) -> None:
    with pytest.raises(DatasetError, match=f"{message}. Check `archive` in conf/local/credentials.yml") as caught:
        bring(orthanc, tmp_path, account=account)
    assert "wrong" not in str(caught.value)


def test_a_query_that_finds_nothing_or_no_ct_says_so(filled: Orthanc, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no study of this query. .* Widen its dates"):
        bring(filled, tmp_path, "?Modality=CT&StudyDate=20200101")
    with pytest.raises(DatasetError, match=r"a query that finds CT. Received: 1 studies of MR \(1 series\)"):
        bring(filled, tmp_path, "?StudyInstanceUID=1.2.826.0.1.99")
    filled.location = filled.location.replace("dicom-web", "elsewhere")
    with pytest.raises(DatasetError, match=r"status 404 Not Found. Check the root of its DICOMweb service"):
        bring(filled, tmp_path)


def test_studies_of_the_archive_are_answered(
    filled: Orthanc, tmp_path: Path, vgg16_weights: Weights, random_head: Callable[..., Head]
) -> None:
    graph = classifier(vgg16_weights, random_head(9, 2)).SerializeToString()
    trained = Classifier(graph, manifest_of(classes=["adenocarcinoma", "normal"]))
    entry = {
        "type": "chest_cancer.datasets.image_files_dataset.ImageFilesDataset",
        "filepath": str(tmp_path / "inference_images"),
        "credentials": "archive",
    }
    catalog = DataCatalog.from_config({"inference_images": entry}, credentials={"archive": filled.credentials})
    catalog["params:batch_inference"] = BatchInferenceParameters(source=filled.location + QUERY, patient="dicom")
    catalog["classifier"], catalog["patient_key"] = trained, KEY

    catalog["predictions"] = TablePartsDataset(filepath=str(tmp_path / "predictions"))

    SequentialRunner().run(create_pipeline(), catalog)

    table = pd.concat(list(catalog["predictions"].load()))
    assert len(table) == STUDIES * SLICES + 1
    assert table["patient"].nunique() == STUDIES
    assert (table["label"].notna() | table["reason"].notna()).all()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Five files to store, and one that is none."""
    folder = tmp_path / "results"
    (folder / "deep").mkdir(parents=True)
    for number in range(1, 6):
        (folder / "deep" / f"{number}.dcm").write_bytes(ct(50, number))
    large = ct(50, 5, Rows=1000, Columns=1000, PixelData=bytes(2_000_000))  # sent in chunks
    (folder / "deep" / "5.dcm").write_bytes(large)
    (folder / "notes.txt").write_text("no DICOM")
    return folder


@pytest.fixture
def store(orthanc: Orthanc, results: Path, project_copy: Path) -> Callable[[], str]:
    """`kedro archive store` in a project that knows the account; what it prints."""
    account = f"archive: {{username: {READER}, password: '{PASSWORD}'}}"
    (project_copy / "conf/local/credentials.yml").write_text(account)

    def run() -> str:
        done = CliRunner().invoke(cli, ["archive", "store", "--files", str(results), "--to", orthanc.location])
        assert done.exit_code == 1  # of the file that is none, or the server that is gone
        return done.output

    return run


def test_a_table_by_study_labels_them(filled: Orthanc, tmp_path: Path) -> None:
    labels = [f"1.2.826.0.1.{study},{'tumour' if study % 2 else 'normal'}" for study in range(1, STUDIES + 1)]
    (tmp_path / "labels.csv").write_text("\n".join(["StudyInstanceUID,diagnosis", *labels]))
    table = TableParameters(path=str(tmp_path / "labels.csv"))
    parameters = DataIngestionParameters(source=filled.location + QUERY, table=table, patient="dicom")

    index, quarantine, _, _ = index_images(bring(filled, tmp_path, table=table), parameters, "normal", KEY)

    assert list(quarantine["reason"]) == ["series of modality 'MR': expected 'CT'"]
    assert index.groupby("label")["patient"].nunique().to_dict() == {"normal": STUDIES // 2, "tumour": STUDIES // 2}
    tumours = {keyed_hash(KEY, "study", f"1.2.826.0.1.{study}") for study in range(1, STUDIES + 1, 2)}
    assert set(index[index["label"] == "tumour"]["study"]) == tumours


def test_files_are_stored_once_and_read_back_equal(orthanc: Orthanc, results: Path, store: Callable[[], str]) -> None:
    orthanc.add(ct(1, 1))

    assert "5 stored, 0 were there before, 1 refused.\nnotes.txt: no DICOM file\n" in store()
    stored = orthanc.files()
    assert "0 stored, 5 were there before, 1 refused.\nnotes.txt: no DICOM file\n" in store()

    assert orthanc.files() == stored
    assert len(stored) == 1 + 5
    for path in results.rglob("*.dcm"):
        sent = dcmread(path)
        assert dcmread(io.BytesIO(stored[sent.SOPInstanceUID])) == sent


def test_storing_goes_on_where_a_killed_server_ended_it(
    orthanc: Orthanc, store: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = Archive.store

    def dying(archive: Archive, dataset: Dataset) -> bool:
        asked.append(dataset)
        if len(asked) == 3:
            orthanc.kill()
        return real(archive, dataset)

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "store", dying)
        patched.setattr("time.sleep", lambda _: None)
        assert "no connection. Once it answers, start the same command again" in store()

    orthanc.start()
    assert "3 stored, 2 were there before, 1 refused." in store()
    assert len(orthanc.files()) == 5


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not installed: apt-get install dicom3tools")
def test_the_reports_of_twenty_studies_are_stored_and_read_back_without_an_error(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The network's part takes seconds, and is tested where it is.
    monkeypatch.setattr(study_answers, "predict_study", lambda classifier, volume: answer_of(volume, classifier))
    for study in range(1, STUDIES + 1):
        identifiers = {"StudyInstanceUID": f"1.2.826.0.1.{study}", "SeriesInstanceUID": f"1.2.826.0.1.{study}.1"}
        originals = write(series(SLICES_OF_A_REPORT, **PATIENT | identifiers), tmp_path / f"in{study}")
        list(answer_studies(originals, tmp_path / "out" / str(study), ServedModel(CLASSIFIER, FIGURES, "4")))
        for path in originals.iterdir():
            orthanc.add(path.read_bytes())
    made = {(dataset := dcmread(path)).SOPInstanceUID: dataset for path in (tmp_path / "out").rglob("*.dcm")}
    location = parse_location(orthanc.location, "--to", with_query=False)

    with Archive(location, Account.of(orthanc.credentials), timeout_seconds=10, retries=0, parameter="--to") as archive:
        assert store_files(tmp_path / "out", archive) == Stored(sent=len(made))
        assert store_files(tmp_path / "out", archive) == Stored(present=len(made))

    read_back = orthanc.files()
    assert len(read_back) == len(made) + STUDIES * len(SLICES_OF_A_REPORT)
    assert sum(dataset.Modality == "SR" for dataset in made.values()) == STUDIES
    for uid, sent in made.items():
        assert dcmread(io.BytesIO(read_back[uid])) == sent
        file = tmp_path / "checked.dcm"
        file.write_bytes(read_back[uid])
        said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        assert [line for line in said.stderr.splitlines() if line.startswith("Error")] == []
