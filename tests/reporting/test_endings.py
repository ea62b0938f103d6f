"""How a run ends: every pipeline says what it made, what to believe and what to do next."""

import importlib
import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from chest_cancer.parameters.blocks import ON_REQUEST
from chest_cancer.reporting.endings import CHAINS, Ending, endings_of, print_ending
from chest_cancer.reporting.last_words import Results
from chest_cancer.reporting.templates import AuditedPart
from conftest import PROJECT
from manifests import manifest_of

PIPELINES = sorted(path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py"))
ENDINGS = {ending.made: ending for chain in CHAINS for ending in chain}

FIGURE = {"value": 0.7164, "low": 0.5651, "high": 0.8312, "n": 81}
TRIALS = pd.DataFrame(
    {
        "trial": [0, 1, 2],
        "loss": [0.61, 0.4321, None],
        "seconds": 9.0,
        "head": ["kernel", "linear", "kernel"],
        "l2": [0.5, 0.0123456789, 0.5],
        "kernel.width": [1.0, None, 2.0],
    }
)
BATCH = {
    "source": "[ward] 3",
    "model_synthetic": False,
    "rows": 1200,
    "answers": {"normal": 1100, "[bold]odd": 1},
    "without_answer_in_all": 99,
    "unreadable": 9,
    "parts": 16,
    "parts_done": 16,
}


def made_by(*pipelines: str) -> set[str]:
    return {
        name
        for pipeline in pipelines
        for name in importlib.import_module(f"chest_cancer.pipelines.{pipeline}").create_pipeline().all_outputs()
    }


class Model:
    manifest = manifest_of()


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Print an ending, on a page of 200 columns, and return it as one line."""
    monkeypatch.setenv("COLUMNS", "200")

    def print_it(
        ending: Ending, holds: dict[str, Any], own: dict[str, Any] | None = None, files: Collection[str] = ()
    ) -> str:
        paths = {name: tmp_path / "data" / name for name in ending.files}
        for name in files:
            paths[name].parent.mkdir(exist_ok=True)
            paths[name].touch()
        results = Results(holds.keys(), holds.__getitem__, lambda _: AUDITS, lambda: own or {})
        print_ending(ending, results, paths, tmp_path, str)
        return " ".join(capsys.readouterr().out.split())

    return print_it


AUDITS = [AuditedPart("shortcuts", "", {"best": "a", "baselines": [{"name": "a", "shortcut": False}]}, {})]


@pytest.mark.parametrize("pipeline", [name for name in PIPELINES if name != "reporting"])
def test_every_pipeline_has_a_word_at_its_end(pipeline: str) -> None:
    assert endings_of(made_by(pipeline))


@pytest.mark.parametrize(
    ("pipelines", "expected"),
    [
        (set(PIPELINES) - set(ON_REQUEST), ["report"]),
        (["data_ingestion", "model_preparation", "feature_extraction", "data_audit"], ["data_report"]),
        (["model_evaluation", "batch_inference"], ["metrics", "predictions_gallery"]),
    ],
)
def test_a_run_ends_as_the_furthest_that_it_has_made(pipelines: Collection[str], expected: list[str]) -> None:
    assert [ending.made for ending in endings_of(made_by(*pipelines))] == expected


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_what_an_ending_names_is_there(ending: Ending) -> None:
    made = made_by(*PIPELINES) | {"external_quarantine"}
    commands = [] if callable(ending.steps) else list(ending.steps)
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)

    assert {ending.made, *ending.files} <= made
    for command in commands:
        pipelines = re.fullmatch(r"kedro run --pipelines (\S+)", command)
        assert set(pipelines[1].split(",")) <= {*PIPELINES} if pipelines else command.removeprefix("make ") in targets


def test_only_files_that_are_there_are_named_each_with_what_it_is(said: Callable[..., str]) -> None:
    text = said(ENDINGS["image_index"], {}, files=["image_index"])

    assert "Made data/image_index a row per image" in text
    assert "data/quarantine" not in text
    assert "Next kedro run --pipelines model_preparation,feature_extraction,data_audit # looks at them" in text


def test_a_result_on_another_disk_is_named_by_its_whole_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    project, elsewhere = tmp_path / "project", tmp_path / "disk" / "index.parquet"
    for folder in (project, elsewhere.parent):
        folder.mkdir()
    elsewhere.touch()

    print_ending(
        ENDINGS["image_index"], Results(set(), {}.__getitem__, list, dict), {"image_index": elsewhere}, project
    )

    assert f"Made {elsewhere} a row per image" in " ".join(capsys.readouterr().out.split())


def test_a_measured_model_ends_with_the_figures_that_matter_and_a_verdict(said: Callable[..., str]) -> None:
    names = ("coverage", "accuracy", "roc_auc", "threshold_npv_at_prevalence_5", "patient_roc_auc", "patient_accuracy")
    metrics = {"patients": "known"} | dict.fromkeys(names, FIGURE)

    text = said(ENDINGS["report"], {"metrics": metrics, "candidate": Model}, files=["report"])

    assert re.search(r"area under the ROC curve │ 0\.716 │ 0\.565 to 0\.831 │ 81", text)
    assert "patients: area under the ROC curve" in text
    assert "prevalence" not in text
    assert "tells" in text
    assert "(AUC 0.72 [0.57, 0.83], 81 images of 81 patients)" in text
    assert "no medical device" in text
    assert "Next make serve # a page that answers single images make mlflow" in text


def test_a_batch_ends_with_its_answers_and_how_often_the_model_is_right(said: Callable[..., str]) -> None:
    text = said(ENDINGS["predictions_gallery"], {"batch_summary": BATCH}, own={"accuracy": FIGURE})

    assert "Batch [ward] 3: 1,200 images; answers: normal 1,100, [bold]odd 1; 99 without an answer" in text
    assert "of which 9 could not be read" in text
    assert "These images have no labels, so nobody knows how many answers are right." in text
    assert "On its own test images the model answers 0.72 [0.57, 0.83] of 81 rightly." in text
    assert "kedro run --pipelines external_validation --params external_validation.source=<labelled images> #" in text


def test_a_batch_by_a_model_of_phantoms_ends_with_what_its_answers_mean(said: Callable[..., str]) -> None:
    real, synthetic = (
        said(ENDINGS["predictions_gallery"], {"batch_summary": BATCH | {"model_synthetic": is_so}})
        for is_so in (False, True)
    )

    assert "what it answers about a scan of a person means nothing." in synthetic
    assert "phantoms" not in real


def test_a_share_of_a_batch_ends_with_the_other_shares(said: Callable[..., str]) -> None:
    text = said(ENDINGS["predictions_gallery"], {"batch_summary": BATCH | {"parts_done": 5}})

    assert "the other shares (11 of 16 parts are missing), and at last once without `part`" in text
    assert "test images" not in text


def test_a_search_ends_with_the_best_parameters_what_they_are_worth_and_the_command_that_uses_them(
    said: Callable[..., str],
) -> None:
    text = said(ENDINGS["best_parameters"], {"search_trials": TRIALS})

    assert "The best of 3 trials has a loss of 0.4321 out of fold: head linear, l2 0.0123457." in text
    assert "looks better than it is" in text
    assert "kedro run --params model_training.head=linear,model_training.l2=0.0123457 # trains with them" in text


def test_a_trained_model_is_not_to_be_believed_yet(said: Callable[..., str]) -> None:
    choice = {"head": "kernel", "reason": "it adds +0.050"}

    text = said(ENDINGS["candidate"], {"head_choice": choice, "candidate": Model})

    assert "Trained A kernel head: it adds +0.050." in text
    assert "Believe Nothing yet: the accuracy of its answers was" in text
    assert "no test image was looked at" in text


def test_data_end_with_what_can_be_scored_without_anatomy(said: Callable[..., str]) -> None:
    summary = json.loads(Model.manifest.data.model_dump_json()) | {"synthetic": False, "files": 9}

    text = said(ENDINGS["data_report"], {"data_summary": summary})

    assert re.search(r"Data The images are \d+ distinct pictures in 9 files", text)
    assert "nothing that sees no anatomy was found to tell the classes apart" in text


def test_another_site_ends_with_the_difference(said: Callable[..., str]) -> None:
    facts = {"source": {"location": "site.zip"}, "copies": {"words": "3 copies."}, "verdict": ["Lower.", "Higher."]}

    text = said(ENDINGS["external_report"], {"external_validation": facts})

    assert "Data site.zip: 3 copies. Believe Lower. Higher." in text
