"""Who is who: patients by DICOM, by folders, by an expression, and never by their own names."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.parameters.blocks import DataIngestionParameters, FeatureExtractionParameters
from chest_cancer.parameters.sources import PhantomParameters
from chest_cancer.parameters.values import ABOVE_CLASS, BELOW_CLASS
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.pipelines.feature_extraction.nodes import split_images
from chest_cancer.pipelines.feature_extraction.splitting import SPLITS, check_no_group_crosses
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from dicom_files import dicom
from pipelines.test_ingestion_layouts import KEY, picture
from properties import examples

Index = Callable[..., tuple[pd.DataFrame, dict[str, Any]]]
CLASSES = ("normal", "tumour")


@pytest.fixture
def index(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> Index:
    """Index files; return the index, by path, and the summary."""

    def run(files: dict[str, bytes], way: str = "auto", key: bytes = KEY) -> tuple[pd.DataFrame, dict[str, Any]]:
        found, _, summary, _ = index_images(image_folder(files), DataIngestionParameters(patient=way), "normal", key)
        return found.set_index("path"), summary

    return run


def ct(seed: int, **elements: object) -> bytes:
    stored = np.random.default_rng(seed).integers(-1000, 600, (40, 40)).astype(np.int16)
    return dicom(stored, **elements)


def slices(**elements: Callable[[str, int], object]) -> dict[str, bytes]:
    """Six CT slices of each class, whose elements are made of class and number."""
    return {
        f"{label}/{number}.dcm": ct(
            10 * place + number, **{name: make(label, number) for name, make in elements.items()}
        )
        for place, label in enumerate(CLASSES)
        for number in range(6)
    }


def pngs(*names: str) -> dict[str, bytes]:
    return {name: picture(seed) for seed, name in enumerate(names)}


def test_patient_study_and_series_of_dicom_are_known_by_hashes_of_the_projects_key(index: Index) -> None:
    files = slices(
        PatientID=lambda label, number: f"{label} Jane Doe {number // 2}",
        StudyInstanceUID=lambda label, number: f"1.2.{CLASSES.index(label)}.{number // 2}",
        SeriesInstanceUID=lambda label, number: f"1.3.{CLASSES.index(label)}.{number}",
    )

    found, summary = index(files)
    again, _ = index(files)
    other, _ = index(files, key=b"another")

    assert found["patient"].nunique() == found["study"].nunique() == summary["patients"] == 6
    assert found["series"].nunique() == 12
    assert found["patient"].str.fullmatch("[0-9a-f]{16}").all()
    assert found.loc["normal/0.dcm", "patient"] == found.loc["normal/1.dcm", "patient"]
    assert not set(found["patient"]) & set(found["study"])
    pd.testing.assert_frame_equal(found, again)
    assert not set(found["patient"]) & set(other["patient"])
    assert "Jane" not in found.to_csv() + str(summary)


def test_one_patient_id_for_all_studies_is_none(index: Index) -> None:
    files = slices(
        PatientID=lambda label, number: "ANONYMOUS",
        StudyInstanceUID=lambda label, number: f"1.2.{CLASSES.index(label)}.{number // 2}",
    )

    found, summary = index(files)

    assert found["patient"].isna().all()
    assert found["study"].nunique() == 6
    assert summary["patients"] is None
    (note,) = summary["notes"]
    assert note.startswith("All 12 DICOM files have the same PatientID, but are of 6 studies: it was replaced")
    assert note.endswith("The way `dicom` takes it at its word.")
    assert "ANONYMOUS" not in note


PLACEHOLDERS = ["ANONYMOUS", "anon", "Unknown", "NA", "0", "000000", "XXXX", "NONAME", "no id", "NO_ID", "Patient"]


def ids(*normal: str) -> dict[str, bytes]:
    """Two slices of each PatientID, each a study of its own, beside three patients with a tumour."""
    given = {"normal": normal, "tumour": ("Doe", "Roe", "Poe")}
    return slices(
        PatientID=lambda label, number: given[label][number // 2],
        StudyInstanceUID=lambda label, number: f"1.2.{CLASSES.index(label)}.{number}",
    )


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_what_is_filled_in_for_a_patient_id_names_nobody_where_several_studies_have_it(
    index: Index, placeholder: str
) -> None:
    files = ids(placeholder, "A-0", "B-0")

    found, summary = index(files)
    at_its_word, _ = index(files, "dicom")

    assert [path for path in found.index if found["patient"].isna()[path]] == ["normal/0.dcm", "normal/1.dcm"]
    assert found["patient"].nunique() == 5
    assert found["study"].nunique() == 12
    note = next(note for note in summary["notes"] if "PatientID" in note)
    assert note.startswith("2 images of 2 studies have a PatientID that stands for no patient")
    assert note.endswith("The way `dicom` takes it at its word.")
    assert at_its_word["patient"].nunique() == 6


@pytest.mark.parametrize("normal", [("00", "01", "02"), ("Unknowne", "a", "b"), ("10000", "X1", "n/b")])
def test_patient_ids_that_only_look_odd_are_taken_at_their_word(index: Index, normal: tuple[str, ...]) -> None:
    found, summary = index(ids(*normal))

    assert summary["patients"] == found["patient"].nunique() == 6
    assert not any("PatientID" in note for note in summary["notes"])


def test_a_placeholder_of_one_study_is_a_patient(index: Index) -> None:
    names = {0: "ANON", 1: "ANON", 2: "unknown", 3: "unknown", 4: "A", 5: "A"}
    files = slices(
        PatientID=lambda label, number: label + names[number] if label == "tumour" else names[number],
        StudyInstanceUID=lambda label, number: f"1.2.{CLASSES.index(label)}.{number // 2}",
    )

    found, _ = index(files)

    assert found["patient"].nunique() == 6


@pytest.mark.parametrize(
    ("way", "pattern"),
    [
        (BELOW_CLASS, "{label}/p{patient}/{number}.png"),
        (ABOVE_CLASS, "p{patient}/{label}/{number}.png"),
        (r"/(?P<patient>p\d+)_", "{label}/p{patient}_{number}.png"),
    ],
)
def test_patients_are_read_off_folders_and_names_where_somebody_says_so(index: Index, way: str, pattern: str) -> None:
    names = [
        pattern.format(label=label, patient=patient, number=number)
        for label in CLASSES
        for patient in range(4)
        for number in range(2)
    ]

    found, summary = index(pngs(*names), way)

    assert summary["classes"].keys() == set(CLASSES)
    assert summary["patients"] == 4
    expected = [name.partition("p")[2][0] for name in found.index]
    assert len({*zip(expected, found["patient"], strict=True)}) == 4
    assert "4 patients have images of more than one class: each patient stays in one split." in summary["odd"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{label}/case_{label[0]}{patient}/{number}.png", "The folders below the class folders may name patients: 8,"),
        ("{label}/{label[0]}{patient}_{number}.png", "The names of the files, up to their last number, may name"),
    ],
)
def test_nothing_is_taken_from_names_unasked_but_the_run_says_how(index: Index, pattern: str, words: str) -> None:
    names = [
        pattern.format(label=label, patient=patient, number=number)
        for label in CLASSES
        for patient in "abcd"
        for number in range(3)
    ]

    found, summary = index(pngs(*names))

    assert found["patient"].isna().all()
    (note,) = [note for note in summary["notes"] if "may name patients" in note]
    assert note.startswith(words)
    way = note.partition("data_ingestion.patient: '")[2].partition("'`")[0]
    assert index(pngs(*names), way)[1]["patients"] == 8


@pytest.mark.parametrize("names", [[str(n) for n in range(9)], [f"slice {n}" for n in range(9)]])
def test_names_that_only_number_the_images_suggest_no_patients(index: Index, names: list[str]) -> None:
    _, summary = index(pngs(*(f"{label}/{name}.png" for label in CLASSES for name in names)))

    assert summary["notes"] == []


def test_images_of_nobody_are_counted(index: Index) -> None:
    names = [f"{label}/{name}.png" for label in CLASSES for name in ("p1_a", "p2_a", "p3_a", "x", "y")]

    found, summary = index(pngs(*names), r"/(?P<patient>p\d)_")

    assert found["patient"].isna().sum() == 4
    assert summary["patients"] is None
    assert any(words.startswith("Of 4 of 10 images the patient is not known") for words in summary["odd"])


def test_a_picture_of_two_patients_is_told(index: Index) -> None:
    files = pngs(*(f"normal/p{patient}_{number}.png" for patient in range(4) for number in range(2)))
    files |= {f"tumour/{name.rpartition('/')[2]}": picture(50 + number) for number, name in enumerate(files)}
    files["normal/p1_0.png"] = files["normal/p0_0.png"]

    _, summary = index(files, r"normal/(?P<patient>p\d)_|tumour/(?P<other>p\d)_")

    assert any(words.startswith("1 pictures are filed under more than one patient") for words in summary["odd"])


def test_a_way_that_finds_nobody_stops_the_run(index: Index) -> None:
    with pytest.raises(
        ValueError,
        match=r"`data_ingestion\.patient`.* Received: 'dicom', which finds none, such as of 'normal/0\.png'\. Correct",
    ):
        index(pngs(*(f"{label}/{number}.png" for label in CLASSES for number in range(3))), "dicom")


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("folders", r"expected auto, table, dicom, unknown, .* or a regular expression with a group \(\?P<patient>…\)"),
        ("(?P<patient>", "or a regular expression, and this is none: "),
    ],
)
def test_a_way_that_is_none_is_refused_with_those_there_are(way: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DataIngestionParameters(patient=way)


@cache
def unlike_pictures(count: int) -> list[str]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 34, 34, 3), np.uint8)
    return [perceptual_hash(pixels) for pixels in noise]


@examples(12, 100)
@given(seed=st.integers(0, 2**32 - 1), known=st.floats(0, 1), brought=st.booleans())
def test_no_patient_and_no_study_crosses_splits_whatever_the_source_says(
    seed: int, known: float, brought: bool
) -> None:
    generator = np.random.default_rng(seed)
    count = 60
    missing = generator.random((2, count)) > known
    table = pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(count)],
            "pixel_sha256": [f"{number:064}" for number in generator.permutation(count)],
            "perceptual_hash": unlike_pictures(count),
            "label": generator.choice(CLASSES, count),
            "patient": np.where(missing[0], None, generator.integers(0, 25, count).astype(str)),
            "study": np.where(missing[1], None, generator.integers(0, 40, count).astype(str)),
            "source_split": generator.choice([*SPLITS, None], count) if brought else None,
        }
    )
    features = {
        "pixel_sha256": table["pixel_sha256"].to_numpy(),
        "embedding": generator.standard_normal((count, 64)).astype(np.float32),
    }
    try:
        split = split_images(table, features, FeatureExtractionParameters(), seed)
    except ValueError as error:
        assume("has no image for" not in str(error) and "group(s) of distinct images" not in str(error))
        raise

    used = split[split["split"].isin(SPLITS)]
    for column in ("group", "patient", "study"):
        assert not used[[column, "split"]].dropna().drop_duplicates()[column].duplicated().any()


@pytest.mark.parametrize("column", ["group", "patient", "study"])
def test_the_guard_stops_where_anything_crosses(column: str) -> None:
    table = pd.DataFrame(
        {"path": ["a", "b"], "split": ["train", "test"], "group": [0, 1], "patient": ["p", "q"], "study": [None, "s"]}
    )
    check_no_group_crosses(table)
    table.loc[:, column] = table[column].iloc[1]

    with pytest.raises(ValueError, match=f"Found 1 with the same `{column}` in more than one split"):
        check_no_group_crosses(table)


def test_the_patients_of_phantoms_are_known(tmp_path: Path) -> None:
    images = ImageFolderDataset(filepath=str(tmp_path / "images"))
    images.save(ImageSource(location="phantom", phantom=PhantomParameters(images=8, slices_per_patient=(2, 2))))

    found, _, summary, _ = index_images(images.load(), DataIngestionParameters(), "normal", KEY)

    assert summary["patients"] == found["patient"].nunique() == 4
    assert (found.groupby("patient")["label"].agg(set).str.len() == 1).all()
