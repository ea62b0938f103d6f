"""Tables that people made for themselves, read beside the files that they mean."""

import io
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chest_cancer.parameters.sources import TableParameters
from chest_cancer.sources.table import NO_ROW, SHARED_ROW, ImageTable, read_table
from properties import examples

PATHS = ("COVID/a.png", "COVID/b.png", "NonCOVID/c.png")
GOOD = "File name,Label,Patient ID,Study,Set,Age\na.png,covid,P1,S1,train,60\nc.png,none,P2,S2,test,\n"
Read = Callable[..., ImageTable]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a table, and read it beside these files."""

    def read_written(
        content: str | bytes, paths: Sequence[str] = PATHS, name: str = "table.csv", **columns: str | None
    ) -> ImageTable:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(TableParameters(path=str(file), columns=columns), paths, tmp_path / "images")

    return read_written


def facts(table: ImageTable, role: str) -> dict[str, Any]:
    return {path: None if pd.isna(value) else value for path, value in table.rows[role].items()}


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def test_rows_are_by_path_of_the_source(read: Read, tmp_path: Path) -> None:
    table = read(GOOD)

    assert table.file == tmp_path / "table.csv"
    assert table.rows.to_dict("index") == {
        "COVID/a.png": {"label": "covid", "patient": "P1", "study": "S1", "split": "train"},
        "NonCOVID/c.png": {"label": "none", "patient": "P2", "study": "S2", "split": "test"},
    }
    assert table.columns == {
        "path": "File name", "label": "Label", "patient": "Patient ID", "study": "Study", "split": "Set"
    }  # fmt: skip
    assert table.metadata["Age"].to_dict() == pytest.approx(
        {"COVID/a.png": "60", "NonCOVID/c.png": float("nan")}, nan_ok=True
    )
    assert table.refused == ()
    assert table.without_row == (("COVID/b.png", NO_ROW),)
    assert table.notes == ("Files without a row in the table: 1 of 3, such as `COVID/b.png`.",)


def test_what_a_table_does_not_have_is_missing(read: Read) -> None:
    table = read("image\na.png\n")
    assert table.columns == {"path": "image"}
    assert table.rows.isna().to_dict("index") == {
        "COVID/a.png": dict.fromkeys(("label", "patient", "study", "split"), True)
    }


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("path", ["File name", "filename", "FILE", "image", "image_path", "img", "Image Index", "image-id"]),
        ("label", ["label", "CLASS", "dx", "Diagnosis", "target", "category", "class_name"]),
        ("patient", ["Patient ID", "patient", "patient_id", "PatientID", "subject_id", "Subject", "pid", "case_id"]),
        ("study", ["study", "Study ID", "StudyInstanceUID", "scan_id", "Exam"]),
        ("split", ["split", "SET", "sub-set", "Data Split", "fold"]),
    ],
)
def test_columns_are_known_by_their_usual_names(read: Read, role: str, names: list[str]) -> None:
    value = {"path": "a.png", "split": "train"}.get(role, "x")
    for name in names:
        row = {"path": ("path", "a.png")} | {role: (name, value)}
        table = read(",".join(head for head, _ in row.values()) + "\n" + ",".join(cell for _, cell in row.values()))
        assert table.columns[role] == name  # type: ignore[index]  # parametrize gives plain text
        assert role == "path" or facts(table, role) == {"COVID/a.png": value}


def test_of_two_columns_for_one_role_somebody_must_choose(read: Read) -> None:
    text = "file,Patient ID,case_id\na.png,P1,C1\n"
    with pytest.raises(ValueError, match=r"Expected one column for the patient in table\.csv\.") as error:
        read(text)
    assert str(error.value).endswith(
        "Received 2 that may be it: `Patient ID`, `case_id`. Choose one, by `data_ingestion.table.columns: "
        "{patient: 'Patient ID'}`, or none of them, by `{patient: null}`."
    )
    assert facts(read(text, patient="case_id"), "patient") == {"COVID/a.png": "C1"}
    assert "patient" not in read(text, patient=None).columns


def test_of_two_columns_of_paths_one_is_chosen(read: Read) -> None:
    text = "filename,image\na.png,b.png\n"
    with pytest.raises(ValueError, match=r"that may be it: `filename`, `image`\. Choose one, .*: 'filename'}`\.$"):
        read(text)
    assert list(read(text, path="image").rows.index) == ["COVID/b.png"]


def test_a_column_that_parameters_name_is_found_in_any_spelling(read: Read) -> None:
    table = read("case no,who\na.png,P1\n", path="Case_No", patient="who")
    assert table.columns == {"path": "case no", "patient": "who"}


def test_a_column_that_parameters_name_must_be_there(read: Read) -> None:
    with pytest.raises(
        ValueError,
        match=r"`data_ingestion\.table\.columns\.label`\. Expected a column of table\.csv: `file`, `grade`\. "
        r"Received: 'stage'\.$",
    ):
        read("file,grade\na.png,1\n", label="stage")


def test_a_table_needs_paths(read: Read) -> None:
    with pytest.raises(
        ValueError,
        match=r"Expected a column with paths or names of images in table\.csv, such as `path` or `filename`\. "
        r"Received columns: `slice`, `label`\. If one of them has these, name it: "
        r"`data_ingestion\.table\.columns: {path: 'slice'}`\.$",
    ):
        read("slice,label\na.png,x\n")


def test_one_column_may_have_two_roles(read: Read) -> None:
    table = read("patientId,Target\na,1\nlost,0\n", path="patientId", patient="patientId")
    assert facts(table, "patient") == {"COVID/a.png": "a"}
    # The name of a file is that of a patient here.
    assert table.notes[0] == "Rows of the table without a file: 1 of 2. They were not used."


@pytest.mark.parametrize("name", ["split", "set", "fold"])
def test_names_of_splits_are_understood(read: Read, name: str) -> None:
    table = read(f"file,{name}\na.png,Training\nb.png,val\nc.png,test_set\n")
    assert list(facts(table, "split").values()) == ["train", "validation", "test"]


def test_a_column_that_may_be_the_split_is_metadata_if_its_values_are_none(read: Read) -> None:
    table = read("file,fold\na.png,1\nb.png,2\nc.png,3\n")
    assert "split" not in table.columns
    assert list(table.metadata["fold"]) == ["1", "2", "3"]
    assert table.notes == (
        "The column `fold` of table.csv was not taken for the split: no value in it is the name of a split.",
    )


def test_an_unknown_split_stops_the_reading(read: Read) -> None:
    text = "file,split\na.png,train\nb.png,tset\nc.png,holdout\n"
    with pytest.raises(
        ValueError,
        match=r"the column `split` of .*table\.csv\. Expected names of splits, such as train, validation, val, dev, "
        r"test, testing_set\. Received also: `holdout`, `tset`\. Correct them, or say that the table has no splits: "
        r"`data_ingestion\.table\.columns: {split: null}`\.$",
    ):
        read(text)
    assert read(text, split=None).rows["split"].isna().all()


def test_many_unknown_splits_are_not_named_as_they_may_be_patients(read: Read) -> None:
    paths = [f"{number}.png" for number in range(12)]
    rows = "".join(f"{path},Patient {path}\n" for path in paths)
    with pytest.raises(ValueError, match=r"Received also: 12 other names\.") as error:
        read(f"file,split\n{rows}", paths)
    assert "Patient 1" not in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_apart(read: Read, encoding: str) -> None:
    table = read("file,label\nMüller.png,Größe\n".encode(encoding), ["Müller.png"])
    assert facts(table, "label") == {"Müller.png": "Größe"}
    guessed = "table.csv is not in UTF-8, and was read as cp1252: accented letters may be wrong."
    assert table.notes == ((guessed,) if encoding == "cp1252" else ())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_separators_are_told_apart_and_quotes_understood(read: Read, separator: str, line_end: str) -> None:
    rows = [
        ["file", '"Caption, long; or\tshort"', "label", "size"],
        ["a.png", '"opacities, left; ""ground\tglass"""', " covid ", '"1,5"'],
        ["b.png", '"two\nlines, and commas, and; more"', "covid", '"2,5"'],
    ]
    table = read(line_end.join([*map(separator.join, rows), ""]).encode())

    assert list(table.metadata) == ["Caption, long; or\tshort", "size"]
    assert list(table.metadata.iloc[:, 0]) == ['opacities, left; "ground\tglass"', "two\nlines, and commas, and; more"]
    assert list(table.rows["label"]) == ["covid", "covid"]


