"""Nodes of feature_extraction."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from onnx import ModelProto

from chest_cancer.imaging.augmentation import AUGMENTATION_VERSION, augment
from chest_cancer.network.devices import choose_backend
from chest_cancer.network.embedding import means_of
from chest_cancer.network.extraction import Image, extract_stored
from chest_cancer.network.features import positions_of
from chest_cancer.parameters.blocks import (
    AugmentationParameters,
    FeatureExtractionParameters,
    StandardisationParameters,
)
from chest_cancer.pipelines.feature_extraction.splitting import check_no_group_crosses, split_by_group
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.near_duplicates import group_near_duplicates, join_identities
from chest_cancer.storage.arrays import Arrays, Rows
from chest_cancer.storage.feature_store import FeatureStore, RowKey


def extract_features(
    images: ImageFolder,
    image_index: pd.DataFrame,
    frozen_base: ModelProto,
    feature_store: FeatureStore,
    parameters: FeatureExtractionParameters,
) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Run the frozen base once for each distinct image, unless an earlier run has stored its features.

    Args:
        images: The source's files.
        image_index: A row per readable image, with `path` and `pixel_sha256`.
        frozen_base: Graph from 8-bit RGB to `embedding` and, with a cut, `features`.
        feature_store: Features of earlier runs; those of this run are added.
        parameters: The block `feature_extraction`.

    Returns:
        Arrays `pixel_sha256` [n], `embedding` [n, 1024] and, with a cut, `features` [n, h, w, C]; and a record of how
        they were computed: `precision`, `standardisation` and `images`.

    Raises:
        ValueError: An image is not the one that was indexed. Of its batch nothing is stored.
    """
    distinct = image_index.drop_duplicates("pixel_sha256")
    paths, keys = distinct["path"].to_list(), distinct["pixel_sha256"].to_list()
    outputs = extract_stored(
        [RowKey(key) for key in keys],
        lambda positions: [_load(images, paths[place], keys[place], parameters.standardisation) for place in positions],
        frozen_base,
        feature_store,
        parameters,
        "images",
    )
    record = {
        "precision": choose_backend(parameters.precision, parameters).precision,
        "standardisation": parameters.standardisation.model_dump(),
        "images": len(distinct),
    }
    return {"pixel_sha256": np.array(keys, dtype="U64"), **outputs}, record


def split_images(
    image_index: pd.DataFrame, features: Arrays, parameters: FeatureExtractionParameters, seed: int
) -> pd.DataFrame:
    """Join near-duplicates, and images of a patient or a study, into groups, and give each group to one split.

    Args:
        image_index: A row per readable image.
        features: What `extract_features` returned.
        parameters: The block `feature_extraction`.
        seed: Random seed for the split.

    Returns:
        `image_index` with `near_duplicates`, the group by likeness alone, `group`, that joined with patients and
        studies, and `split`: train, validation or test for each distinct image, once; `copy` for further copies of it;
        `leak` for images that the source put on the other side of a twin.

    Raises:
        ValueError: A class has too few groups, or a group crosses splits.
    """
    # The spatial means alone: the maxima are larger, and would outweigh them in the cosine.
    means = means_of(features["embedding"])
    position = positions_of(image_index, features)
    _, first = np.unique(position, return_index=True)
    groups = group_near_duplicates(means, image_index["perceptual_hash"].iloc[first], parameters.groups.similarity)
    images = image_index.assign(near_duplicates=groups[position])
    images["group"] = join_identities(images["near_duplicates"].to_numpy(), images)
    images["split"] = split_by_group(images, parameters.split, seed)
    check_no_group_crosses(images)
    return images


def extract_training_views(
    images: ImageFolder,
    split_table: pd.DataFrame,
    frozen_base: ModelProto,
    feature_store: FeatureStore,
    parameters: FeatureExtractionParameters,
    seed: int,
) -> dict[str, Rows]:
    """Run the frozen base on augmented views of the training images, and of no others.

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `pixel_sha256` and `split`.
        frozen_base: Graph from 8-bit RGB to `embedding` and, with a cut, `features`.
        feature_store: Features of earlier runs; those of this run are added.
        parameters: The block `feature_extraction`.
        seed: Random seed for the views; a view depends on the seed, the image and its number alone.

    Returns:
        Arrays `pixel_sha256` [m] of the image that each view shows, and the network's outputs [m, ...]; m is 0 without
        augmentation.

    Raises:
        ValueError: An image is not the one that was indexed. Of its batch nothing is stored.
    """
    augmentation = parameters.augmentation
    views = augmentation.views if augmentation.enabled else 0
    training = split_table[split_table["split"] == "train"]
    jobs = [(path, key, view) for path, key in zip(training["path"], training["pixel_sha256"], strict=True)
            for view in range(views)]  # fmt: skip
    if not jobs:
        return {"pixel_sha256": np.empty(0, dtype="U64")}

    def load(positions: Sequence[int]) -> list[Image]:
        path, key, _ = jobs[positions[0]]
        pixels = _load(images, path, key, parameters.standardisation)
        numbers = [jobs[position][2] for position in positions]
        generators = [np.random.default_rng([seed, int(key[:16], 16), number]) for number in numbers]
        return [augment(pixels, augmentation, generator) for generator in generators]

    names = [_view_name(augmentation, seed, view) for view in range(views)]
    keys = [RowKey(key, names[view]) for _, key, view in jobs]
    outputs = extract_stored(keys, load, frozen_base, feature_store, parameters, "augmented views")
    return {"pixel_sha256": np.array([key for _, key, _ in jobs], dtype="U64"), **outputs}


def _load(images: ImageFolder, path: str, pixel_sha256: str, standardisation: StandardisationParameters) -> Image:
    return images.standardised(path, standardisation, pixel_sha256).pixels


def _view_name(augmentation: AugmentationParameters, seed: int, number: int) -> str:
    """Digest of everything that decides what a view shows."""
    amounts = augmentation.model_dump(mode="json", exclude={"enabled", "views"})
    identity = {"version": AUGMENTATION_VERSION, "amounts": amounts, "seed": seed, "number": number}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
