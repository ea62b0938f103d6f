"""Patients of DICOM files and a table, to the report: kept apart, counted, and nowhere by their own identifiers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chest_cancer.imaging.phantoms.generate import generate_phantom
from conftest import copy_project
from dicom_files import dicom
from kedro_process import Forks

PATIENTS, SLICES = 8, 2
CLASSES = ("normal", "adenocarcinoma")
# All but those that repeat these results.
PIPELINES = "data_ingestion,model_preparation,feature_extraction,data_audit,model_training,model_evaluation"
NAMES = [f"Jane-Doe-{n:03}" for n in range(PATIENTS)]
STUDIES = [f"1.2.826.77.1{n:03}" for n in range(PATIENTS)]
CASES = [f"Case-Roe-{n:03}" for n in range(PATIENTS)]
PLANTED = [*NAMES, *STUDIES, *CASES]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    """A project after a run on CT slices and a table among them, and `said.log`, what the run printed."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    rows = ["file,case id,name,remark"]
    for number in range(PATIENTS * SLICES):
        patient, place = divmod(number, SLICES)
        label = CLASSES[patient % 2]
        hounsfield = generate_phantom(label, 3, number).image.astype(np.int16) * 5 - 1000
        path = project / "scans" / label / f"{patient}_{place}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            dicom(
                hounsfield,
                PatientID=NAMES[patient],
                PatientName=NAMES[patient],
                StudyInstanceUID=STUDIES[patient],
            )
        )
        rows.append(f"{label}/{path.name},{CASES[patient]},{NAMES[patient]},seen with {CASES[patient]}")
    (project / "scans" / "rows.csv").write_text("\n".join(rows))
    source = "data_ingestion.source=scans,data_ingestion.table.path=rows.csv"
    said = forks.succeed(project, "run", "--env", "test", "--params", source, "--pipelines", PIPELINES)
    (project / "said.log").write_text(said)
    return project


def test_patients_are_counted_and_none_is_in_two_splits(project: Path) -> None:
    table = pd.read_parquet(next((project / "data").rglob("split_table.parquet")))

    assert table["patient"].nunique() == PATIENTS
    assert table["patient"].str.fullmatch("[0-9a-f]{16}").all()
    assert (table.groupby("patient")["split"].agg(set).str.len() == 1).all()
    assert json.loads((project / "data/02_intermediate/data_summary.json").read_text())["patients"] == PATIENTS
    assert json.loads((project / "data/06_models/candidate/manifest.json").read_text())["data"]["patients"] == PATIENTS
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    assert metrics["patients"] == "known"
    assert metrics["patient_accuracy"]["n"] == table.loc[table["split"] == "test", "patient"].nunique()


def test_the_data_report_compares_folds_of_patients_with_random_ones(project: Path) -> None:
    text = (project / "data/08_reporting/data_report.html").read_text()

    assert 'id="identity"' in text
    assert f"The patients are known: {PATIENTS}, of {PATIENTS * SLICES} distinct images." in text
    assert f"The {PATIENTS} patients are those that the source names, and each is in one split." in text
    assert "unknown patients" not in text


def test_no_identifier_is_in_anything_that_the_run_wrote(project: Path) -> None:
    given = [project / name for name in ("scans", "src", "conf")]
    written = [
        path for path in project.rglob("*") if path.is_file() and not any(folder in path.parents for folder in given)
    ]

    assert {path.name for path in written} >= {
        "0_0.dcm",
        "rows.csv",
        "mlflow.db",
        "data_report.html",
        "metrics.json",
        "split_table.parquet",
        "said.log",
    }
    for path in written:
        content = path.read_bytes()
        assert [name for name in PLANTED if name.encode() in content] == [], path