def test_sentences_with_commas_need_no_quotes_beside_another_separator(read: Read) -> None:
    table = read("file;label, or class;age\na.png;covid;60,5\nb.png;none;70,5\n")
    assert list(table.metadata) == ["label, or class", "age"]


def test_closing_separators_and_empty_rows_are_nothing(read: Read) -> None:
    table = read(",file,label,,\n0,a.png,covid,,\n\n,,,,\n1,b.png,none,,\n")
    assert list(table.metadata) == ["column 1"]
    assert facts(table, "label") == {"COVID/a.png": "covid", "COVID/b.png": "none"}
    assert table.notes == ("Files without a row in the table: 1 of 3, such as `NonCOVID/c.png`.",)


def test_parquet_is_read_by_its_content(read: Read) -> None:
    content = parquet(
        image=["a.png", "b.png", "c.png"],
        label=pd.Categorical(["covid", "covid", "none"]),
        patient=[7.0, None, 8.0],
        pixels=[b"\x89PNG", b"", b""],
        boxes=[[1, 2], [], []],
    )
    table = read(content, name="table.csv")

    assert facts(table, "patient") == {"COVID/a.png": "7", "COVID/b.png": None, "NonCOVID/c.png": "8"}
    assert facts(table, "label")["NonCOVID/c.png"] == "none"
    assert table.notes[0] == "Columns of table.csv that hold no text or numbers were left out: `pixels`, `boxes`."


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("xl/workbook.xml", "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "received"),
    [
        ("t.xlsx", archive(), r"a spreadsheet \(\.xlsx\)\. Save the table as CSV\."),
        ("t.csv", archive(), r"a zip archive; .*\. Save the table as CSV\."),
        ("t.csv", b"<!DOCTYPE html>", r"a web page; fetch the file itself again\. "),
        ("t.csv", b"a\0b\x81", r"a file that is no text\. "),
        ("t.csv", "file\na.png".encode("utf-16")[:-1], r"a file that is no text\. "),
        ("t.csv", b"", r"an empty file\. Write the table again\."),
        ("t.csv", b"\n\n", r"an empty file\. "),
        ("t.csv", b"file,label\n", r"no row below the names of the columns\. "),
        ("t.csv", b"file,label\n,\n", r"no row below the names of the columns\. "),
        (
            "t.csv",
            b"file,age\na.png,1,x\nb.png,2,y\n",
            r"rows that are not alike \(.*line 2.*\)\. Put double quotes around",
        ),
        ("t.csv", b'file,label\na.png,"open\n', r"rows that are not alike \(.*string.*\)\. Put double quotes around"),
        ("t.csv", b"file,age,age\na.png,1,2\n", r"more than one column `age`\. Rename or remove all but one\."),
        ("t.csv", b"a.png,covid\nb.png,none\n", r"an image in the first row\. Add a first row with the names"),
        ("t.parquet", parquet(file=["a.png"])[:-9], r"a damaged Parquet file \(.*\)\. Write the table again\."),
        ("t.parquet", parquet(file=pd.Series([], dtype=str)), r"no row below the names of the columns\. "),
    ],
)
def test_what_is_no_table_is_refused_by_name(read: Read, name: str, content: bytes, received: str) -> None:
    with pytest.raises(
        ValueError, match=rf"(?s)Expected a table \(CSV, TSV or Parquet\) .* Received .*{name}: {received}"
    ):
        read(content, name=name)


