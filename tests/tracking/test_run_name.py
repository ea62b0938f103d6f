"""What a run is called, and what was changed in it."""

from typing import Any

import pytest

from chest_cancer.record.run_name import Change, RunParameters, data_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("phantom", "phantoms"),
        ("downloads/Chest-CT-Scan-data.zip", "Chest-CT-Scan-data"),
        ("/mnt/slices", "slices"),
        ("https://example.org/sets/lung.tar.gz", "lung"),
        ("gdrive:1z0mreUtRmR-P-magI", "Google Drive 1z0mreUt"),
        ("https://drive.google.com/file/d/1z0mreUtRmR-P-magI/view?usp=sharing", "Google Drive 1z0mreUt"),
        ("dicomweb+https://pacs.example/dicom-web", "pacs.example"),
    ],
)
def test_images_are_named_by_the_last_part_of_their_source(source: str, name: str) -> None:
    assert data_name(source) == name


@pytest.mark.parametrize(
    ("parameters", "pipelines", "title"),
    [
        ({}, ["__default__"], "phantoms · auto"),
        (
            {"data_ingestion": {"source": "a/slices"}, "model_training": {"head": "dense", "epochs": 20}},
            ["__default__"],
            "slices · dense · epochs=20",
        ),
        # Two blocks have a batch size.
        ({"model_training": {"batch_size": 8}}, ["model_training"], "phantoms · auto · model_training.batch_size=8"),
        ({"seed": 1, "batch_inference": {"source": "unseen"}}, ["__default__"], "phantoms · auto · seed=1"),
        ({"batch_inference": {"source": "unseen"}}, ["batch_inference"], "batch_inference · unseen"),
        ({}, ["data_ingestion", "model_preparation", "data_audit"], "data_ingestion to data_audit · phantoms"),
        (
            {"model_training": {"epochs": 1, "l2": 0.1, "dropout": 0.1, "batch_size": 8, "hidden_units": 2}},
            ["__default__"],
            "phantoms · auto · epochs=1 · model_training.batch_size=8 · l2=0.1 · 2 more changes",
        ),
        (
            {"model_training": {"epochs": 1, "l2": 0.1, "dropout": 0.1, "hidden_units": 2}},
            ["__default__"],
            "phantoms · auto · epochs=1 · l2=0.1 · hidden_units=2 · 1 more change",
        ),
    ],
)
def test_a_run_is_named_by_its_images_its_head_and_what_was_changed(
    parameters: dict[str, Any], pipelines: list[str], title: str
) -> None:
    assert RunParameters.of(parameters, pipelines).title() == title


def test_the_head_that_was_chosen_takes_the_place_of_auto() -> None:
    assert RunParameters.of({}, ["__default__"]).title(head="kernel") == "phantoms · kernel"


def test_changes_are_told_with_their_defaults_and_without_secrets() -> None:
    source = "dicomweb+https://me:secret@pacs.example/dicom-web?PatientID=Planted"

    run = RunParameters.of({"data_ingestion": {"source": source, "class_names": {"Bengin": "benign"}}}, ["__default__"])

    assert run.changes == [
        Change("data_ingestion.source", "phantom", "dicomweb+https://pacs.example/dicom-web"),
        Change("data_ingestion.class_names.Bengin", None, "benign"),
    ]
    assert "secret" not in run.title()
