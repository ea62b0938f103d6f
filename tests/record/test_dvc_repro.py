"""DVC on a copy of the project: what runs, what does not, and what comes back from the cache."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
import yaml
from PIL import Image

from chest_cancer.imaging.phantoms.generate import generate_phantoms
from conftest import PROJECT, copy_project
from kedro_process import SECONDS

STAGES = list(yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"])

Dvc = Callable[..., str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own, with images in a folder that DVC watches."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore", "data/README.md"):
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, project / name)
    (project / "params.yaml").write_text("env: base\nsource: slices\ntable: .dvcignore\nexclude: .dvcignore\n")
    parameters = yaml.safe_load((project / "conf/base/parameters.yml").read_text())
    parameters["data_ingestion"]["source"] = "slices"
    # Audits take the longest, and change nothing here.
    parameters["model_evaluation"] |= {"audits": False, "bootstrap_repetitions": 100}
    parameters["model_training"] |= {"head": "linear", "epochs": 1}
    (project / "conf/base/parameters.yml").write_text(yaml.safe_dump(parameters))
    for number, phantom in enumerate(generate_phantoms(("normal", "adenocarcinoma"), 24, seed=3)):
        path = project / "slices" / phantom.label / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(phantom.image).save(path)
    git(project, "init", "--quiet")
    commit(project)
    return project


def git(project: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(project), *identity, *arguments], check=True, capture_output=True)


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "state")


@pytest.fixture(scope="module")
def dvc(project: Path) -> Dvc:
    """Run DVC there; what it printed is returned."""
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "GIT_AUTHOR_NAME": "Test",
                   "GIT_AUTHOR_EMAIL": "test@example.org", "GIT_COMMITTER_NAME": "Test",
                   "GIT_COMMITTER_EMAIL": "test@example.org"}  # fmt: skip

    def run(*arguments: str) -> str:
        result = subprocess.run(
            ["dvc", *arguments],
            cwd=project,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    return run


@pytest.fixture(scope="module")
def first(dvc: Dvc, project: Path) -> str:
    """The first `dvc repro`, done once for all tests here."""
    output = dvc("repro")
    commit(project)  # dvc.lock
    return output


def query(project: Path, text: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True)) as record:
        return record.execute(text).fetchall()


def executed(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def stale(status: str) -> list[str]:
    return re.findall(r"^(\w+):$", status, re.MULTILINE)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def appended(path: Path, text: str) -> Iterator[None]:
    before = path.read_text()
    path.write_text(before + text)
    try:
        yield
    finally:
        path.write_text(before)


def test_the_first_time_every_stage_runs(first: str, project: Path) -> None:
    assert sorted(executed(first)) == sorted(STAGES)
    assert (project / "data/08_reporting/report.html").is_file()
    candidate, served = (digests(project / "data/06_models" / name) for name in ("candidate", "classifier"))
    assert candidate.items() <= served.items()


def test_the_second_time_no_stage_runs_and_it_takes_no_ten_seconds(first: str, dvc: Dvc) -> None:
    before = getrusage(RUSAGE_CHILDREN)

    output = dvc("repro")

    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= 10  # whatever else the machine does
    assert executed(output) == []
    assert "Data and pipelines are up to date" in output


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("src/chest_cancer/pipelines/model_evaluation/nodes.py", ["model_evaluation"]),
        ("src/chest_cancer/pipelines/model_training/fitting.py", ["model_training"]),
        ("src/chest_cancer/pipelines/data_ingestion/opened.py", ["data_ingestion"]),
        ("src/chest_cancer/parameters/blocks.py", []),
        ("src/chest_cancer/hooks/summary.py", []),
    ],
)
def test_edited_code_runs_again_only_the_stage_whose_results_it_makes(
    first: str, dvc: Dvc, project: Path, file: str, expected: list[str]
) -> None:
    with appended(project / file, "\n# edited\n"):
        output = dvc("status")

    assert stale(output) == expected


def test_a_deleted_output_comes_back_from_the_cache(first: str, dvc: Dvc, project: Path) -> None:
    before = digests(project / "data/06_models/candidate")
    shutil.rmtree(project / "data/06_models/candidate")

    assert executed(dvc("repro")) == []

    assert digests(project / "data/06_models/candidate") == before


def test_all_stages_of_one_repro_are_one_record_of_committed_code(first: str, project: Path) -> None:
    ((run_id, name, status),) = query(project, "select run_uuid, name, status from runs")
    tags = dict(query(project, "select key, value from tags"))

    assert status == "FINISHED"
    assert name.startswith("slices · linear · epochs=1")
    assert tags["mlflow.note.content"].startswith(f"**{(project / 'data/08_reporting/verdict.txt').read_text()}**")
    assert query(project, "select count(*) from datasets") == [(1,)]
    assert sorted(tags["pipeline_names"].split(",")) == sorted(STAGES)
    assert tags["git_clean"] == "True"
    manifest = json.loads((project / "data/06_models/candidate/manifest.json").read_text())
    assert manifest["provenance"]["mlflow_run_id"] == run_id
    assert manifest["provenance"]["git_clean"] is True  # though DVC had written dvc.lock by then
    parameters = {key for (key,) in query(project, "select key from params")}
    assert {"data_ingestion.source", "model_training.epochs", "model_evaluation.confidence"} <= parameters
    assert {"test/accuracy", "epochs/loss"} <= {key for (key,) in query(project, "select key from latest_metrics")}


def test_a_documented_experiment_runs_what_depends_on_it_and_is_shown(first: str, dvc: Dvc, project: Path) -> None:
    """With the command in docs/dvc.md, word for word."""
    ((arguments, name, value),) = re.findall(
        r"\.venv/bin/dvc (exp run -S (conf/\S+\.yml:\S+)=(\S+))\n", (PROJECT / "docs/dvc.md").read_text()
    )

    output = dvc(*arguments.split(), "--name", "longer")

    # Preparation asks which head is to be trained, and takes what is there.
    assert executed(output) == ["model_preparation", "model_training", "model_evaluation", "model_audit", "reporting"]
    shown = csv.DictReader(io.StringIO(dvc("exp", "show", "--csv")))
    rows = {row["Experiment"]: row for row in shown}
    assert float(rows["longer"]["accuracy.value"]) <= 1
    # The file is named too where several have the parameter.
    columns = [column for column in rows["longer"] if name.endswith(column) and "epochs" in column]
    assert [rows["longer"][column] for column in columns] == [value]
    # It is a run of its own, and what is left is what it made.
    (*_, latest) = query(project, "select run_uuid from runs order by start_time")
    values = dict(query(project, f"select key, value from params where run_uuid = '{latest[0]}'"))  # noqa: S608  # MLflow's id
    assert values["model_training.epochs"] == value
    history = (project / "data/08_reporting/training_history.csv").read_text()
    assert len(history.splitlines()) == int(value) + 1
    assert stale(dvc("status")) == []


def test_a_remote_keeps_everything_that_the_cache_held(first: str, dvc: Dvc, project: Path, tmp_path: Path) -> None:
    dvc("remote", "add", "--local", "--default", "--force", "shelf", str(tmp_path / "shelf"))
    before = digests(project / "data/08_reporting")
    dvc("push", "--quiet")
    for folder in (".dvc/cache", "data/08_reporting"):
        shutil.rmtree(project / folder)

    dvc("pull", "--quiet")

    assert digests(project / "data/08_reporting") == before


def test_an_added_image_runs_from_ingestion_on_and_is_the_only_one_computed(
    first: str, dvc: Dvc, project: Path
) -> None:
    added = next(iter(generate_phantoms(("normal",), 1, seed=99)))
    Image.fromarray(added.image).save(project / "slices" / "normal" / "added.png")

    output = dvc("repro", "feature_extraction")

    assert executed(output) == ["data_ingestion", "feature_extraction"]
    assert "Features of 25 images: 1 computed, 24 reused." in output
    assert stale(dvc("status")) == ["data_audit", "model_training", "model_evaluation", "model_audit"]


def test_nothing_is_sent_about_its_use(dvc: Dvc) -> None:
    assert dvc("config", "core.analytics").strip() == "false"
    assert dvc("config", "core.check_update").strip() == "false"