def test_a_table_may_lie_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "t.csv").write_text(GOOD)
    table = read_table(TableParameters(path="meta/t.csv"), [*PATHS, "meta/t.csv"], tmp_path)
    assert len(table.rows) == 2
    # The table itself is no image.
    assert table.without_row == (("COVID/b.png", NO_ROW),)


@pytest.mark.parametrize(
    ("paths", "found"),
    [(PATHS, ""), ([*PATHS, "meta/t.CSV", "x.tsv"], r" The source has `meta/t\.CSV`, `x\.tsv`\.")],
)
@pytest.mark.parametrize("path", ["gone.csv", None])
def test_a_table_that_is_not_there_is_an_error(tmp_path: Path, paths: Sequence[str], found: str, path: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"`data_ingestion\.table\.path`\. Expected a CSV, TSV or Parquet file, by its path from here or from the "
        rf"folder of the source\. Received: {path!r}\.{found}$",
    ):
        read_table(TableParameters(path=path), paths, tmp_path)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("ct/COVID/a.png", "ct/COVID/a.png"),
        ("./ct//COVID/a.png", "ct/COVID/a.png"),
        ("../ct/COVID/a.png", "ct/COVID/a.png"),
        ("CT\\Covid\\A.PNG", "ct/COVID/a.png"),
        ("C:\\Users\\me\\ct\\COVID\\a.png", "ct/COVID/a.png"),
        ("/mnt/ct/COVID/a.png", "ct/COVID/a.png"),
        ("COVID/a.png", "ct/COVID/a.png"),
        ("a.png", "ct/COVID/a.png"),
        ("a", "ct/COVID/a.png"),
        ("COVID/a", "ct/COVID/a.png"),
        ("/old/folder/a.png", "ct/COVID/a.png"),
        ("a.dcm", "ct/COVID/a.png"),
        ("2020.03.01.20029769-p21-73_1%1.png", "ct/2020.03.01.20029769-p21-73_1%1.png"),
        ("2020.03.01.20029769-p21-73_1%1", "ct/2020.03.01.20029769-p21-73_1%1.png"),
        ("https://host/ct/a%20copy.png", "ct/a copy.png"),
        ("100%25.png", "ct/100%25.png"),
        ("Mu\u0308ller.png", "ct/M\u00fcller.png"),
        ("M\u00fcller.png", "ct/Mu\u0308ller.png"),
        ("1.2.840.113", "ct/1.2.840.113"),
        ("1.2.840.113.dcm", "ct/1.2.840.113"),
        ("x.png", "x.png"),
        ("/mnt/x.png", "x.png"),
    ],
)
def test_a_path_of_any_system_means_the_file_that_ends_like_it(read: Read, written: str, path: str) -> None:
    others = ("ct/NonCOVID/b.png", "deeper/ct/x.png", "notes/a.txt")
    table = read(f"file\n{written}\n", [path, *others])
    assert list(table.rows.index) == [path]


