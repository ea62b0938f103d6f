"""The whole of `kedro run` beside the whole of the public recipe, on the same images, in turn."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pandas as pd

from benchmarks.images import Source
from benchmarks.processes import Cost, run
from benchmarks.project import ROOT, Project

RECIPE = "the recipe"
COMPUTING = (
    "feature_extraction.extract_features_node",
    "feature_extraction.extract_training_views_node",
    "model_training.train_head_node",
    "model_evaluation.predict_test_images_node",
)
"""Nodes that do what the recipe's `fit` and `evaluate` do."""


class Way(NamedTuple):
    """A way to train on the images: its parameters, whether it finds features stored, and the ratio that is wanted."""

    name: str
    parameters: dict[str, object]
    keeps_features: bool
    wanted: float


WAYS = (
    Way("`kedro run`, empty feature store", {}, False, 11),
    Way("`kedro run`, all audits", {"model_evaluation.audits": True}, False, 6),
    Way("`kedro run`, a training parameter changed", {"model_training.l2": 0.04}, True, 20),
    Way("`kedro run`, five augmented views", {"feature_extraction.augmentation.enabled": True}, False, 3),
)


class Measured(NamedTuple):
    """One run of one side."""

    cost: Cost
    compute: float
    accuracy: float


def measure(source: Source, environment: str, work: Path, rounds: int) -> tuple[str, dict[str, list[Measured]]]:
    """Measure both sides in turn.

    Args:
        source: The images.
        environment: Of the configuration.
        work: An empty folder.
        rounds: How often.

    Returns:
        A table, and what it was made of.
    """
    project = Project(work / "project")
    common = {"data_ingestion.source": source.location, "model_evaluation.audits": False}
    options = ("--env", environment)
    # Once, unmeasured: images unpacked, weights and databases at hand, on both sides; and the test groups are known.
    project.kedro_run(common, *options)
    images = _split_for_recipe(source.folder, pd.read_parquet(project.data("05_model_input/split_table.parquet")), work)
    results = work / "recipe_results"
    results.mkdir()
    subprocess.run(
        [sys.executable, "-c", "import mlflow; mlflow.MlflowClient().search_experiments()"],
        env={"MLFLOW_TRACKING_URI": f"sqlite:///{results / 'mlflow.db'}"},
        check=True,
    )

    measured: dict[str, list[Measured]] = {name: [] for name in (RECIPE, *(way.name for way in WAYS))}

    def note(name: str, run: Measured) -> None:
        measured[name].append(run)
        print(f"{name}: {run.cost.wall:.1f} s", flush=True)

    for _ in range(rounds):
        note(RECIPE, _recipe(images, results, project))
        for way in WAYS:
            if not way.keeps_features:
                project.forget_features()
            cost, seconds = project.kedro_run(common | way.parameters, *options)
            compute = sum(seconds[node] for node in COMPUTING)
            note(way.name, Measured(cost, compute, project.metrics()["accuracy"]["value"]))
    count = sum(1 for _ in source.folder.glob("*/*"))
    return "\n".join(_table(measured, count)), measured


def _split_for_recipe(folder: Path, table: pd.DataFrame, work: Path) -> Path:
    """The same files for the recipe: groups of our test split are what it validates on."""
    test_groups = set(table.loc[table["split"] == "test", "group"])
    for path, label, group in zip(map(Path, table["path"]), table["label"], table["group"], strict=True):
        side = "validation" if group in test_groups else "training"
        link = work / "recipe_images" / side / label / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / path.parent.name / path.name)
    return work / "recipe_images"


def _recipe(images: Path, results: Path, project: Project) -> Measured:
    weights = project.data("06_models/imagenet_weights.npz")
    cost = run([sys.executable, "-m", "benchmarks.reference", images, results, weights], project.log, ROOT)
    figures = json.loads((results / "figures.json").read_text())
    return Measured(cost, figures["compute"], figures["accuracy"])


def ratios(measured: dict[str, list[Measured]], name: str) -> list[float]:
    """How many times faster than the recipe, round by round."""
    return [theirs.cost.wall / ours.cost.wall for theirs, ours in zip(measured[RECIPE], measured[name], strict=True)]


def _table(measured: dict[str, list[Measured]], images: int) -> list[str]:
    lines = [
        "| whole command | wall, s | recipe over it | wanted | images/s | processor, s | peak memory, MB "
        "| accuracy, test groups |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    wanted = {way.name: f"{way.wanted:.0f}" for way in WAYS}
    for name, series in measured.items():
        walls = [each.cost.wall for each in series]
        lines.append(
            f"| {name} | {_spread(walls)} | {median(ratios(measured, name)):.1f} | {wanted.get(name, '')} "
            f"| {images / median(walls):.1f} | {median(each.cost.cpu for each in series):.0f} "
            f"| {max(each.cost.memory for each in series):.0f} | {median(each.accuracy for each in series):.3f} |"
        )
    theirs, ours = ([each.compute for each in measured[name]] for name in (RECIPE, WAYS[0].name))
    compute = median(a / b for a, b in zip(theirs, ours, strict=True))
    return [
        *lines,
        "",
        f"The compute alone, fit and evaluate against extract, train and predict: {median(theirs):.1f} s against "
        f"{median(ours):.1f} s, a ratio of {compute:.1f} (wanted: 12).",
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else f"{values[0]:.1f}"
