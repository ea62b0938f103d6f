"""Metadata of the images that are indexed: from a table or DICOM, in groups, and nothing where nothing is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.sources.image_folder import ImageFolder
from pipelines.test_ingestion_layouts import KEY, picture
from pipelines.test_patients import ct

Describe = Callable[..., tuple[pd.DataFrame, list[str]]]
NAMES = [f"{label}/{number:02}.dcm" for label in ("normal", "tumour") for number in range(12)]


@pytest.fixture
def describe(image_folder: Callable[[dict[str, bytes]], ImageFolder], tmp_path: Path) -> Describe:
    """Index files, with a table where one is given; return the metadata by path, and the notes of the run."""

    def run(files: dict[str, bytes], table: str | None = None) -> tuple[pd.DataFrame, list[str]]:
        block: dict[str, Any] = {}
        if table is not None:
            (tmp_path / "table.csv").write_text(table)
            block["table"] = {"path": str(tmp_path / "table.csv")}
        parameters = DataIngestionParameters.model_validate(block)
        index, _, summary, metadata = index_images(image_folder(files), parameters, "normal", KEY)
        assert metadata["path"].tolist() == index["path"].tolist()
        return metadata.set_index("path"), summary["notes"]

    return run


def slices(**elements: Callable[[int], object]) -> dict[str, bytes]:
    return {
        name: ct(number, PatientID=f"Jane {number}", **{key: make(number) for key, make in elements.items()})
        for number, name in enumerate(NAMES)
    }


def test_attributes_of_dicom_files_are_kept_in_groups(describe: Describe) -> None:
    files = slices(
        PatientSex=lambda number: "MF"[number % 2],
        PatientAge=lambda number: f"{40 + number:03}Y",
        Manufacturer=lambda number: "Maker",
        ManufacturerModelName=lambda number: f"Scan {64 if number < 14 else number}",
        SliceThickness=lambda number: "5.00" if number < 12 else "5",
        InstitutionName=lambda number: "St Elsewhere" if number % 2 else "aa",
    )

    metadata, notes = describe(files)

    assert list(metadata) == ["sex", "age", "scanner", "site"]
    assert metadata["sex"].tolist() == ["M", "F"] * 12
    assert metadata["age"].fillna("").tolist() == ["40 to 59"] * 20 + [""] * 4  # four of 60 and above: too few to tell
    assert metadata["scanner"].tolist() == ["Maker Scan 64"] * 14 + ["other"] * 10
    assert set(metadata["site"]) == {"site 1", "site 2"}
    assert notes == [
        "Columns of metadata that were left out, because they say the same of all images: `slice thickness (mm)`."
    ]
    assert not any(name in metadata.to_csv() for name in ("Jane", "Elsewhere", "057"))


def test_a_table_is_believed_before_dicom_and_its_identifiers_are_left_out(describe: Describe) -> None:
    files = slices(PatientSex=lambda number: "MF"[number % 2], ConvolutionKernel=lambda number: f"B{30 + number % 2}f")
    rows = "".join(
        f"{name},Doe^{number},{'FM'[number < 12]},seen on day {number}\n" for number, name in enumerate(NAMES)
    )

    metadata, notes = describe(files, f"path,Name,Gender,Remarks\n{rows}")

    assert list(metadata) == ["Gender", "kernel"]
    assert metadata["Gender"].tolist() == ["M"] * 12 + ["F"] * 12
    (note,) = notes
    assert note.endswith("share most of their values: `Name`, `Remarks`.")


def test_of_images_that_nobody_described_nothing_is_known(describe: Describe) -> None:
    metadata, notes = describe({name.replace("dcm", "png"): picture(number) for number, name in enumerate(NAMES)})

    assert list(metadata) == []
    assert not any("metadata" in note for note in notes)
