"""The audit of regions: what a head can tell from parts of an image, with the rest blacked out."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto
from PIL import Image

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.regions.blackening import BLACKENING_VERSION, REGIONS, Pixels, blacken
from chest_cancer.audits.regions.measuring import compare_regions
from chest_cancer.audits.regions.plot import plot_regions
from chest_cancer.audits.regions.words import describe_regions
from chest_cancer.imaging.chest import Chest, find_chest
from chest_cancer.imaging.pictures import picture_url
from chest_cancer.jobs.long_work import follow
from chest_cancer.network.extraction import extract_stored
from chest_cancer.network.features import class_names
from chest_cancer.parameters.blocks import (
    FeatureExtractionParameters,
    ModelEvaluationParameters,
    StandardisationParameters,
)
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.cross_validation import FEWEST_GROUPS, fewest_groups
from chest_cancer.statistics.intervals import share
from chest_cancer.statistics.sampling import sample_groups
from chest_cancer.storage.feature_store import FeatureStore, RowKey


def audit_regions(
    raw_images: ImageFolder,
    split_table: pd.DataFrame,
    frozen_base: ModelProto,
    feature_store: FeatureStore,
    feature_extraction: FeatureExtractionParameters,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Score the linear head on whole images, and on the same images with parts of them blacked out.

    Maguolo and Nanni, 2021, A critic evaluation of methods for COVID-19 automatic detection from X-ray images
    (Information Fusion), black the lungs out, and find that the classes are told apart all the same.

    Args:
        raw_images: The source's files.
        split_table: A row per image file: `path`, `label`, `pixel_sha256` and `group`.
        frozen_base: Graph from 8-bit RGB to `embedding`.
        feature_store: Features of earlier runs; those of the blacked out images are added, under keys of their own.
        feature_extraction: The block `feature_extraction`.
        parameters: The block `model_evaluation`.
        seed: Random seed for folds and draws.

    Returns:
        `regions`, one for each with what `compare_regions` returns, empty where a class has a single group with lungs;
        `sentence`, the same in plain words; `pictures` of one slice, blacked out; `without_lungs`, the share of each
        class's images in which no lungs were found, and which are left out; `images_left_out` of data that are too
        large; and a plot.
    """
    rows, left_out = sample_groups(split_table.drop_duplicates("pixel_sha256"), seed)
    chests = _find_chests(raw_images, rows)
    lungs = np.array([chest.lungs.mean() for chest in chests])
    labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
    names, seen = class_names(rows), lungs > 0
    used, numbers = rows[seen], rows[seen]["label"].map(names.index).to_numpy(dtype=np.int64)
    regions: list[dict[str, Any]] = []
    pictures: list[dict[str, str]] = []
    if set(used["label"]) == set(names) and fewest_groups(numbers, groups[seen]) >= FEWEST_GROUPS:
        with_lungs = [chest for chest, shown in zip(chests, seen, strict=True) if shown]
        embeddings = _extract(raw_images, used, with_lungs, frozen_base, feature_store, feature_extraction)
        regions = compare_regions(embeddings, numbers, groups[seen], parameters, seed)
        usual = int(np.argsort(lungs[seen])[len(used) // 2])
        pictures = _show(raw_images, used["path"].iloc[usual], with_lungs[usual], feature_extraction.standardisation)
    facts = {
        "regions": regions,
        "sentence": describe_regions(regions),
        "pictures": pictures,
        "without_lungs": {
            name: share(~seen[labels == name], groups[labels == name], parameters.confidence) for name in names
        },
        "images_left_out": left_out,
    }
    plots = {"regions": plot_regions(regions, parameters.confidence)}
    return Finding(facts | listed(find_limitations(facts)), plots)


def _find_chests(images: ImageFolder, rows: pd.DataFrame) -> list[Chest]:
    """Find body and lungs in each image."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda path: find_chest(images.decoded(path)), rows["path"])
        return list(follow(found, "Looking for lungs", len(rows)))


def _extract(
    images: ImageFolder,
    rows: pd.DataFrame,
    chests: list[Chest],
    frozen_base: ModelProto,
    feature_store: FeatureStore,
    parameters: FeatureExtractionParameters,
) -> dict[str, NDArray[np.float32]]:
    """Embed each image whole and blacked out, [n, 1024] for each region."""
    paths, keys = rows["path"].to_list(), rows["pixel_sha256"].to_list()
    views = {region: _view_name(region) for region in REGIONS}

    def load(positions: Sequence[int]) -> list[Pixels]:
        place = positions[0] // len(REGIONS)
        left = [*_blacked_out(images, paths[place], chests[place], parameters.standardisation, keys[place]).values()]
        return [left[position % len(REGIONS)] for position in positions]

    outputs = extract_stored(
        [RowKey(key, views[region]) for key in keys for region in REGIONS],
        load,
        frozen_base,
        feature_store,
        parameters,
        "regions of images",
    )
    embeddings = np.asarray(outputs["embedding"]).reshape(len(rows), len(REGIONS), -1)
    return {region: embeddings[:, place] for place, region in enumerate(REGIONS)}


def _view_name(region: str) -> str:
    """Name what is left of an image; the whole one is stored as it is already."""
    return "" if region == "whole" else hashlib.sha256(f"region {BLACKENING_VERSION}: {region}".encode()).hexdigest()


def _blacked_out(
    images: ImageFolder,
    path: str,
    chest: Chest,
    standardisation: StandardisationParameters,
    pixel_sha256: str | None = None,
) -> dict[str, Pixels]:
    """What the network sees, by region, each uint8 [224, 224, 3]."""
    return blacken(images.standardised(path, standardisation, pixel_sha256), chest)


def _show(
    images: ImageFolder, path: str, chest: Chest, standardisation: StandardisationParameters
) -> list[dict[str, str]]:
    shown = _blacked_out(images, path, chest, standardisation)
    return [
        {"title": title, "picture": picture_url(Image.fromarray(shown[region]), lossless=False)}
        for region, title in REGIONS.items()
    ]


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    areas = {region["name"]: region["roc_auc"] for region in facts["regions"]}
    if not areas or areas["without lungs"]["low"] <= 0.5:
        return []
    return [Limitation("Where the information is", facts["sentence"])]
