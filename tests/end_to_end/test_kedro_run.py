"""The whole graph by `kedro run` in a process of its own, and what is left of it: nothing here changes it."""

import importlib
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.manifest import SelfTest
from chest_cancer.parameters.blocks import StandardisationParameters
from chest_cancer.storage.figures import figures_in
from conftest import PROJECT
from served_figures import check_that_patients_are_served_as_measured, check_that_what_is_measured_is_what_is_served
from serving import Server, serve

PIPELINES = sorted(path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py"))


@pytest.fixture(scope="module")
def project(trained: Path) -> Path:
    return trained


@pytest.fixture(scope="module")
def results(project: Path) -> Path:
    return project / "data"


@pytest.fixture(scope="module")
def server(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(project, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def record(project: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True)
    yield connection
    connection.close()


def rows(record: sqlite3.Connection, query: str) -> list[tuple]:
    return record.execute(query).fetchall()


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def test_figures_have_value_interval_and_count(results: Path) -> None:
    metrics = read_json(results / "08_reporting" / "metrics.json")

    assert {"loss", "accuracy", "roc_auc", "sensitivity", "specificity"} <= set(metrics)
    assert metrics.pop("patients") in ("known", "unknown")
    assert metrics.pop("confidence") == 0.95
    for figure in metrics.values():
        assert set(figure) == {"value", "low", "high", "n"}
    test_images = pd.read_parquet(results / "07_model_output" / "test_predictions.parquet")
    assert metrics["accuracy"]["n"] == len(test_images)
    right = (test_images["label"] == test_images["predicted"]) & test_images["reason"].isna()
    assert metrics["accuracy"]["value"] == pytest.approx(right.mean())


def test_what_is_measured_is_what_is_served(project: Path, server: Server) -> None:
    check_that_what_is_measured_is_what_is_served(project, server)


def test_patients_are_served_as_measured(project: Path, server: Server) -> None:
    check_that_patients_are_served_as_measured(project, server)


def test_phantoms_of_another_scanner_and_own_slices_in_another_window_are_shown_to_the_model(results: Path) -> None:
    found = read_json(results / "08_reporting" / "model_audit" / "refusal.json")

    assert found["chests"]["drawn chest CT"]["probable"]["n"] == 1
    foreign = found["chests"]["foreign"]
    assert foreign["probable"]["n"] == 2
    assert sum(foreign[name]["value"] for name in ("probable", "warned", "declined")) == pytest.approx(1)
    assert [point["served"] for point in found["trade"] if point["served"]] == ["usual", "refused"]


def test_the_report_says_that_the_data_are_synthetic(results: Path) -> None:
    page = (results / "08_reporting" / "report.html").read_text()

    assert "Synthetic data" in page
    assert "not a medical device" in page


def test_every_output_is_there_and_nothing_half_written(results: Path) -> None:
    for name in (
        "02_intermediate/quarantine.csv", "04_feature/features/embedding.npy", "05_model_input/split_table.parquet",
        "06_models/classifier/classifier.onnx", "06_models/classifier/manifest.json", "06_models/model.keras",
        "08_reporting/plots/roc.json", "08_reporting/plots/confusion.json", "08_reporting/training_history.csv",
        "08_reporting/data_audit/leakage_plot.json", "08_reporting/model_audit/robustness.json",
        "08_reporting/data_report.html", "08_reporting/report.html",
    ):  # fmt: skip
        assert (results / name).stat().st_size > 0, name
    assert not [path for path in results.rglob("*") if path.suffix == ".tmp" or path.name.endswith(".staging")]


def test_no_group_of_near_duplicates_is_in_two_splits(results: Path) -> None:
    table = pd.read_parquet(results / "05_model_input" / "split_table.parquet")

    used = table[table["split"].isin(["train", "validation", "test"])]
    assert used.groupby("group")["split"].nunique().max() == 1
    assert used.groupby("label")["split"].nunique().min() == 3
    assert (
        read_json(results / "04_feature" / "extraction_record.json")["images"] == table["pixel_sha256"].nunique() == 30
    )


def test_the_manifest_names_the_run_of_the_record(results: Path, record: sqlite3.Connection) -> None:
    manifest = read_json(results / "06_models" / "classifier" / "manifest.json")

    ((run_id, status),) = rows(record, "select run_uuid, status from runs")
    assert manifest["provenance"]["mlflow_run_id"] == run_id
    assert status == "FINISHED"
    assert manifest["data"]["synthetic"] is True


def test_the_run_reports_every_node_and_epoch_as_it_goes(project: Path) -> None:
    events = [json.loads(line) for line in project.with_name("progress.jsonl").read_text().splitlines()]

    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert [event["event"] for event in events[:2]] == ["parameters", "run_started"]
    assert events[0]["values"]["model_training.epochs"] == 1
    nodes = events[1]["nodes"]
    for name in ("node_started", "node_finished"):
        assert [event["node"] for event in events if event["event"] == name] == nodes
    (epoch,) = [event for event in events if event["event"] == "epoch"]
    assert (epoch["epoch"], epoch["epochs"]) == (1, 1)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(epoch["figures"])


def test_the_classifier_agrees_with_what_it_said_when_it_was_trained(results: Path) -> None:
    classifier = Classifier.load(results / "06_models" / "classifier")

    assert classifier.self_test() < 1e-3
    said = classifier.manifest.self_test.probabilities
    other = SelfTest(probabilities=said | {"normal": said["normal"] + 0.1})
    classifier.manifest = classifier.manifest.model_copy(update={"self_test": other})
    with pytest.raises(ValueError, match="fails its self-test: expected probabilities"):
        classifier.self_test()
    classifier.manifest = classifier.manifest.model_copy(update={"self_test": None})
    assert classifier.self_test() is None


def test_parameters_are_recorded_each_under_its_own_name(record: sqlite3.Connection) -> None:
    parameters = dict(rows(record, "select key, value from params"))

    assert parameters["model_training.epochs"] == "1"
    assert parameters["feature_extraction.augmentation.views"] == "5"
    assert parameters["data_ingestion.phantom.images"] == "30"
    assert parameters["seed"] == "17"
    assert not [name for name, value in parameters.items() if value.startswith("{") and value != "{}"]


def test_curves_and_headlines_are_metrics_and_all_figures_a_table(
    project: Path, results: Path, record: sqlite3.Connection
) -> None:
    measured = {(key, step): value for key, value, step in rows(record, "select key, value, step from metrics")}

    history = pd.read_csv(results / "08_reporting" / "training_history.csv", index_col="epoch")
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    for name, values in history.items():
        for step, value in values.items():
            assert measured[f"epochs/{name}", step] == pytest.approx(value)
    figures = figures_in(read_json(results / "08_reporting" / "metrics.json"))
    latest = dict(rows(record, "select key, value from latest_metrics"))
    headlines = {key.removeprefix("test/"): value for key, value in latest.items() if key.startswith("test/")}
    assert {"roc_auc", "sensitivity", "specificity", "coverage"} <= set(headlines)
    assert len(headlines) <= 10  # MLflow draws a chart for each
    assert headlines == {name: pytest.approx(figures[name]["value"]) for name in headlines}
    (table,) = (project / "mlartifacts").rglob("figures.csv")
    shown = pd.read_csv(table, index_col="figure").replace({np.nan: None}).to_dict("index")
    assert {name: {part: row[part] for part in ("value", "low", "high", "n")} for name, row in shown.items()} == figures


def test_the_record_says_which_data_which_code_and_which_machine(
    project: Path, results: Path, record: sqlite3.Connection
) -> None:
    manifest = read_json(results / "06_models" / "classifier" / "manifest.json")
    tags = dict(rows(record, "select key, value from tags"))
    (environment,) = (project / "mlartifacts").rglob("environment.json")
    command = ["git", "-C", project, "rev-parse", "HEAD"]
    head = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert tags["data_digest"] == manifest["data"]["digest"]
    assert tags["split_digest"] == manifest["split_digest"]
    assert tags["precision"] == manifest["precision"]
    assert tags["mlflow.source.git.commit"] == manifest["provenance"]["git_commit"] == head
    assert (tags["git_clean"], manifest["provenance"]["git_clean"]) == ("True", True)
    machine = read_json(environment)
    assert machine["processor"]
    for package in ("kedro", "mlflow", "numpy", "openvino"):
        assert machine["packages"][package] == metadata.version(package)


def test_a_run_is_described_and_named_by_its_images_its_head_and_what_was_changed(
    project: Path, results: Path, record: sqlite3.Connection
) -> None:
    ((name, run_id),) = rows(record, "select name, run_uuid from runs where name like 'phantoms%'")
    ((note,),) = rows(record, "select value from tags where key = 'mlflow.note.content'")
    ((images, digest, profile),) = rows(record, "select name, digest, dataset_profile from datasets")
    data = read_json(results / "06_models" / "classifier" / "manifest.json")["data"]

    head = read_json(results / "06_models" / "candidate" / "manifest.json")["head"]
    assert name.startswith(f"phantoms · {head} · images=30 · epochs=1")
    assert note.startswith(f"**{(results / '08_reporting' / 'verdict.txt').read_text()}**")
    assert "`model_training.epochs` `1` (`300`)" in note
    assert "Promoted: the first model" in note
    assert (images, digest) == ("phantoms", data["digest"][:8])
    assert json.loads(profile)["images"] == data["images"]
    pages = project / "mlartifacts" / run_id / "artifacts"
    plots = (pages / "plots.html").read_text()
    assert plots.count('class="plotly-graph-div"') > 10
    assert not re.search(r"<script[^>]+src=", plots)


def test_artifacts_and_the_model_are_recorded_beside_the_project(
    project: Path, results: Path, record: sqlite3.Connection
) -> None:
    names = {path.name for path in (project / "mlartifacts").rglob("*") if path.is_file()}

    assert {"metrics.json", "report.html", "model_card.md", "data_card.md", "promotion.json", "MLmodel"} <= names
    for folder in ("plots", "data_audit", "model_audit"):
        assert {path.name for path in (results / "08_reporting" / folder).iterdir()} <= names
    assert {"classifier.onnx", "manifest.json", "SHA256SUMS", "training_images.json", "input_example.json"} <= names


def test_the_first_model_is_champion_and_record_report_and_summary_say_why(
    results: Path, record: sqlite3.Connection, output: str
) -> None:
    reason = "Promoted: the first model, with no champion before it."

    ((name, version, description),) = rows(record, "select name, version, description from model_versions")
    assert (name, version) == ("VGG16Model", 1)
    assert description.startswith(reason)
    aliases = dict(rows(record, "select alias, version from registered_model_aliases"))
    assert aliases["champion"] == 1
    assert [name.rpartition("-")[0] for name in aliases if name != "champion"] == ["champion-synthetic"]
    assert reason in (results / "08_reporting" / "report.html").read_text()
    assert reason in output


def test_the_summary_shows_the_figures_and_where_to_look(output: str) -> None:
    for text in ("Synthetic phantoms", "area under the ROC", "30 files", "data/08_reporting/report.html", "make serve"):
        assert text in output
    assert re.search(r"Step (\d+) of \1: reporting, ", output)
    assert "\r" not in output
    for noise in ("Traceback", "Warning", "WARNING", "INFO mlflow", "Mlflow run", "Running node", "Using "):
        assert noise not in output


def test_the_classifier_and_the_keras_model_agree_on_the_test_images(results: Path) -> None:
    import keras

    table = pd.read_parquet(results / "05_model_input" / "split_table.parquet")
    paths = table.loc[table["split"] == "test", "path"].iloc[:2]
    images = [decode_image((results / "01_raw" / "images" / path).read_bytes()).pixels for path in paths]

    predictions = Classifier.load(results / "06_models" / "classifier", precision="fp32").predict(images)

    model = keras.saving.load_model(results / "06_models" / "model.keras", safe_mode=True)
    inputs = np.stack([standardise(image, StandardisationParameters()).pixels for image in images])
    expected = model.predict(inputs.astype(np.float32), verbose=0)
    received = [list(prediction.probabilities.values()) for prediction in predictions]
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_finds_what_it_needs_on_the_disk(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    catalog = DataCatalog.from_config(
        yaml.safe_load((project / "conf" / "base" / "catalog.yml").read_text()),
        credentials={"archive": {}, "object_store": {}},
    )
    pipeline = importlib.import_module(f"chest_cancer.pipelines.{name}").create_pipeline()

    made_in_the_run = {"external_images", "external_index", "external_summary", "external_quarantine"}
    needed = {name for name in pipeline.inputs() if name.split(":")[0] not in ("params", "provenance", "champion")}
    needed -= made_in_the_run  # by the part of the pipeline that is data_ingestion's

    assert [name for name in needed if not catalog.exists(name)] == []
