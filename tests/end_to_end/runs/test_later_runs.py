"""`kedro run` on the results of an earlier run."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from chest_cancer.imaging.phantoms.generate import generate_phantom
from chest_cancer.storage.lineage import Ledger
from kedro_process import Forks


@pytest.fixture(scope="module")
def results(project: Path) -> Path:
    return project / "data"


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def test_a_box_of_the_graph_runs_by_its_name(project: Path, results: Path, forks: Forks) -> None:
    report = results / "08_reporting" / "report.html"
    report.unlink()

    forks.succeed(project, "run", "--env", "test", "--namespaces", "reporting")

    assert "not a medical device" in report.read_text()


def test_evaluation_and_batch_inference_work_on_the_results_of_an_earlier_run(
    project: Path, results: Path, forks: Forks, tmp_path: Path
) -> None:
    (tmp_path / "slices").mkdir()
    for name in ("normal/patient_0000_slice_0.png", "adenocarcinoma/patient_0001_slice_0.png"):
        (tmp_path / "slices" / Path(name).name).write_bytes((results / "01_raw" / "images" / name).read_bytes())
    (tmp_path / "slices" / "notes.txt").write_text("not an image")
    before = read_json(results / "08_reporting" / "metrics.json")

    output = forks.succeed(
        project, "run", "--env", "test", "--pipelines", "model_evaluation,batch_inference",
        "--params", rf"batch_inference.source={tmp_path / 'slices'},batch_inference.patient=(?P<patient>patient_\d+)",
    )  # fmt: skip

    assert "1 without an answer, of which 1 could not be read" in " ".join(output.split())
    assert read_json(results / "08_reporting" / "metrics.json") == before
    predictions = pd.read_parquet(results / "07_model_output" / "predictions").set_index("path")
    assert predictions["label"].notna().sum() == 2
    assert len(pd.read_csv(results / "07_model_output" / "predictions.csv")) == 3
    gallery = (results / "08_reporting" / "predictions.html").read_text()
    assert gallery.count("data:image/jpeg;base64,") == 4  # two images, alone and under their evidence
    assert "not a medical device" in gallery
    assert not (results / "01_raw" / "inference_images" / "notes.txt").exists()  # read in place
    assert isinstance(predictions.loc["notes.txt", "reason"], str)
    patients = pd.read_parquet(results / "07_model_output" / "patient_predictions.parquet")
    assert patients["slices"].tolist() == [1, 1]
    assert patients["reads_positive"].notna().all()


def test_a_model_is_validated_on_another_scanner_and_not_changed(
    project: Path, results: Path, forks: Forks, tmp_path: Path
) -> None:
    files = another_site(tmp_path / "site", results)
    before = {name: Ledger(results).digest(results / name) for name in ("06_models", "08_reporting/metrics.json")}

    forks.succeed(
        project, "run", "--env", "test", "--pipelines", "external_validation", "--params",
        f"external_validation.source={tmp_path / 'site'},external_validation.class_names.Malignant=adenocarcinoma",
    )  # fmt: skip

    assert {name: Ledger(results).digest(results / name) for name in before} == before
    predictions = pd.read_parquet(results / "07_model_output" / "external_predictions.parquet").set_index("path")
    left_out = predictions["left_out"].dropna()
    assert set(left_out.index) == {name for name in files if "copy" in name}
    facts = read_json(results / "08_reporting" / "external_validation.json")
    assert (facts["copies"]["copies"], facts["copies"]["similar"]) == (2, 1)
    assert facts["compared"]["images"] == len(files) - 3
    assert facts["shift"]["embedding"]["low"] > 0.5
    assert facts["shift"]["intensity"]["low"] > 0
    sides = facts["figures"]["accuracy"]
    assert sides["internal"] == read_json(results / "08_reporting" / "metrics.json")["accuracy"]
    assert sides["difference"]["value"] == pytest.approx(sides["external"]["value"] - sides["internal"]["value"])
    assert sides["difference"]["low"] < sides["difference"]["value"] < sides["difference"]["high"]
    page = (results / "08_reporting" / "external_validation.html").read_text()
    assert [sentence for sentence in facts["verdict"] if sentence not in page.replace("&#39;", "'")] == []
    assert "3 of 15 distinct images are left out" in page
    assert "not a medical device" in page
    with closing(sqlite3.connect(project / "mlflow.db")) as record:
        query = "select key, value from {} join runs using (run_uuid) where name like 'external%'"
        tags, recorded = (record.execute(query.format(table)).fetchall() for table in ("tags", "metrics"))
    tags = dict(tags)
    manifest = (results / "06_models" / "classifier" / "manifest.json").read_bytes()
    assert tags["mlflow.parentRunId"] == tags["model_run_id"] == json.loads(manifest)["provenance"]["mlflow_run_id"]
    assert tags["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert tags["model_version"] == "1"
    assert ("external/accuracy", sides["external"]["value"]) in recorded
    assert ("external_difference/accuracy", sides["difference"]["value"]) in recorded
    (table,) = (project / "mlartifacts").rglob("external_figures.csv")
    shown = pd.read_csv(table).set_index(["figure", "of"]).loc[("accuracy", "difference")]
    assert shown[["value", "low", "high"]].to_dict() == pytest.approx(
        {part: sides["difference"][part] for part in ("value", "low", "high")}
    )


def another_site(folder: Path, results: Path) -> list[str]:
    """Slices of another scanner, two copies of training images under other names, and one that is nearly a copy."""
    names = {"normal": "normal", "adenocarcinoma": "Malignant"}
    table = pd.read_parquet(results / "05_model_input" / "split_table.parquet")
    learnt = table[table["split"] == "train"][["path", "label"]].head(3).itertuples(index=False, name=None)
    slices = {}
    for patient in range(12):
        label = ("normal", "adenocarcinoma")[patient % 2]
        slices[f"{names[label]}/{patient}.png"] = Image.fromarray(
            generate_phantom(label, 17, 1_000_000 + patient, scanner="b").image
        )
    for number, (path, label) in enumerate(learnt):
        slice_ = Image.open(results / "01_raw" / "images" / path)
        nearly = slice_.resize((slice_.width * 2 // 3, slice_.height * 2 // 3))
        slices[f"{names[label]}/copy_{number}.bmp"] = nearly if number == 2 else slice_
    for name, picture in slices.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / name)
    return list(slices)
