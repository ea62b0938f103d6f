"""What the audits compute on."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.storage.arrays import Arrays

_MOST_IMAGES = 3000


def sample_groups(files: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, int]:
    """Take whole groups at random while they fit into 3,000 images: audits refit a model dozens of times.

    Args:
        files: A row per image, with `group`.
        seed: Of the draw.

    Returns:
        The rows taken, all of them where they fit, and how many were left out.
    """
    if len(files) <= _MOST_IMAGES:
        return files, 0
    sizes = files.groupby("group").size()
    order = np.random.default_rng(seed).permutation(sizes.index.to_numpy())
    chosen = order[np.cumsum(sizes[order].to_numpy()) <= _MOST_IMAGES]
    taken = files[files["group"].isin(chosen)]
    return taken, len(files) - len(taken)


def embeddings_of(files: pd.DataFrame, features: Arrays) -> NDArray[np.float32]:
    """Look up the embedding of each file.

    Args:
        files: n rows with `pixel_sha256`.
        features: `pixel_sha256` [m] and `embedding` [m, 1024].

    Returns:
        [n, 1024]: spatial means, then maxima.
    """
    position = pd.Index(features["pixel_sha256"].astype(str)).get_indexer(pd.Index(files["pixel_sha256"].astype(str)))
    return np.asarray(features["embedding"][position])


def draw_images(test_predictions: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Draw test images, a class in turn, for what sends each through the network several times.

    Args:
        test_predictions: A row per test image, with `path` and `label`.
        count: So many are drawn, where there are more.
        seed: Of the draw.

    Returns:
        Their rows, by path.
    """
    shuffled = test_predictions.sample(frac=1, random_state=seed)
    turns = shuffled.groupby("label").cumcount().sort_values(kind="stable")
    return shuffled.loc[turns.index[:count]].sort_values("path")