def test_files_whose_names_differ_in_case_are_two(read: Read) -> None:
    table = read("file,label\na.png,x\nA.png,y\n", ["a.png", "A.png"])
    assert facts(table, "label") == {"A.png": "y", "a.png": "x"}


def test_a_row_that_fits_several_files_is_used_for_none(read: Read) -> None:
    table = read("file,label\n1.png,x\np2/2.png,y\n", ["p1/1.png", "p2/1.png", "p2/2.png", "p3/2.png"])
    assert facts(table, "label") == {"p2/2.png": "y"}
    assert table.without_row == (("p1/1.png", SHARED_ROW), ("p2/1.png", SHARED_ROW), ("p3/2.png", NO_ROW))
    assert table.notes[0] == (
        "Rows of the table that fit more than one file: 1 of 2, such as `1.png`. Their paths need folders; they were "
        "not used."
    )


def test_a_row_of_a_lost_file_is_not_of_its_namesake_in_another_folder(read: Read) -> None:
    table = read("file,label\nbenign/1.png,x\nbenign/2.png,x\n", ["malignant/1.png", "benign/2.png"])
    assert list(table.rows.index) == ["benign/2.png"]
    assert table.notes[0] == "Rows of the table without a file: 1 of 2, such as `benign/1.png`. They were not used."


def test_of_two_rows_the_one_as_written_has_the_file(read: Read) -> None:
    table = read("file,label\nold/1.png,x\nnew/1.png,y\n1.dcm,z\n", ["ct/new/1.png", "ct/new/2.png"])
    assert facts(table, "label") == {"ct/new/1.png": "y"}
    assert table.notes[0].startswith("Rows of the table without a file: 2 of 3, such as `old/1.png`, `1.dcm`.")


def test_a_file_under_another_folder_or_suffix_is_said(read: Read) -> None:
    table = read("file,label\nimages/a.png,x\nb.dcm,y\n")
    assert facts(table, "label") == {"COVID/a.png": "x", "COVID/b.png": "y"}
    assert table.notes[0] == (
        "Rows of the table whose file has another folder or suffix: 2 of 2, such as `images/a.png`, `b.dcm`. They were "
        "used."
    )


