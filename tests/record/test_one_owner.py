"""A run owns its results: real runs on two sources, one by one, at once, and ended by signals."""

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from chest_cancer.imaging.phantoms.generate import generate_phantoms
from conftest import copy_project
from kedro_process import SECONDS
from record.servers import ended, kedro, reports, succeed, wait_until

# As people call their folders.
CLASSES = {"normal": "Größe = normal, ok & co", "adenocarcinoma": "COVID-19 (positive)"}
PARAMETERS = ["model_evaluation.audits=false", "model_training.head=linear", "model_training.normal_class=null"]

Run = Callable[..., subprocess.CompletedProcess[str]]


def write_source(folder: Path, seed: int) -> None:
    for number, phantom in enumerate(generate_phantoms(tuple(CLASSES), 24, seed=seed)):
        path = folder / CLASSES[phantom.label] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(phantom.image).save(path)


def start(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return kedro(project, "run", "--env", "test", *arguments, **environment)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with two sources whose files have the same names."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    write_source(project / "A", seed=3)
    write_source(project / "B", seed=4)
    return project


@pytest.fixture(scope="module")
def run(project: Path) -> Run:
    def run(source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        sources = [f"{pipeline}.source={source}" for pipeline in ("data_ingestion", "batch_inference")]
        parameters = ",".join([*sources, *PARAMETERS])
        process = start(project, *arguments, "--params", parameters)
        output, _ = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess([], process.returncode, output)

    return run


@pytest.fixture(scope="module")
def first(run: Run) -> str:
    """What the whole graph printed on A, once for all tests here."""
    result = run("A")
    assert result.returncode == 0, result.stdout
    return result.stdout


def query(project: Path, text: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True)) as record:
        return record.execute(text).fetchall()


def stored_rows(project: Path) -> set[Path]:
    return set((project / "data/04_feature/store").rglob("*.npy"))


def test_a_class_may_be_called_anything(project: Path, first: str) -> None:
    (table,) = (project / "mlartifacts").rglob("figures.csv")
    names = set(pd.read_csv(table)["figure"])

    assert query(project, "select status from runs") == [("FINISHED",)]
    assert "recall_COVID-19 (positive)" in names
    assert "recall_Größe = normal, ok & co" in names


def test_images_of_another_source_than_the_index_stop_extraction_and_store_nothing(
    project: Path, first: str, run: Run
) -> None:
    before = stored_rows(project)
    # As if a run on B had been stopped after it had brought the images.
    stopped = run("B", "--to-nodes", "data_ingestion.describe_source_node")
    assert stopped.returncode == 0, stopped.stdout

    mixed = run("B", "--pipelines", "model_preparation,feature_extraction")

    assert mixed.returncode == 1
    message = "MixedResultsError: `image_index` was made from another `raw_images` ("
    assert message in mixed.stdout
    assert "Make it again: `kedro run --pipelines data_ingestion --" in mixed.stdout
    assert "data_ingestion.source=B" in mixed.stdout  # by the options of this run
    assert "Traceback" not in mixed.stdout
    assert stored_rows(project) == before
    assert query(project, "select count(*) from runs") == [(2,)]  # refused before there was anything to record

    trained = run("B", "--pipelines", "model_training")
    assert "was made from another `" in trained.stdout

    cured = run("B", "--pipelines", "data_ingestion,feature_extraction")
    assert cured.returncode == 0, cured.stdout
    assert "Features of 24 images: 24 computed, 0 reused." in cured.stdout


def test_what_is_out_of_date_is_named_with_all_pipelines_that_make_it_anew(project: Path, first: str, run: Run) -> None:
    # Images, index, features and splits are B's by now, the candidate is A's.
    for pipeline in ("model_evaluation", "model_audit"):
        result = run("B", "--pipelines", pipeline)
        assert result.returncode == 1
        assert "`candidate` was made from another `" in result.stdout
        assert "Make it again: `kedro run --pipelines model_training --" in result.stdout

    # A classifier may be asked about any images.
    assert run("A", "--pipelines", "batch_inference").returncode == 0

    assert run("A", "--pipelines", "data_ingestion,feature_extraction,model_evaluation").returncode == 0


def test_a_result_that_a_run_did_not_leave_so_is_not_used(project: Path, first: str, run: Run) -> None:
    table = project / "data/05_model_input/split_table.parquet"
    content = table.read_bytes()
    table.write_bytes(content + b" ")

    result = run("A", "--pipelines", "model_evaluation")

    table.write_bytes(content)
    assert result.returncode == 1
    assert (
        "Nobody knows what `split_table` was made from: it is not what a run left there. Make it again: "
        "`kedro run --pipelines feature_extraction --"
    ) in result.stdout


def long_run(project: Path, progress: Path) -> subprocess.Popen[str]:
    """Start a run that draws images for longer than a test takes, and wait until it does."""
    images = "data_ingestion.phantom.images=5000"
    pipelines = ["--pipelines", "data_ingestion"]
    process = start(project, *pipelines, "--params", images, CHEST_CANCER_PROGRESS=str(progress))
    staging = project / "data/01_raw/.images.staging/normal"
    wait_until(lambda: reports(progress, "node_started") and staging.exists(), process)
    return process


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return copy_project(folder)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_is_recorded_as_killed(
    fresh: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = long_run(fresh, tmp_path / "progress.jsonl")

    process.send_signal(number)

    ended(process, code)
    ((status, end_time),) = query(fresh, "select status, end_time from runs")
    assert status == "KILLED"
    assert end_time
    assert not (fresh / "data/01_raw/.images.staging").exists()


def test_a_run_that_was_killed_at_once_is_closed_by_the_next_and_one_that_fails_is_failed(
    fresh: Path, tmp_path: Path
) -> None:
    process = long_run(fresh, tmp_path / "progress.jsonl")
    process.kill()
    process.communicate()
    assert query(fresh, "select status from runs") == [("RUNNING",)]

    no_source = ["--params", "data_ingestion.source=/nowhere"]
    output = ended(start(fresh, "--pipelines", "data_ingestion", *no_source), 1)

    assert "was killed before it could say so" in output
    rows = query(fresh, "select name, status, end_time > start_time from runs order by start_time")
    assert [(name.partition(" · ")[0], *ended) for name, *ended in rows] == [
        ("data_ingestion", "KILLED", 1),
        ("data_ingestion", "FAILED", 1),
    ]


def test_a_second_run_is_refused_at_once_and_told_which_is_the_first(fresh: Path, tmp_path: Path) -> None:
    process = long_run(fresh, tmp_path / "progress.jsonl")

    told = tmp_path / "second.jsonl"
    output = ended(start(fresh, "--pipelines", "data_ingestion", CHEST_CANCER_PROGRESS=str(told)), 1)

    process.terminate()
    process.communicate()
    assert (
        f"is using {fresh}: process {process.pid}, `kedro run --env test --pipelines data_ingestion`, since" in output
    )
    assert "Traceback" not in output
    events = [json.loads(line) for line in told.read_text().splitlines()]
    assert [event["event"] for event in events] == ["parameters", "run_failed"]  # for the training page
    assert events[-1]["error"].startswith("ProjectHeldError: Another run is using")
    assert [status for (status,) in query(fresh, "select status from runs")] == ["KILLED"]
    succeed(start(fresh, "--pipelines", "data_ingestion"))
    assert json.loads((fresh / "data/02_intermediate/data_summary.json").read_text())["images"] == 30


def test_of_two_runs_that_start_at_once_in_a_new_project_one_ends_well_and_the_other_is_refused(fresh: Path) -> None:
    processes = [start(fresh, "--pipelines", "data_ingestion") for _ in range(2)]
    outputs = {process.communicate(timeout=SECONDS)[0]: process.returncode for process in processes}

    assert sorted(outputs.values()) in ([0, 1], [0, 0])  # [0, 0]: one had ended before the other asked
    assert all("Another run is using" in output for output, code in outputs.items() if code), outputs
