"""Nodes of feature_extraction."""

from typing import Any

import numpy as np
import pandas as pd
from onnx import ModelProto

from chest_cancer.datasets.arrays import Arrays
from chest_cancer.datasets.image_folder import ImageFolder
from chest_cancer.imaging.augmentation import augment
from chest_cancer.imaging.standardise import standardise
from chest_cancer.near_duplicates import group_near_duplicates
from chest_cancer.parameters import AugmentationParameters, FeatureExtractionParameters, StandardisationParameters
from chest_cancer.pipelines.feature_extraction.extraction import Image, extract
from chest_cancer.pipelines.feature_extraction.splitting import check_no_group_crosses, split_by_group
from chest_cancer.runtime import Network


def extract_features(
    images: ImageFolder,
    image_index: pd.DataFrame,
    frozen_base: ModelProto,
    parameters: FeatureExtractionParameters,
) -> tuple[Arrays, dict[str, Any]]:
    """Run the frozen base once for each distinct image.

    Args:
        images: The source's files.
        image_index: A row per readable image, with `path` and `pixel_sha256`.
        frozen_base: Graph from 8-bit RGB to `embedding` and, with a cut, `features`.
        parameters: The block `feature_extraction`.

    Returns:
        Arrays `pixel_sha256` [n], `embedding` [n, 1024] and, with a cut, `features` [n, h, w, C]; and a record of how
        they were computed: `precision`, `standardisation` and `images`.
    """
    distinct = image_index.drop_duplicates("pixel_sha256")
    network = Network(frozen_base.SerializeToString(), parameters.precision)
    outputs = extract(
        network,
        distinct["path"].to_list(),
        lambda path: _load(images, path, parameters.standardisation),
        parameters.batch_size,
        f"Extracting features ({network.precision})",
    )
    keys = distinct["pixel_sha256"].to_numpy(dtype="U64")
    standardisation = parameters.standardisation.model_dump()
    record = {"precision": network.precision, "standardisation": standardisation, "images": len(distinct)}
    return {"pixel_sha256": keys, **outputs}, record


def split_images(
    image_index: pd.DataFrame, features: Arrays, parameters: FeatureExtractionParameters, seed: int
) -> pd.DataFrame:
    """Join near-duplicates into groups and give each group to one split.

    Args:
        image_index: A row per readable image.
        features: What `extract_features` returned.
        parameters: The block `feature_extraction`.
        seed: Of the draw.

    Returns:
        `image_index` with `group` and `split`: train, validation or test, each distinct image once; `copy` for its
        further copies; `leak` for images that the source put on the other side of a twin.

    Raises:
        ValueError: A class has too few groups, or a group crosses splits.
    """
    # The spatial means alone: the maxima are larger, and would outweigh them in the cosine.
    means = np.split(features["embedding"], 2, axis=1)[0]
    hashes = image_index.drop_duplicates("pixel_sha256").set_index("pixel_sha256")["perceptual_hash"]
    groups = group_near_duplicates(means, hashes.loc[features["pixel_sha256"]].to_list(), parameters.groups.similarity)
    images = image_index.assign(
        group=image_index["pixel_sha256"].map(dict(zip(features["pixel_sha256"], groups, strict=True)))
    )
    images["split"] = split_by_group(images, parameters.split, seed)
    check_no_group_crosses(images)
    return images


def extract_training_views(
    images: ImageFolder,
    split_table: pd.DataFrame,
    frozen_base: ModelProto,
    parameters: FeatureExtractionParameters,
    seed: int,
) -> Arrays:
    """Run the frozen base on augmented views of the training images, and of no others.

    Args:
        images: The source's files.
        split_table: A row per image, with `path`, `pixel_sha256` and `split`.
        frozen_base: Graph from 8-bit RGB to `embedding` and, with a cut, `features`.
        parameters: The block `feature_extraction`.
        seed: Of the views; a view depends on the seed, the image and its number alone.

    Returns:
        Arrays `pixel_sha256` [m] of the image that each view shows, and the network's outputs [m, ...]; m is 0 without
        augmentation.
    """
    augmentation = parameters.augmentation
    views = augmentation.views if augmentation.enabled else 0
    training = split_table[split_table["split"] == "train"]
    jobs = [(path, key, view) for path, key in zip(training["path"], training["pixel_sha256"], strict=True)
            for view in range(views)]  # fmt: skip
    if not jobs:
        return {"pixel_sha256": np.empty(0, dtype="U64")}
    outputs = extract(
        Network(frozen_base.SerializeToString(), parameters.precision),
        jobs,
        lambda job: _view(
            _load(images, job[0], parameters.standardisation), augmentation, [seed, int(job[1][:16], 16), job[2]]
        ),
        parameters.batch_size,
        "Extracting augmented views",
    )
    return {"pixel_sha256": np.array([key for _, key, _ in jobs], dtype="U64"), **outputs}


def _load(images: ImageFolder, path: str, standardisation: StandardisationParameters) -> Image:
    return standardise(images.pixels(path), standardisation)


def _view(pixels: Image, augmentation: AugmentationParameters, entropy: list[int]) -> Image:
    return augment(pixels, augmentation, np.random.default_rng(entropy))
