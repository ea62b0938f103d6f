"""Commands that a run ends with: Kedro reads from them what the run was given."""

import shlex
from typing import Any

import pytest
from kedro.framework.cli.project import run

from chest_cancer.reporting.next_commands import go_on

TRAIN = "kedro run --pipelines model_training,model_evaluation"


def read(command: str) -> dict[str, Any]:
    """What Kedro reads from a command in a shell."""
    kedro, name, *options = shlex.split(command)
    assert (kedro, name) == ("kedro", "run")
    return run.make_context(name, options).params


@pytest.mark.parametrize(
    "given",
    [
        {"data_ingestion": {"source": "scans of the ward/it's $HOME.zip"}},
        {"data_ingestion": {"source": "phantom", "phantom": {"images": 24}}, "seed": 7},
        {"model_training": {"learning_rate": 3e-05, "normal_class": "no", "head": None}},
        {"model_evaluation": {"audits": False, "positive_classes": ["COVID-19 (positive)"]}},
        {"data_ingestion": {"patient": r"(?P<patient>\d+)_", "class_names": {"größer als 'normal'": "#1"}}},
    ],
)
def test_the_next_command_works_on_what_the_run_was_given(given: dict[str, Any]) -> None:
    options = read(go_on(TRAIN, "test", given))

    assert options["params"] == given
    assert options["env"] == "test"
    assert options["pipelines"] == ["model_training", "model_evaluation"]


def test_a_run_that_was_given_nothing_is_followed_by_the_command_alone() -> None:
    assert go_on(TRAIN, None, {}) == TRAIN
    assert go_on("make serve", "test", {"seed": 7}) == "make serve"


def test_what_a_command_sets_itself_comes_before_what_the_run_was_given() -> None:
    given = {"batch_inference": {"source": "ward", "part": "1/4"}}

    command = go_on("kedro run --params batch_inference.part=<another>", None, given)

    assert command == "kedro run --params 'batch_inference.source=ward,batch_inference.part=<another>'"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "https://ada:secret@pacs.example.org/dicom-web?PatientID=123"),
        ("source", "a, b"),
        ("source", ["a", "b"]),
        ("source", "*[,"),
        ("Größe = normal", "normal"),
    ],
)
def test_a_secret_is_not_shown_nor_what_kedro_would_cut(name: str, value: object) -> None:
    command = go_on("kedro run", None, {"data_ingestion": {name: value}})

    assert command == f"kedro run --params 'data_ingestion.{name}=<as given>'"
