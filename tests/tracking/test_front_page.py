"""What people see when they open a run in MLflow."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import plotly.graph_objects as go

from chest_cancer.network.manifest import DataSummary
from chest_cancer.record import contents, tracking
from chest_cancer.record.front_page import describe, present
from chest_cancer.record.run_name import Change

if TYPE_CHECKING:
    from mlflow import MlflowClient

FIGURE = {"value": 0.9, "low": 0.75, "high": 0.96, "n": 81}
METRICS = {
    "patients": "known",
    "roc_auc": FIGURE,
    "recall_normal": FIGURE,
    "sensitivity": {"value": None, "low": 0.0, "high": 1.0, "n": 0},
}


def test_a_description_begins_with_the_verdict_and_what_was_changed(tmp_path: Path) -> None:
    (tmp_path / "verdict.txt").write_text("Better than chance.")
    (tmp_path / "promotion.json").write_text(json.dumps({"reason": "Promoted: the first."}))
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    (tmp_path / "report.html").touch()

    said = describe(tmp_path, [Change("model_training.epochs", 300, 20), Change("data_ingestion.sha256", None, "a`|b")])

    assert said.split("\n\n") == [
        "**Better than chance.**",
        "**Changed, with the default in brackets:** `model_training.epochs` `20` (`300`), "
        "`data_ingestion.sha256` `a'|b` (none)",
        "**The gate:** Promoted: the first.",
        "| figure | value [interval] | n |\n| --- | --- | --- |\n| sensitivity | unknown | 0 |\n"
        "| area under the ROC curve | 0.90 [0.75, 0.96] | 81 |",
        "Under *Artifacts*: `report.html`.",
    ]


def test_a_run_that_has_recorded_nothing_yet_says_what_was_changed(tmp_path: Path) -> None:
    assert describe(tmp_path, []) == "All parameters have their default."


def test_a_description_is_never_too_long_for_a_tag(client: "MlflowClient") -> None:
    run = tracking.open_run("many classes")

    present(run, [Change(f"data_ingestion.class_names.{number}", None, "x" * 40) for number in range(200)])

    assert client.get_run(run).data.tags[tracking.NOTE_TAG].startswith("**Changed")


def test_plots_are_on_one_page_that_needs_no_network(client: "MlflowClient") -> None:
    run = tracking.open_run("plots")
    for name, figure in {"plots/roc": go.Figure(go.Scatter(y=[0, 1])), "plots/data_audit/a_plot": go.Figure()}.items():
        client.log_text(run, figure.to_json(), f"{name}.json")
    client.log_text(run, go.Figure(go.Bar(y=[1])).to_json(), "plots/data_audit/b_plot.json")

    present(run, [])

    page = (tracking.local_artifacts(run) / "plots.html").read_text()
    assert [title in page for title in ("<h2>roc</h2>", "<h2>b</h2>", "<h2>a</h2>")] == [True, True, False]
    assert page.count('class="plotly-graph-div"') == 2
    assert page.count("plotly.js v") == 1
    assert not re.search(r"<script[^>]+src=", page)


def test_headlines_are_bars_curves_are_curves_and_every_figure_is_in_a_table(client: "MlflowClient") -> None:
    import pandas as pd

    mlflow.set_tracking_uri(tracking.tracking_uri())
    with mlflow.start_run(run_id=tracking.open_run("test")) as active:
        contents.log_figures(METRICS)
        contents.log_curves(pd.DataFrame({"loss": [0.7, 0.6, 0.5], "val_loss": [0.9, 0.7, 0.8]}), 0.0)

    run = client.get_run(active.info.run_id)
    curves = {"epochs/loss": 0.5, "epochs/val_loss": 0.8}
    assert run.data.metrics == {"test/roc_auc": 0.9, "kept/epoch": 2, "kept/loss": 0.6, "kept/val_loss": 0.7} | curves
    steps = {
        name: [point.step for point in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics
    }
    assert steps == {name: [1, 2, 3] if name in curves else [0] for name in run.data.metrics}
    assert (tracking.local_artifacts(run.info.run_id) / "figures.csv").read_text().splitlines() == [
        "figure,value,low,high,n,title",
        "roc_auc,0.9,0.75,0.96,81,area under the ROC curve",
        "recall_normal,0.9,0.75,0.96,81,normal: answered rightly (recall)",
        "sensitivity,,0.0,1.0,0,sensitivity",
    ]


def test_the_images_are_a_dataset_once_with_their_counts_and_without_their_folder(client: "MlflowClient") -> None:
    data = DataSummary(
        location="/home/ada/slices", kind="folder", synthetic=False, archive_sha256=None, digest="0123456789" * 4,
        files=3, readable=3, quarantined=1, images=2, distinct_by_content=2, distinct_by_pixels=2, patients=2,
        classes={"normal": {"images": 2, "distinct": 2}},
    )  # fmt: skip
    mlflow.set_tracking_uri(tracking.tracking_uri())
    with mlflow.start_run(run_id=tracking.open_run("test")) as active:
        contents.log_dataset(data)
        contents.log_dataset(data)

    (logged,) = client.get_run(active.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest, logged.dataset.source_type) == ("slices", "01234567", "folder")
    assert "ada" not in logged.dataset.source
    assert json.loads(logged.dataset.profile)["patients"] == 2


def test_the_experiment_is_of_the_kind_that_trains_models_and_one_made_before_becomes_so(
    client: "MlflowClient",
) -> None:
    before = client.get_experiment_by_name(tracking.EXPERIMENT).tags
    tracking.open_run("test")

    after = client.get_experiment_by_name(tracking.EXPERIMENT).tags
    assert before == {}
    assert after["mlflow.experimentKind"] == "custom_model_development"
    assert "not a medical device" in after["mlflow.note.content"]
