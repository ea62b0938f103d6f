"""Samples of images: for the audits, so that they end in time, and to be looked at."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_MOST_IMAGES = 3000
_MOST_OF_A_GROUP = 300
"""Images of a group in a sample: a chain of near-duplicates may hold most of the data, and would leave no room."""
_GROUPS_OF_A_CLASS = 5
"""Taken first: as many as there are folds."""


def sample_groups(files: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, int]:
    """Take groups at random, up to 3,000 images: audits refit a model dozens of times.

    Args:
        files: A row per image, with `group` and `label`.
        seed: Random seed for the draw.

    Returns:
        The rows that were taken, all of them where they fit, and how many were left out. A group is taken whole, one of
        more than 300 images by 300 of them, at random. Of each class there are five groups or all that it has, as far
        as they fit: without them nothing could be measured of a rare class, nor of the others beside it.
    """
    if len(files) <= _MOST_IMAGES:
        return files, 0
    generator = np.random.default_rng(seed)
    sizes = files.groupby("group").size().clip(upper=_MOST_OF_A_GROUP)
    order = _each_class_first(files, generator.permutation(sizes.index.to_numpy()))
    chosen = order[np.cumsum(sizes[order].to_numpy()) <= _MOST_IMAGES]
    of_chosen = files[files["group"].isin(chosen)]
    turns = pd.Series(generator.permutation(len(of_chosen)), index=of_chosen.index)
    taken = of_chosen[turns.groupby(of_chosen["group"]).rank() <= _MOST_OF_A_GROUP]
    return taken, len(files) - len(taken)


def _each_class_first(files: pd.DataFrame, order: NDArray[Any]) -> NDArray[Any]:
    """Put the first groups of each class before the others, from the classes in turn."""
    places = pd.Series(np.arange(len(order)), index=order)
    of_class = files[["group", "label"]].drop_duplicates()
    turns = of_class["group"].map(places).groupby(of_class["label"]).rank()
    earliest = turns.groupby(of_class["group"]).min()[order].clip(upper=_GROUPS_OF_A_CLASS + 1)
    return order[np.argsort(earliest.to_numpy(), kind="stable")]


def draw_images(test_predictions: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Draw test images, from the classes in turn, for audits that send each through the network several times.

    Args:
        test_predictions: A row per test image, with `path` and `label`.
        count: Largest number of images that are drawn.
        seed: Random seed for the draw.

    Returns:
        The rows of the images, sorted by path.
    """
    shuffled = test_predictions.sample(frac=1, random_state=seed)
    turns = shuffled.groupby("label").cumcount().sort_values(kind="stable")
    return shuffled.loc[turns.index[:count]].sort_values("path")


def draw_from_each_class(images: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Draw a few images of each class, each of another group.

    Args:
        images: A row per image, with `label` and `group`.
        count: Largest number of images of a class.
        seed: Random seed for the draw.

    Returns:
        The rows of the images, by class.
    """
    shuffled = images.sample(frac=1, random_state=seed).drop_duplicates(["label", "group"])
    return shuffled.groupby("label").head(count).sort_values("label", kind="stable")
