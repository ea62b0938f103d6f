"""What a head is trained and tested on: stored features of a split's images, with their classes and groups."""

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.storage.arrays import Arrays

LEARNT = ("train", "validation")
"""The splits that a model has learnt from: it is stopped and calibrated on validation images."""


class LabelledFeatures(NamedTuple):
    """Features of images, in the order in which they are stored.

    Attributes:
        inputs: Outputs of the base, float32: maps at the cut [n, h, w, C], or pooled features [n, 1024] without a cut.
        numbers: Class numbers, [n], in the alphabetical order of the names.
        groups: Group of each image, [n].
        embeddings: Pooled features of the frozen network, float32 [n, 1024].
    """

    inputs: NDArray[np.float32]
    numbers: NDArray[np.int64]
    groups: NDArray[np.int64]
    embeddings: NDArray[np.float32]


def label_features(arrays: Arrays, split_table: pd.DataFrame, *splits: str) -> LabelledFeatures:
    """Take the images of some splits out of stored features.

    Args:
        arrays: Features of images, or of views of them: `pixel_sha256`, `embedding` and, with a cut, `features`.
        split_table: A row per image, with `label`, `pixel_sha256`, `group` and `split`.
        splits: Which splits: `train`, `validation` or `test`.

    Returns:
        Their features, class numbers and groups; other images of `arrays` are left out.
    """
    images, chosen = _images_of(arrays, split_table, splits)
    embeddings = arrays["embedding"][chosen]
    return LabelledFeatures(
        arrays["features"][chosen] if "features" in arrays else embeddings,
        images["label"].map(class_names(split_table).index).to_numpy(dtype=np.int64),
        images["group"].to_numpy(dtype=np.int64),
        embeddings,
    )


def label_patients(arrays: Arrays, split_table: pd.DataFrame, *splits: str) -> NDArray[np.str_] | None:
    """Name the patients of the images that `label_features` takes, in the same order.

    Args:
        arrays: As there.
        split_table: As there; it may have a column `patient`, missing where the patient is unknown.
        splits: As there.

    Returns:
        Patient of each image, [n]; None where that of any is unknown.
    """
    return known_patients(_images_of(arrays, split_table, splits)[0])


def known_patients(table: pd.DataFrame) -> NDArray[np.str_] | None:
    """Read the patients of a table's rows.

    Args:
        table: A row per image; a column `patient`, where there is one, is missing where the patient is unknown.

    Returns:
        Patient of each row, [n]; None where that of any is unknown.
    """
    if "patient" not in table or table["patient"].isna().any():
        return None
    return table["patient"].to_numpy(dtype=np.str_)


def _images_of(
    arrays: Arrays, split_table: pd.DataFrame, splits: tuple[str, ...]
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Rows of the images of some splits, in the order of stored features, and which of these are theirs."""
    images = split_table[split_table["split"].isin(splits)].set_index("pixel_sha256")
    chosen = np.isin(arrays["pixel_sha256"], images.index.to_numpy(dtype="U64"))
    return images.loc[arrays["pixel_sha256"][chosen]], chosen


def class_names(split_table: pd.DataFrame) -> list[str]:
    """Names of the classes, in alphabetical order: a class's number is its place among them."""
    return sorted(split_table["label"].unique())


def learnt_images(split_table: pd.DataFrame) -> frozenset[str]:
    """Take `pixel_sha256` of the images that a model has learnt from, those of its validation included."""
    return frozenset(split_table.loc[split_table["split"].isin(LEARNT), "pixel_sha256"])


def split_digest(split_table: pd.DataFrame) -> str:
    """SHA-256 over which image is in which group and split.

    Args:
        split_table: A row per image, with `label`, `pixel_sha256`, `group` and `split`.
    """
    rows = split_table[["pixel_sha256", "label", "group", "split"]].astype(str).itertuples(index=False, name=None)
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()


def positions_of(files: pd.DataFrame, features: Arrays) -> NDArray[np.int64]:
    """Look up where the features of each file's image are.

    Args:
        files: n rows with `pixel_sha256`.
        features: `pixel_sha256` [m].

    Returns:
        Rows of `features`, [n]; -1 where it has none.
    """
    stored, wanted = (pd.Index(keys.astype(str)) for keys in (features["pixel_sha256"], files["pixel_sha256"]))
    return np.asarray(stored.get_indexer(wanted), dtype=np.int64)


def embeddings_of(files: pd.DataFrame, features: Arrays) -> NDArray[np.float32]:
    """Look up the embedding of each file.

    Args:
        files: n rows with `pixel_sha256`.
        features: `pixel_sha256` [m] and `embedding` [m, 1024].

    Returns:
        [n, 1024]: spatial means, then maxima.
    """
    return np.asarray(features["embedding"][positions_of(files, features)])
