"""What each precision of the classifier gives, and what it changes."""

import json
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from benchmarks.images import Source
from benchmarks.project import Project
from benchmarks.rates import ceiling
from chest_cancer.datasets.mapped_arrays import MappedArraysDataset
from chest_cancer.network.classifier import GRAPH_FILE, QUANTISED_FILES
from chest_cancer.network.features import label_features
from chest_cancer.network.runtime import resolve_precision
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.pipelines.model_training.selection import compare_heads

DRAWS = 5


def measure(source: Source, environment: str, work: Path, rounds: int) -> str:
    """Train with int8 asked for, and measure the graphs that came out, in turn."""
    project = Project(work / "project")
    parameters = {"data_ingestion.source": source.location, "model_evaluation.audits": False}
    _, seconds = project.kedro_run(parameters | {"model_training.int8.enabled": True}, "--env", environment)
    folder = project.data("06_models/candidate")
    decision = json.loads((folder / "manifest.json").read_text())["int8"]
    compared = {each["precision"]: each for each in decision["compared"]}

    rates: dict[str, list[float]] = {precision: [] for precision in compared if precision != "int8" or decision["kept"]}
    for _ in range(rounds):
        for precision, series in rates.items():
            int8 = precision == "int8"
            rest = "fp32" if int8 else precision
            series.append(ceiling(folder / (QUANTISED_FILES[0] if int8 else GRAPH_FILE), rest))
    lines = [
        "| precision | images/s | over the one above | accuracy, validation | other answers | lowest cosine, embedding "
        "| evidence |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    above: list[float] | None = None
    for precision, agreement in compared.items():
        series = rates.get(precision, [])
        ratio = median(a / b for a, b in zip(series, above, strict=True)) if series and above else None
        lines.append(
            f"| {precision} | {f'{median(series):.1f}' if series else ''} | {f'{ratio:.2f}' if ratio else ''} "
            f"| {agreement['accuracy']:.3f} | {agreement['changed']} of {agreement['images']} "
            f"| {agreement['cosine']:.4f} | {agreement['evidence_cosine']:.4f} |"
        )
        above = series
    return "\n".join(
        [
            *lines,
            "",
            f"int8 {'is served' if decision['kept'] else 'is refused'}: {decision['reason']}. Quantising took "
            f"{seconds['model_training.quantise_classifier_node']:.0f} s, with {decision['calibration_images']} "
            "training images.",
            "",
            _grouped(project, environment),
        ]
    )


def _grouped(project: Project, environment: str) -> str:
    """Accuracy out of fold of a linear head on features in each precision, on all that is not locked for the test."""
    said = []
    for precision in dict.fromkeys(["fp32", resolve_precision("auto")]):
        parameters = {"feature_extraction.precision": precision}
        project.kedro_run(parameters, "--env", environment, "--pipelines", "feature_extraction")
        features = MappedArraysDataset(filepath=str(project.data("04_feature/features"))).load()
        table = pd.read_parquet(project.data("05_model_input/split_table.parquet"))
        labelled = label_features(features, table, "train", "validation")
        of_images = labelled.embeddings, labelled.numbers, labelled.groups
        draws = [compare_heads(*of_images, ModelTrainingParameters(), seed)["accuracy"] for seed in range(DRAWS)]
        said.append(f"{np.mean([draw['linear'] for draw in draws]):.4f} in {precision}")
    return (
        f"Grouped 5-fold accuracy of a linear head on features of each precision, mean of {DRAWS} draws of folds, "
        f"{len(labelled.numbers)} training and validation images: {', '.join(said)}."
    )
