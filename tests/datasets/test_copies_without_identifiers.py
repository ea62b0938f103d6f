"""What of a source lies in the project afterwards: images and the table of the images, without whom they show."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.parameters.sources import TableParameters
from chest_cancer.sources.identifiers import keyed_hash
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.table import read_table
from dicom_files import dicom

KEY = bytes(32)
TABLE = "file,label,Patient ID,Comment\na.dcm,normal,Planted Doe,Planted tells\nb.dcm,tumour,,\n"
FILES = {
    "set/a.dcm": dicom(PatientID="Planted Doe", PatientName="Planted Doe"),
    "set/b.dcm": dicom(),
    "set/rows.csv": TABLE.encode(),
    "set/other.csv": b"BMI,Planted Doe\n",
    "set/report.pdf": b"%PDF Planted Doe",
    "set/letter": b"Dear Planted Doe",
    "DICOMDIR": b"Planted Doe",
}
INSIDE = TableParameters(path="set/rows.csv")
Take = Callable[..., ImageFolder]


@pytest.fixture(params=["folder", "zip"])
def take(request: pytest.FixtureRequest, tmp_path: Path) -> Take:
    """Bring the files here, by a folder or by an archive."""
    location = tmp_path / "source"
    if request.param == "zip":
        with zipfile.ZipFile(location, "w") as archive:
            for name, content in FILES.items():
                archive.writestr(name, content)
    else:
        for name, content in FILES.items():
            (location / name).parent.mkdir(parents=True, exist_ok=True)
            (location / name).write_bytes(content)
    dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))

    def save(**options: object) -> ImageFolder:
        dataset.save(ImageSource(location=str(location), **options))  # type: ignore[arg-type]  # plain names
        return dataset.load()

    return save


def test_nothing_that_is_copied_names_a_patient(take: Take) -> None:
    images = take(key=KEY, table=INSIDE)

    assert images.paths == ("set/a.dcm", "set/b.dcm", "set/rows.csv")
    assert [path.name for path in images.root.rglob("*") if path.is_file() and b"Planted" in path.read_bytes()] == []
    assert {path: reason.split(";")[0][:40] for path, reason in images.refused} == {
        "DICOMDIR": "text (DICOMDIR), no image",
        "set/letter": "not a supported image: expected PNG, JPE",
        "set/other.csv": "a table (.csv), no image: to read classe",
        "set/report.pdf": "text (.pdf), no image",
    }


def test_a_patient_has_one_hash_in_files_and_in_the_table(take: Take) -> None:
    images = take(key=KEY, table=INSIDE)

    found = decode_image(images.read("set/a.dcm"), with_identifiers=True).identifiers
    table = read_table(INSIDE, images.paths, images.root)

    assert found is not None
    expected = keyed_hash(KEY, "patient", "Planted Doe")
    assert keyed_hash(KEY, "patient", found.patient) == expected
    assert keyed_hash(KEY, "patient", table.rows.loc["set/a.dcm", "patient"]) == expected
    assert pd.isna(table.rows.loc["set/b.dcm", "patient"])
    assert list(table.rows["label"]) == ["normal", "tumour"]


def test_without_a_key_nothing_stands_in_the_place_of_an_identifier(take: Take) -> None:
    found = decode_image(take().read("set/a.dcm"), with_identifiers=True).identifiers
    assert found is not None
    assert found.patient == ""


def test_another_key_or_table_makes_the_copies_anew(take: Take) -> None:
    made = take(key=KEY, table=INSIDE).root.stat().st_ino
    assert take(key=KEY, table=INSIDE).root.stat().st_ino == made
    again = take(key=bytes(31) + b"1", table=INSIDE).root.stat().st_ino
    assert again != made
    assert take(key=bytes(31) + b"1").root.stat().st_ino != again


def test_a_table_that_lies_elsewhere_is_no_reason_to_copy_again(take: Take, tmp_path: Path) -> None:
    made = take(key=KEY).root.stat().st_ino
    (tmp_path / "mine.csv").write_text(TABLE)
    assert take(key=KEY, table=TableParameters(path=str(tmp_path / "mine.csv"))).root.stat().st_ino == made


def test_a_table_of_which_the_columns_are_not_certain_stops_the_copying(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "rows.csv").write_text("one,two\n1,2\n")
    dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
    with pytest.raises(Exception, match=r"Expected a column with paths or names of images in rows\.csv"):
        dataset.save(ImageSource(location=str(tmp_path / "set"), table=TableParameters(path="rows.csv")))