@pytest.mark.parametrize(
    ("row", "paths", "received"),
    [
        ("x.png", PATHS, r" is of a file, such as `x\.png`\. "),
        (
            "1.png",
            ["p1/1.png", "p2/1.png"],
            r"such as `1\.png`\. 1 may be of several files: write their folders, too\. ",
        ),
        ('""', PATHS, r" is of a file\. "),
        ("x.png", ["readme.txt"], r" is of a file, such as `x\.png`\. "),
    ],
)
def test_a_table_of_other_files_is_an_error(read: Read, row: str, paths: Sequence[str], received: str) -> None:
    source = "it has none" if len(paths) == 1 else ", ".join(f"`{path}`" for path in paths)
    with pytest.raises(
        ValueError,
        match=rf"Expected rows of files of the source: {source}\. Received .*table\.csv, where none of 1 paths in the "
        rf"column `file`.*{received}If another column has the paths, name it: "
        r"`data_ingestion\.table\.columns: {path: <column>}`\.$",
    ):
        read(f"file,age\n{row},60\n", paths)


def test_rows_of_one_file_that_agree_are_one(read: Read) -> None:
    table = read("file,label,patient,box\na.png,covid,,1\nCOVID/a.png,covid,P1,2\nb.png,none,P2,3\n")
    assert facts(table, "patient") == {"COVID/a.png": "P1", "COVID/b.png": "P2"}
    assert table.metadata["box"].to_dict() == {"COVID/a.png": "1", "COVID/b.png": "3"}
    assert table.notes[1] == (
        "Files with more than one row in the table: 1, such as `COVID/a.png`. Their rows agree, and other columns are "
        "from the first one."
    )


def test_a_file_whose_rows_contradict_each_other_is_refused_and_no_patient_named(read: Read) -> None:
    table = read(
        "file,label,patient,split\na.png,x,P1,train\na.png,y,P1,train\nb.png,x,P2,train\nb.png,x,P3,test\nc.png,x,P4,\n"
    )
    assert table.refused == (
        ("COVID/a.png", "rows of the table contradict each other: label `x`, `y`"),
        ("COVID/b.png", "rows of the table contradict each other: 2 values of patient, split `test`, `train`"),
    )
    assert list(table.rows.index) == list(table.metadata.index) == ["NonCOVID/c.png"]
    assert table.without_row == ()


def test_what_programs_write_for_nothing_is_no_patient_but_may_be_a_class(read: Read) -> None:
    table = read("file,label,patient\na.png,none,unknown\nb.png,NaN,NA\nc.png,unknown,P1\n")
    assert facts(table, "label") == {"COVID/a.png": "none", "COVID/b.png": None, "NonCOVID/c.png": "unknown"}
    assert facts(table, "patient") == {"COVID/a.png": None, "COVID/b.png": None, "NonCOVID/c.png": "P1"}
    assert table.notes == (
        "Files whose row has no label: 1 of 3. `NA` and the like count as none.",
        "Files whose row has no patient: 2 of 3. `NA` and the like count as none.",
    )


def test_a_file_may_be_called_like_nothing(read: Read) -> None:
    table = read("file,label\nNA,x\n,y\n", ["NA.png"])
    assert facts(table, "label") == {"NA.png": "x"}
    assert table.notes == ("Rows of the table without a path: 1 of 2. They were not used.",)


names = st.text(st.characters(categories=["L", "N"], include_characters=" %._-"), min_size=1, max_size=6).filter(
    lambda name: name.strip(" .") == name
)
sources = st.lists(
    st.lists(names, min_size=1, max_size=4).map("/".join),
    min_size=1,
    max_size=6,
    unique_by=lambda path: unicodedata.normalize("NFC", path).casefold(),
)
prefixes = st.sampled_from(["", "./", "../../", "/mnt/some data/", "C:\\Users\\me\\", "https://example.org/data/"])


def read_rows(rows: Sequence[tuple[str, str]], images: Sequence[str]) -> ImageTable:
    with TemporaryDirectory() as folder:
        file = Path(folder, "table.csv")
        pd.DataFrame(rows, columns=["path", "label"]).to_csv(file, index=False)
        return read_table(TableParameters(path=str(file)), images, Path(folder))


