"""A table beside the images: classes, patients and splits of its rows, and what contradicts the folders."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.sources.image_folder import ImageFolder
from pipelines.test_ingestion_layouts import KEY, picture

Ingest = Callable[..., tuple[pd.DataFrame, dict[str, str], dict[str, Any]]]


@pytest.fixture
def ingest(image_folder: Callable[[dict[str, bytes]], ImageFolder], tmp_path: Path) -> Ingest:
    """Index files with a table that lies elsewhere; return index by path, quarantine and summary."""

    def run(
        names: list[str], table: str, *, columns: dict[str, str] | None = None, **parameters: Any
    ) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
        file = tmp_path / "table.csv"
        file.write_text(table, encoding="utf-8")
        files = {name: picture(seed) for seed, name in enumerate(names)}
        block = DataIngestionParameters.model_validate(
            {"table": {"path": str(file), "columns": columns or {}}, **parameters}
        )
        index, quarantine, summary, _ = index_images(image_folder(files), block, "normal", KEY)
        return index.set_index("path"), dict(zip(quarantine["path"], quarantine["reason"], strict=True)), summary

    return run


def test_classes_patients_and_splits_come_from_the_table_where_images_lie_in_one_folder(ingest: Ingest) -> None:
    rows = [
        (f"{label}{number}.png", label.title(), f"Patient {label} {number // 2}", split)
        for label in ("normal", "tumour")
        for number, split in enumerate(["train", "train", "val", "val", "test", "test"])
    ]
    table = "File name,Diagnosis,Patient ID,Split,Age\n" + "".join(f"{','.join(row)},60\n" for row in rows)

    index, quarantine, summary = ingest([f"all/{name}" for name, *_ in rows], table, class_names={"Normal": "normal"})

    assert quarantine == {}
    assert index.loc["all/tumour0.png", "label"] == "Tumour"
    assert summary["counts"] == {label: {"train": 2, "validation": 2, "test": 2} for label in ("Tumour", "normal")}
    assert summary["pattern"] == "a row of the table for each file"
    assert summary["patients"] == index["patient"].nunique() == 6
    assert "Patient" not in index.to_csv() + str(summary)


def test_a_table_whose_column_of_classes_has_another_name_says_how_to_name_it(ingest: Ingest) -> None:
    labels = ["normal"] * 3 + ["tumour"] * 3
    table = "file,Diagnose,Alter\n" + "".join(f"{number}.png,{label},60\n" for number, label in enumerate(labels))
    names = [f"{number}.png" for number in range(6)]

    cure = r"the columns `Diagnose`, `Alter` of table\.csv has the classes, name it: .*columns: \{label: <its name>\}`"
    with pytest.raises(ValueError, match=rf"`data_ingestion\.source`\. .* Received classes: none\. .* {cure}"):
        ingest(names, table)
    views = itertools.product(("P1", "P2"), ("axial", "coronal", "sagittal"))
    in_folders = [f"{patient}/{view}/{number}.png" for number, (patient, view) in enumerate(views)]
    with pytest.raises(ValueError, match=rf"(?s)inside of `P1`, `P2`.* {cure}"):
        ingest(in_folders, table)
    index, _, _ = ingest(names, table, columns={"label": "Diagnose"})
    assert index["label"].to_dict() == dict(zip(names, labels, strict=True))


def test_a_table_that_says_nothing_but_files_says_that_it_lacks_classes(ingest: Ingest) -> None:
    with pytest.raises(ValueError, match=r"Pass a zip .* Or add a column of classes to table\.csv, which has none"):
        ingest(["a.png", "b.png"], "file\na.png\nb.png\n")


def test_a_table_inside_of_the_source_is_called_what_it_is(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    names = [f"{label}/{number}.png" for label in ("normal", "tumour") for number in range(3)]
    table = "path,patient\n" + "".join(f"{name},{name}\n" for name in names)
    files = {name: picture(seed) for seed, name in enumerate(names)} | {"rows.csv": table.encode()}
    block = DataIngestionParameters.model_validate({"table": {"path": "rows.csv"}})

    _, quarantine, _, _ = index_images(image_folder(files | {"other.csv": b"a,b"}), block, "normal", KEY)

    reasons = dict(zip(quarantine["path"], quarantine["reason"], strict=True))
    assert reasons["rows.csv"] == "the table that `data_ingestion.table.path` names, no image"
    assert reasons["other.csv"].startswith("a table (.csv), no image: to read classes, patients or splits off it, name")


def test_the_public_covid_set_is_read_with_its_folders_for_labels(ingest: Ingest) -> None:
    """Names with `%`, patients like `Patient 12`, no column of labels, and a table of one class alone."""
    covid = [f"CT_COVID/2020.03.01.20029769-p21-{number}_1%1.png" for number in range(6)]
    names = [*covid, *(f"CT_NonCOVID/{number}.jpg" for number in range(6))]
    table = "File name,Patient ID,Age,Gender\n" + "".join(
        f"{name.rpartition('/')[2]},Patient {number // 2},63,M\n" for number, name in enumerate(covid)
    )

    index, quarantine, summary = ingest(names, table, class_names={"CT_COVID": "covid", "CT_NonCOVID": "normal"})

    assert quarantine == {}
    assert index["label"].value_counts().to_dict() == {"covid": 6, "normal": 6}
    assert index["patient"].nunique() == 3
    assert summary["patients"] is None
    assert any(note.startswith("Files without a row in the table: 6 of 12") for note in summary["notes"])
    assert any(words.startswith("Of 6 of 12 images the patient is not known") for words in summary["odd"])


def test_what_folder_and_table_say_differently_is_left_out(ingest: Ingest) -> None:
    names = [f"{label}/{number}.png" for label in ("normal", "tumour") for number in range(5)]
    rows = {name: name.partition("/")[0] for name in names} | {"normal/0.png": "tumour", "tumour/0.png": ""}

    index, quarantine, _ = ingest(names, "path,label\n" + "".join(f"{name},{label}\n" for name, label in rows.items()))

    assert len(index) == 8
    assert quarantine == {
        "normal/0.png": "contradicting labels: 'tumour' in the table, and its folder is 'normal'",
        "tumour/0.png": "its row of the table gives no class",
    }


def test_a_split_of_the_table_that_is_not_that_of_the_folder_is_left_out(ingest: Ingest) -> None:
    names = [
        f"{split}/{label}/{number}.png"
        for split in ("train", "valid", "test")
        for label in ("normal", "tumour")
        for number in range(2)
    ]
    table = "path,split\n" + "".join(f"{name},{name.partition('/')[0]}\n" for name in names)

    index, quarantine, _ = ingest(names, table.replace("train/normal/0.png,train", "train/normal/0.png,test"))

    assert len(index) == 11
    assert quarantine == {"train/normal/0.png": "contradicting splits: test in the table, and its folder is train"}


def test_rows_that_contradict_each_other_and_files_without_a_row_are_left_out(ingest: Ingest) -> None:
    names = [f"{number}.png" for number in range(10)]
    rows = [f"{number}.png,{('normal', 'tumour')[number % 2]}" for number in range(9)]

    index, quarantine, _ = ingest(names, "\n".join(["file,class", *rows, "0.png,tumour"]))

    assert len(index) == 8
    assert quarantine["9.png"] == "no row of the table is about this file"
    assert quarantine["0.png"].startswith("rows of the table contradict each other: label `normal`, `tumour`")


def test_labels_that_differ_in_case_are_one_class(ingest: Ingest) -> None:
    names = [f"{number}.png" for number in range(12)]
    labels = ("normal", "Normal", "tumour", "TUMOUR")

    index, _, summary = ingest(names, "\n".join(["file,class", *(f"{n}.png,{labels[n % 4]}" for n in range(12))]))

    assert set(index["label"]) == {"normal", "tumour"}
    assert "`TUMOUR`, `tumour` differ in case alone: taken as one class, `tumour`." in summary["notes"]


def test_a_table_without_patients_that_is_asked_for_them_stops_the_run(ingest: Ingest) -> None:
    names = [f"{label}/{number}.png" for label in ("normal", "tumour") for number in range(3)]

    with pytest.raises(ValueError, match=r"`data_ingestion\.patient`.* Received: 'table', which finds none"):
        ingest(names, "path,age\n" + "".join(f"{name},60\n" for name in names), patient="table")


def halves(column: str, values: Callable[[int], str]) -> tuple[list[str], str]:
    """Twelve files in `train` and `test`, half of each class, and their table with one column more."""
    names = [
        f"{split}/{label}{n}.png" for split in ("train", "test") for label in ("normal", "tumour") for n in range(3)
    ]
    rows = [f"{name},{name.split('/')[1][:6]},{values(number)}\n" for number, name in enumerate(names)]
    return names, f"path,label,{column}\n" + "".join(rows)


def test_studies_of_a_table_that_names_no_patients_are_known(ingest: Ingest) -> None:
    index, _, _ = ingest(*halves("scan_id", lambda number: f"Planted {number // 2}"))

    assert index["study"].notna().all()
    assert index["study"].nunique() == 6
    assert index["patient"].isna().all()
    assert not index["study"].str.contains("Planted").any()


def test_a_table_that_says_classes_alone_leaves_splits_to_the_folders(ingest: Ingest) -> None:
    index, quarantine, summary = ingest(*halves("age", lambda _: "60"))

    assert quarantine == {}
    assert (index["source_split"] == index.index.str.split("/").str[0]).all()
    assert "Where the table says no split, the folders do: `test`, `train`." in summary["notes"]


def test_splits_of_a_table_go_before_those_of_folders(ingest: Ingest) -> None:
    index, _, _ = ingest(*halves("split", lambda number: "val" if number % 3 else ""))

    assert index["source_split"].value_counts().to_dict() == {"validation": 8, "train": 2, "test": 2}


def test_one_folder_that_is_called_like_a_split_and_holds_everything_is_none(ingest: Ingest) -> None:
    names, table = halves("age", lambda _: "60")

    index, _, _ = ingest([f"test_data/{name.replace('/', '_')}" for name in names], table.replace("/", "_"))

    assert index["source_split"].isna().all()


def test_a_class_is_one_however_its_accents_are_stored(ingest: Ingest) -> None:
    names, table = halves("age", lambda _: "60")
    spellings = itertools.cycle(["Tum\u00f6r", "Tumo\u0308r"])

    index, _, _ = ingest(names, re.sub(",tumour", lambda _: f",{next(spellings)}", table))

    assert set(index["label"]) == {"normal", "Tum\u00f6r"}


def test_a_folder_that_differs_from_another_class_in_case_alone_contradicts_the_table_too(ingest: Ingest) -> None:
    names = [f"{label}/{number}.png" for label in ("Normal", "Tumour") for number in range(6)]
    rows = [f"{name},{'tumour' if name == 'Normal/0.png' else name.split('/')[0].lower()}\n" for name in names]

    _, quarantine, _ = ingest(names, "path,label\n" + "".join(rows))

    assert quarantine == {"Normal/0.png": "contradicting labels: 'tumour' in the table, and its folder is 'Normal'"}
