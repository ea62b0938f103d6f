"""What each standardisation does to scores, to leakage and to shortcuts: the tables of docs/standardisation.md.

Works on the images and splits of the last run, without its test groups: what is chosen here must not have seen them.
`python -m benchmarks.standardisation` after
`kedro run --pipelines data_ingestion,model_preparation,feature_extraction`.

Intervals are of 95 %, but those of differences from doing nothing are of 1 - 0.05 / 7 (Bonferroni): seven choices are
compared with it on the same images.
"""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from chest_cancer.audits.leakage.scores import compare_naive_and_grouped
from chest_cancer.audits.sample import sample_images
from chest_cancer.audits.shortcuts.baselines import compare_with_baselines
from chest_cancer.imaging.afar import look_from_afar
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.embedding import means_of
from chest_cancer.parameters.blocks import FeatureExtractionParameters, Parameters, StandardisationParameters
from chest_cancer.pipelines.feature_extraction.nodes import extract_features
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import accuracies, areas
from chest_cancer.statistics.cross_validation import measure_scores
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.near_duplicates import group_near_duplicates

CHOICES = [
    StandardisationParameters(brightness=brightness, crop=crop)
    for crop, brightness in product(("none", "body"), ("none", "percentile", "equalise", "clahe"))
]
COMPARED = 1 - 0.05 / (len(CHOICES) - 1)
"""Confidence of the intervals of differences."""
REPETITIONS = 10_000
"""The far ends of a distribution need many draws."""
SEED, SIMILARITY = Parameters().seed, Parameters().feature_extraction.groups.similarity
EVALUATION = Parameters().model_evaluation


def main() -> None:
    settings = OmegaConfigLoader("conf", base_env="base", default_run_env="local")
    names = ("raw_images", "split_table", "frozen_base", "feature_store")
    catalog = DataCatalog.from_config({name: settings["catalog"][name] for name in names}, settings["credentials"])
    images, table, base, store = (catalog.load(name) for name in names)

    files = table[~table["group"].isin(table.loc[table["split"] == "test", "group"])]
    distinct = files.drop_duplicates("pixel_sha256")
    embeddings = []
    for choice in CHOICES:
        parameters = FeatureExtractionParameters(standardisation=choice)
        features, _ = extract_features(images, distinct, base, store, parameters)
        embeddings.append(np.asarray(features["embedding"]))

    # What any of the choices makes alike stays in one fold, and the folds are the same for all.
    hashes = distinct["perceptual_hash"].to_list()
    partitions = [group_near_duplicates(means_of(each), hashes, SIMILARITY) for each in embeddings]
    joined = _join([distinct["group"].to_numpy(), *partitions])
    group_of = dict(zip(distinct["pixel_sha256"], joined, strict=True))
    files, distinct = (rows.assign(group=rows["pixel_sha256"].map(group_of)) for rows in (files, distinct))

    scored = [
        _score(files, distinct, embedding, _look(images, distinct, choice))
        for choice, embedding in zip(CHOICES, embeddings, strict=True)
    ]
    print(f"{len(files)} files, {len(distinct)} distinct, {len(set(joined))} groups\n")
    _print_table(scored, [len(set(groups)) for groups in partitions], distinct)


def _join(partitions: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Make one group of all that any of the partitions keeps together."""
    count = len(partitions[0])
    firsts = []
    for groups in partitions:
        _, first, position = np.unique(groups, return_index=True, return_inverse=True)
        firsts.append(first[position])
    links = (np.tile(np.arange(count), len(partitions)), np.concatenate(firsts))
    return connected_components(coo_array((np.ones(links[0].size), links), shape=(count, count)), directed=False)[1]


def _look(images: ImageFolder, distinct: pd.DataFrame, choice: StandardisationParameters) -> dict[str, NDArray]:
    """What can be seen from afar of what the network sees."""
    seen = (Image.fromarray(standardise(images.pixels(path), choice).pixels) for path in distinct["path"])
    looks = [look_from_afar(picture.convert("L")) for picture in seen]
    return {name: np.stack([look[name] for look in looks]) for name in looks[0]}


def _score(files: pd.DataFrame, distinct: pd.DataFrame, embedding: NDArray, looks: dict[str, NDArray]) -> dict:
    features = {"pixel_sha256": distinct["pixel_sha256"].to_numpy(dtype="U64"), "embedding": embedding}
    sample = sample_images(files, features, SEED)
    compared = compare_naive_and_grouped(sample, EVALUATION, SEED)
    assert sample.cross_validated is not None
    assert compared is not None
    scores = sample.cross_validated.scores
    return {
        "numbers": sample.numbers,
        "scores": scores,
        "optimism": compared["optimism"],
        "shortcuts": compare_with_baselines(looks, scores[:1], sample.numbers, sample.groups, EVALUATION, SEED),
    }


def _print_table(scored: list[dict[str, Any]], alike: list[int], distinct: pd.DataFrame) -> None:
    groups = distinct["group"].to_numpy()
    bootstrap = GroupBootstrap(groups, REPETITIONS, COMPARED, SEED)
    weights = bootstrap.weights
    untouched = scored[0]
    columns = ["brightness / crop", "accuracy", "AUC", "accuracy less none / none", "AUC less none / none"]
    columns += ["naive less grouped accuracy", "histogram's AUC", "best baseline", "model adds to it", "groups"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for choice, result, own_groups in zip(CHOICES, scored, alike, strict=True):
        numbers, scores, shortcuts = result["numbers"], result["scores"], result["shortcuts"]
        measured = measure_scores(numbers, scores, groups, EVALUATION.confidence)
        gained = []
        for statistic in (accuracies, areas):
            before, after = (statistic(numbers, each, weights) for each in (untouched["scores"], scores))
            gained.append(bootstrap.difference(after, before, len(numbers)))
        baselines = {baseline["name"]: baseline for baseline in shortcuts["baselines"]}
        best, histogram = baselines[shortcuts["best"]], baselines["brightness"]
        figures = [measured["accuracy"], measured["roc_auc"], *gained, result["optimism"]["accuracy"]]
        cells = [in_words(figure, 3) for figure in (*figures, histogram["roc_auc"])]
        cells += [f"{best['name']} {in_words(best['roc_auc'], 3)}", in_words(best["model_adds"], 3), str(own_groups)]
        print(f"| {choice.brightness} / {choice.crop} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
