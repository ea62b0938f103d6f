"""What each standardisation does to scores, to leakage and to shortcuts: the tables of docs/standardisation.md.

Works on the images, groups and splits of the last run, without its test groups: what is chosen here must not have seen
them. `python -m benchmarks.standardisation` after
`kedro run --pipelines data_ingestion,model_preparation,feature_extraction`.
"""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog

from chest_cancer.imaging.standardise import standardise
from chest_cancer.near_duplicates import group_near_duplicates
from chest_cancer.parameters import Parameters, StandardisationParameters
from chest_cancer.pipelines.feature_extraction.extraction import extract
from chest_cancer.pipelines.model_evaluation.comparison import (
    accuracies,
    areas,
    difference,
    draw_weights,
    in_words,
    measure_scores,
    repeat_out_of_fold,
)
from chest_cancer.pipelines.model_evaluation.cross_validation import REPEATS, linear_head
from chest_cancer.pipelines.model_evaluation.leakage import compare_naive_and_grouped
from chest_cancer.pipelines.model_evaluation.shortcuts import compare_with_baselines, look_from_afar
from chest_cancer.runtime import Network

CHOICES = [
    StandardisationParameters(brightness=brightness, crop=crop)
    for crop, brightness in product(("none", "body"), ("none", "percentile", "equalise", "clahe"))
]
SEED, SIMILARITY = Parameters().seed, Parameters().feature_extraction.groups.similarity


def main() -> None:
    entries = OmegaConfigLoader("conf", base_env="base", default_run_env="local")["catalog"]
    names = ("raw_images", "split_table", "frozen_base")
    catalog = DataCatalog.from_config({name: entries[name] for name in names})
    images, table = catalog.load("raw_images"), catalog.load("split_table")
    network = Network(catalog.load("frozen_base").SerializeToString(), "auto")

    # Groups stay those of the run, so that every choice is scored on the same folds.
    files = table[~table["group"].isin(table.loc[table["split"] == "test", "group"])]
    distinct = files.drop_duplicates("pixel_sha256")
    decoded = [images.pixels(path) for path in distinct["path"]]
    results = {}
    for choice in CHOICES:
        seen = [standardise(pixels, choice) for pixels in decoded]
        title = f"{choice.brightness} / {choice.crop}"
        embedding = extract(network, range(len(seen)), seen.__getitem__, 16, title)["embedding"]
        results[title] = _score(files, distinct, embedding, seen)
    print(f"\n{Path.cwd().name}: {len(files)} files, {len(distinct)} distinct, {distinct['group'].nunique()} groups\n")
    _print_table(results, distinct)


def _score(files: pd.DataFrame, distinct: pd.DataFrame, embedding: np.ndarray, seen: list[np.ndarray]) -> dict:
    classes = sorted(files["label"].unique())
    numbers, groups = distinct["label"].map(classes.index).to_numpy(), distinct["group"].to_numpy()
    features = {"pixel_sha256": distinct["pixel_sha256"].to_numpy(dtype="U64"), "embedding": embedding}
    looks = [look_from_afar(pixels) for pixels in seen]
    looks = {name: np.stack([look[name] for look in looks]) for name in looks[0]}
    means = np.split(embedding, 2, axis=1)[0]
    return {
        "scores": repeat_out_of_fold(linear_head(SEED), embedding, numbers, groups, SEED, REPEATS),
        "optimism": compare_naive_and_grouped(files, features, classes, SEED)["optimism"],
        "shortcuts": compare_with_baselines(looks, embedding, numbers, groups, SEED),
        "groups": len(set(group_near_duplicates(means, distinct["perceptual_hash"].to_list(), SIMILARITY))),
        "numbers": numbers,
    }


def _print_table(results: dict[str, dict[str, Any]], distinct: pd.DataFrame) -> None:
    groups = distinct["group"].to_numpy()
    weights = draw_weights(groups, SEED)
    first = next(iter(results.values()))
    columns = ["brightness / crop", "accuracy", "AUC", "accuracy less none / none", "AUC less none / none"]
    columns += ["naive less grouped accuracy", "histogram's AUC", "best baseline", "model adds to it", "groups"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for title, result in results.items():
        numbers, scores, shortcuts = result["numbers"], result["scores"], result["shortcuts"]
        measured = measure_scores(numbers, scores, groups)
        less = [
            difference(statistic(numbers, scores, weights), statistic(numbers, first["scores"], weights), len(numbers))
            for statistic in (accuracies, areas)
        ]
        by_name = {baseline["name"]: baseline for baseline in shortcuts["baselines"]}
        best = by_name[shortcuts["best"]]
        figures = [measured["accuracy"], measured["roc_auc"], *less, result["optimism"]["accuracy"]]
        cells = [in_words(figure, 3) for figure in (*figures, by_name["brightness"]["roc_auc"])]
        cells += [f"{best['name']} {in_words(best['roc_auc'], 3)}", in_words(best["model_adds"], 3)]
        print(f"| {title} | {' | '.join(cells)} | {result['groups']} |")


if __name__ == "__main__":
    main()
