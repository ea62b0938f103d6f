"""What finds a patient again: groups of near-duplicates, the border of an image, its embedding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.cluster import pair_confusion_matrix

from chest_cancer.network.embedding import directions, means_of
from chest_cancer.statistics.intervals import share

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
    # scikit-learn counts each pair twice.
    (_, group_alone), (patient_alone, both) = (pair_confusion_matrix(patients, groups) // 2).tolist()
    same_patient, same_group = patient_alone + both, group_alone + both
    return {
        "same_patient": same_patient,
        "same_group": same_group,
        "both": both,
        "recall": both / same_patient if same_patient else None,
        "precision": both / same_group if same_group else None,
    }


def look_up_patients(
    borders: NDArray[np.float32], embeddings: NDArray[np.float32], patients: Numbers, confidence: float
) -> dict[str, Any] | None:
    """Look up, for each image, the one that is most like it: is it of the same patient?

    Args:
        borders: Border of each image, [n, pixels].
        embeddings: [n, 1024].
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
    seen = {"border": borders - borders.mean(axis=0), "embedding": means_of(embeddings)}
    found = {
        name: share((patients[_nearest(what)] == patients)[several], patients[several], confidence)
        for name, what in seen.items()
    }
    return {**found, "chance": float(((sizes - 1) / (len(patients) - 1))[several].mean())}


def _nearest(seen: NDArray[np.float32]) -> NDArray[np.int64]:
    """Position of the other image with the largest cosine, [n]."""
    unit = directions(seen)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    return np.asarray(likeness.argmax(axis=1))
