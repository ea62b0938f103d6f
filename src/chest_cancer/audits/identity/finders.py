"""What finds a patient again: groups of near-duplicates, the border of an image, its embedding."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from chest_cancer.imaging.afar import look_from_afar
from chest_cancer.network.embedding import directions, means_of
from chest_cancer.network.features import embeddings_of
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import share
from chest_cancer.storage.arrays import Arrays

Numbers = NDArray[np.int64]


def count_pairs(patients: Numbers, groups: Numbers) -> dict[str, Any]:
    """Count how well groups find the images of a patient.

    Args:
        patients: Patient of each image, [n].
        groups: Group of near-duplicates of each image, [n].

    Returns:
        `same_patient`, `same_group` and `both`: numbers of pairs of images; `recall`, the share of the pairs of one
        patient that are in one group, and `precision`, the share of the pairs of one group that are of one patient:
        0..1, None without a pair.
    """
    same_patient, same_group = _pairs(patients), _pairs(groups)
    both = _pairs(np.unique(np.stack([patients, groups]), axis=1, return_inverse=True)[1].ravel())
    return {
        "same_patient": same_patient,
        "same_group": same_group,
        "both": both,
        "recall": both / same_patient if same_patient else None,
        "precision": both / same_group if same_group else None,
    }


def _pairs(numbers: Numbers) -> int:
    sizes = np.unique(numbers, return_counts=True)[1]
    return int((sizes * (sizes - 1) // 2).sum())


def look_up_patients(
    images: ImageFolder, rows: pd.DataFrame, features: Arrays, patients: Numbers, confidence: float
) -> dict[str, Any] | None:
    """Look up, for each image, the one that is most like it: is it of the same patient?

    Args:
        images: The source's files.
        rows: A row per distinct image: `path` and `pixel_sha256`, n rows.
        features: `pixel_sha256` [m] and `embedding` [m, 1024].
        patients: Patient of each image, [n].
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        `border` and `embedding`: the share of images of which it is so, over images of patients that have several;
        `chance`, that share for an image drawn at random. None where no patient has several.
    """
    sizes = np.bincount(patients)[patients]
    several = sizes > 1
    if not several.any():
        return None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = pool.map(lambda path: look_from_afar(images.pixels(path))["border"], rows["path"])
        borders = np.stack(list(tqdm(looks, total=len(rows), desc="Looking at borders", unit="image", mininterval=0.5)))
    seen = {"border": borders - borders.mean(axis=0), "embedding": means_of(embeddings_of(rows, features))}
    found = {
        name: share((patients[_nearest(what)] == patients)[several], patients[several], confidence)
        for name, what in seen.items()
    }
    return {**found, "chance": float(((sizes - 1) / (len(rows) - 1))[several].mean())}


def _nearest(seen: NDArray[np.float32]) -> NDArray[np.int64]:
    """Position of the other image with the largest cosine, [n]."""
    unit = directions(seen)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    return np.asarray(likeness.argmax(axis=1))
