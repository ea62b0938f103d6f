"""What audits of the data share, computed once: a sample of the images, folds, what a head says out of fold, looks."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.afar import Looks, look_from_afar
from chest_cancer.imaging.body import measure_black
from chest_cancer.jobs.long_work import follow
from chest_cancer.network.features import class_names, embeddings_of
from chest_cancer.parameters.values import Window
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.cross_validation import (
    FEWEST_GROUPS,
    Folds,
    Numbers,
    Scores,
    draw_folds,
    fewest_groups,
    repeats_for,
)
from chest_cancer.statistics.linear_heads import LinearHeads
from chest_cancer.statistics.sampling import sample_groups
from chest_cancer.storage.arrays import Arrays


@dataclass(frozen=True)
class CrossValidated:
    """What the linear head says of images that it did not learn from.

    Attributes:
        draws: Draws of folds that keep groups whole.
        scores: Probabilities, [draws, n, K].
    """

    draws: list[Folds]
    scores: Scores


@dataclass(frozen=True)
class Sample:
    """Images that audits rest on: all of them where they fit.

    Attributes:
        classes: Class names; a class's number is its place among them.
        files: Rows of `split_table`, one for each file.
        images: The first row of each distinct image, n rows.
        image_of_file: Position in `images` of each file's image, [files].
        numbers: Class number of each image, [n].
        groups: Group of each image, [n].
        embeddings: [n, 1024].
        head: The linear head on these embeddings.
        left_out: Distinct images of data that are too large.
        cross_validated: None where a class has a single group.
    """

    classes: list[str]
    files: pd.DataFrame
    images: pd.DataFrame
    image_of_file: Numbers
    numbers: Numbers
    groups: Numbers
    embeddings: NDArray[np.float32]
    head: LinearHeads
    left_out: int
    cross_validated: CrossValidated | None


def sample_images(split_table: pd.DataFrame, features: Arrays, seed: int) -> Sample:
    """Sample images, and predict each by linear heads that did not learn from its group.

    Args:
        split_table: A row per image file: `label`, `pixel_sha256` and `group`.
        features: `pixel_sha256` [m] and `embedding` [m, 1024] of each distinct image.
        seed: Random seed for sample and folds.

    Returns:
        The sample.
    """
    files, _ = sample_groups(split_table, seed)
    images, classes = files.drop_duplicates("pixel_sha256"), class_names(split_table)
    numbers, groups = images["label"].map(classes.index).to_numpy(dtype=np.int64), images["group"].to_numpy()
    embeddings, cross_validated = embeddings_of(images, features), None
    head = LinearHeads(embeddings, numbers)
    if fewest_groups(numbers, groups) >= FEWEST_GROUPS:
        draws = draw_folds(numbers, groups, seed, repeats_for(len(numbers)))
        cross_validated = CrossValidated(draws, head.predict_out_of_fold(draws))
    return Sample(
        classes=classes,
        files=files,
        images=images,
        image_of_file=pd.factorize(files["pixel_sha256"])[0].astype(np.int64),
        numbers=numbers,
        groups=groups,
        embeddings=embeddings,
        head=head,
        left_out=split_table["pixel_sha256"].nunique() - len(images),
        cross_validated=cross_validated,
    )


def look_at(raw_images: ImageFolder, sample: Sample, window: Window) -> Looks:
    """Open each sampled image once, and describe what audits want to know of its pixels.

    Args:
        raw_images: The source's files.
        sample: The sample of n images.
        window: Through which the network sees Hounsfield units: what it can't see is no shortcut for it.

    Returns:
        Each look of `look_from_afar`, [n, ...], and `black`, what `measure_black` says, [n].
    """
    paths = sample.images["path"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = list(follow(pool.map(partial(_look, raw_images, window), paths), "Looking from afar", len(paths)))
    return {name: np.stack([look[name] for look in looks]) for name in looks[0]}


def _look(raw_images: ImageFolder, window: Window, path: str) -> Looks:
    grey = Image.fromarray(raw_images.pixels(path, window=window)).convert("L")
    return {**look_from_afar(grey), "black": np.asarray(measure_black(grey), np.float32)}
