"""Any folder's name as a name that MLflow takes."""

import re

import mlflow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.utils.validation import _validate_metric_name

from chest_cancer.record.names import mlflow_name
from chest_cancer.record.registered_model import signature
from chest_cancer.record.tracking import open_run, tracking_uri


def original(name: str) -> str:
    """Read an encoded name back."""
    return re.sub(r"(?::[0-9A-F]{2})+", lambda found: bytes.fromhex(found[0].replace(":", "")).decode(), name)


@pytest.mark.parametrize("name", ["test/recall_normal", "model_training.epochs", "test/recall_Größe 3.5-4"])
def test_a_name_that_mlflow_takes_stays(name: str) -> None:
    assert mlflow_name(name) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@example("..")
@example("a//b")
@example("/a")
@example("./a/")
@example("a:3Ab")
@example("COVID-19 (positive), a=b&c%")
def test_any_text_is_taken_and_can_be_read_back(name: str) -> None:
    safe = mlflow_name(name)

    _validate_metric_name(safe)
    assert original(safe) == name


def test_long_names_stay_apart() -> None:
    names = {mlflow_name("ä(" * 125 + end) for end in ("a", "b")}

    assert len(names) == 2
    assert {len(name) for name in names} == {240}


def test_a_real_store_takes_parameters_and_columns_of_any_class(client: MlflowClient) -> None:
    names = ["COVID-19 (positive)", "a, b", "a=b", "a&b", "Größe", "50 %", "x:y", "_"]
    mlflow.set_tracking_uri(tracking_uri())
    with mlflow.start_run(run_id=open_run("test")) as run:
        mlflow.log_params({mlflow_name(f"class_names.{name}"): "normal" for name in names})

    parameters = client.get_run(run.info.run_id).data.params
    assert sorted(original(name) for name in parameters) == sorted(f"class_names.{name}" for name in names)
    columns = [column.name for column in signature(tuple(names)).outputs.inputs]
    assert columns[4:] == [f"probability_{name}" for name in names]