@examples(15, 200)
@given(sources, prefixes)
def test_the_paths_of_another_computer_mean_each_its_own_file(paths: list[str], prefix: str) -> None:
    images = [f"{path}.png" for path in paths]
    separator = "\\" if "\\" in prefix else "/"
    rows = [(prefix + path.replace("/", separator), f"class of {path}") for path in images]
    assert facts(read_rows(rows, images), "label") == {path: f"class of {path}" for path in images}


@examples(15, 200)
@given(sources, st.lists(st.tuples(names, st.sampled_from("xyz")), min_size=1, max_size=8))
def test_every_image_has_one_outcome(paths: list[str], rows: list[tuple[str, str]]) -> None:
    images = [f"{path}.png" for path in paths]
    table = read_rows([(images[0], "x"), *rows], images)
    outcomes = [*table.rows.index, *(path for path, _ in (*table.refused, *table.without_row))]
    assert sorted(outcomes) == sorted(images)


# --- rows of folders -------------------------------------------------------------------------------------------------

VOLUMES = ("a/scan.nii.gz/slice_0001.dcm", "a/scan.nii.gz/slice_0002.dcm", "b/P1/s1/1.dcm", "b/P1/s1/2.dcm")


@pytest.mark.parametrize(
    "written", ["scan.nii.gz", "scan", "a/scan.nii.gz", "/elsewhere/a/scan.nii.gz", r"a\scan.nii.gz"]
)
def test_a_row_of_a_volume_is_of_all_its_slices(read: Read, written: str) -> None:
    table = read(f"file,label\n{written},covid\n", VOLUMES)
    assert facts(table, "label") == dict.fromkeys(VOLUMES[:2], "covid")
    assert [path for path, _ in table.without_row] == list(VOLUMES[2:])


def test_a_row_of_a_folder_is_of_all_files_below_it(read: Read) -> None:
    table = read("file,label,patient\nP1,covid,7\na,none,8\n", VOLUMES)
    assert facts(table, "label") == dict.fromkeys(VOLUMES[:2], "none") | dict.fromkeys(VOLUMES[2:], "covid")
    assert facts(table, "patient") == dict.fromkeys(VOLUMES[:2], "8") | dict.fromkeys(VOLUMES[2:], "7")


def test_rows_of_a_folder_and_of_a_file_in_it_may_contradict_each_other(read: Read) -> None:
    table = read("file,label\nP1,covid\nb/P1/s1/1.dcm,none\n", VOLUMES)
    assert facts(table, "label") == {"b/P1/s1/2.dcm": "covid"}
    assert [path for path, _ in table.refused] == ["b/P1/s1/1.dcm"]


def test_a_file_that_is_gone_is_no_folder_of_its_name(read: Read) -> None:
    table = read("file,label\nP1.png,covid\ns1/1.dcm,none\n", VOLUMES)
    assert facts(table, "label") == {"b/P1/s1/1.dcm": "none"}
    assert "Rows of the table without a file: 1 of 2, such as `P1.png`. They were not used." in table.notes


def test_studies_with_a_folder_each_need_no_paths(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "StudyInstanceUID,Diagnosis,PatientID\n1.2,tumour,A\n1.3,normal,B\n1.9,normal,C\n"
    )
    paths = ["study-1.2/a.dcm", "study-1.2/b.dcm", "study-1.3/a.dcm", "study-1.4/a.dcm"]

    table = read_table(TableParameters(path=str(tmp_path / "labels.csv")), paths, tmp_path, "study-{}".format)

    assert facts(table, "label") == dict(zip(paths[:3], ["tumour", "tumour", "normal"], strict=True))
    assert facts(table, "study") == dict(zip(paths[:3], ["1.2", "1.2", "1.3"], strict=True))
    assert table.without_row == (("study-1.4/a.dcm", NO_ROW),)
    assert table.notes[0] == "Rows of the table without a file: 1 of 3, such as `study-1.9`. They were not used."


def test_studies_without_folders_need_paths(read: Read) -> None:
    with pytest.raises(ValueError, match="Expected a column with paths or names of images"):
        read("StudyInstanceUID,Diagnosis\n1.2,tumour\n")
