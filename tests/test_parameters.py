"""Parameters: one set of defaults, and what a mistake in one says, through Kedro's own session."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from pydantic import ValidationError

from chest_cancer.hooks.parameters import ParametersHook
from chest_cancer.parameters import engine
from chest_cancer.parameters.blocks import BatchInferenceParameters, Parameters
from chest_cancer.parameters.sources import source_name
from conftest import PROJECT

MISTAKES = {
    "typo": ("model_training.epoch", 5, "`model_training.epoch`: Extra inputs are not permitted. Received: 5"),
    "type": (
        "model_training.epochs",
        "many",
        "`model_training.epochs`: Input should be a valid integer, unable to parse string as an integer. "
        "Received: 'many'",
    ),
    "range": (
        "feature_extraction.split.test",
        0.7,
        "`feature_extraction.split.test`: Input should be less than 0.5. Received: 0.7",
    ),
    "choice": (
        "model_training.head",
        "conv",
        "`model_training.head`: Input should be 'auto', 'linear', 'dense', 'kernel' or 'cells'. Received: 'conv'",
    ),
    "nested typo": (
        "feature_extraction.augmentation.flip",
        True,
        "`feature_extraction.augmentation.flip`: Extra inputs are not permitted. Received: True",
    ),
    "order": (
        "data_ingestion.phantom.slices_per_patient",
        [6, 1],
        "`data_ingestion.phantom.slices_per_patient`: Value error, expected the fewest, then the most, as in [1, 6]. "
        "Received: [6, 1]",
    ),
    "range upside down": (
        "hyperparameter_search.l2",
        {"low": 1, "high": 0.1},
        "`hyperparameter_search.l2`: Value error, expected `low` up to `high`, as in {low: 0.1, high: 1}. Received: "
        "{'low': 1, 'high': 0.1}",
    ),
    "falling": (
        "model_evaluation.leakage_similarities",
        [0.98, 1.0, 0.95],
        "`model_evaluation.leakage_similarities`: Value error, expected falling numbers, each once, as in "
        "[1, 0.98, 0.95]. Received: [0.98, 1.0, 0.95]",
    ),
    "part": (
        "data_ingestion.volumes.lungs",
        [0.9, 0.1],
        "`data_ingestion.volumes.lungs`: Value error, expected the lower share, then the higher one, as in [0.1, 0.9]. "
        "Received: [0.9, 0.1]",
    ),
    "block typo": ("training.epochs", 1, "`training`: Extra inputs are not permitted. Received: {'epochs': 1}"),
    "no without quotes": (
        "model_training.normal_class",
        False,
        "`model_training.normal_class`: Value error, YAML reads no, off or false as a truth value: quote the name, as "
        "in 'no'. Received: False",
    ),
    "a number with a point": (
        "model_training.normal_class",
        1.5,
        "`model_training.normal_class`: Value error, YAML reads it as a number: quote the name, as in '1.5'. "
        "Received: 1.5",
    ),
    "a key without quotes": (
        "data_ingestion.class_names",
        {True: "positive"},
        "`data_ingestion.class_names.1.[key]`: Value error, YAML reads on, yes or true as a truth value: quote the "
        "name, as in 'yes'. Received: True",
    ),
    "role of a column": (
        "data_ingestion.table.columns",
        {"patients": "ID"},
        "`data_ingestion.table.columns.patients.[key]`: Input should be 'path', 'label', 'patient', 'study' or "
        "'split'. Received: 'patients'",
    ),
    "columns of no table": (
        "data_ingestion.table.columns",
        {"label": "dx"},
        "`data_ingestion.table`: Value error, `columns` are those of a table: set its `path`, too. "
        "Received: {'path': None, 'columns': {'label': 'dx'}}",
    ),
    "a lone patient": (
        "data_ingestion.patient_count",
        1,
        "`data_ingestion.patient_count`: Input should be greater than or equal to 2. Received: 1",
    ),
    "seed": ("seed", -1, "`seed`: Input should be greater than or equal to 0. Received: -1"),
}


def read(environment: str) -> dict:
    return yaml.safe_load((PROJECT / "conf" / environment / "parameters.yml").read_text())


def nested(name: str, value: object) -> dict:
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def merged(base: dict, over: dict) -> dict:
    return base | {
        name: merged(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in over.items()
    }


def test_defaults_are_the_same_in_the_configuration_and_in_the_models() -> None:
    assert Parameters.model_validate(read("base")) == Parameters()


def test_configuration_lists_every_parameter() -> None:
    assert Parameters.model_validate(read("base")).model_dump(mode="json") == read("base")


@pytest.mark.parametrize("environment", ["test", "chest_ct"])
def test_environments_give_valid_parameters_that_differ_from_the_base(environment: str) -> None:
    assert Parameters.model_validate(merged(read("base"), read(environment))) != Parameters()


def test_parameters_cannot_be_changed_during_a_run() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Parameters().model_training.epochs = 3  # type: ignore[misc]  # what must fail


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_what_was_expected_and_received(mistake: str) -> None:
    name, value, message = MISTAKES[mistake]
    context: Any = SimpleNamespace(config_loader={"parameters": merged(read("base"), nested(name, value))})

    with pytest.raises(ValueError, match=r"^Invalid parameters \(conf/base/") as error:
        ParametersHook().after_context_created(context)

    assert str(error.value).splitlines()[1:] == [f"- {message}"]


def test_names_that_are_whole_numbers_are_names() -> None:
    parameters = Parameters.model_validate(
        {"data_ingestion": {"class_names": {0: 1}}, "model_training": {"normal_class": 0}}
    )
    assert parameters.data_ingestion.class_names == {"0": "1"}
    assert parameters.model_training.normal_class == "0"


def test_mistakes_stop_a_run_before_any_work_and_are_reported_at_once(project_copy: Path) -> None:
    bootstrap_project(project_copy)
    mistakes = {"seed": "x", "model_training": {"epochs": 0, "dropout": 1.0}}

    with (
        KedroSession.create(project_copy, runtime_params=mistakes) as session,
        pytest.raises(
            ValueError, match=r"^Invalid parameters \(conf/base/parameters.yml lists all of them\):\n"
        ) as error,
    ):
        session.run()

    assert [line.split("`")[1] for line in str(error.value).splitlines()[1:]] == [
        "seed",
        "model_training.epochs",
        "model_training.dropout",
    ]
    assert not list(project_copy.glob("data/**/*"))


def test_an_engine_that_is_not_installed_is_refused_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _: None)

    with pytest.raises(ValidationError, match=r'Ray is not installed: pip install "chest_cancer\[ray\]", or use local'):
        BatchInferenceParameters(engine="ray")
    assert BatchInferenceParameters().engine == "local"


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/home/someone/study/slices", "slices"),
        ("~/doe/ct.zip", "ct.zip"),
        (".", "."),
        ("phantom", "phantom"),
        ("gdrive:abc", "gdrive:abc"),
        ("https://example.org/sets/ct.zip", "https://example.org/sets/ct.zip"),
        ("s3://bucket/of/slices", "s3://bucket/of/slices"),
        ("dicomweb+https://pacs.example/dicom-web", "dicomweb+https://pacs.example/dicom-web"),
    ],
)
def test_of_a_path_only_its_end_is_named(location: str, name: str) -> None:
    assert source_name(location) == name
