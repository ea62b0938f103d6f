"""What is odd about images beside their labels: far from the others, drawn upon, of another size or kind of file."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.imaging.marks import COLOURED, WHOLLY_COLOURED
from chest_cancer.statistics.cross_validation import Folds
from chest_cancer.statistics.outlying import distances_from, fit_space

FAR = 3.5
"""Robust standard deviations from the median (Iglewicz and Hoaglin, 1993, How to detect and handle outliers)."""
_SMALLEST_SPREAD = 0.03
"""Of logarithms: 3 %. Where most images are of one size, one that differs by a tenth is not yet odd."""
_RARE = 0.05
"""Share of the images: what more of them have in common is another kind of image, and not odd."""

Mask = NDArray[np.bool_]


def measure_distances(embeddings: NDArray[np.float32], folds: Folds) -> NDArray[np.float64]:
    """Measure how far each image lies from those of other folds, by the distance that the classifier refuses by.

    Args:
        embeddings: [n, 1024].
        folds: Folds that keep groups whole.

    Returns:
        Distances, [n], above 0.
    """
    distances = np.empty(len(embeddings))
    for train, test in folds:
        distances[test] = distances_from(fit_space(embeddings[train]), embeddings[test])
    return distances


def deviate(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Express positive values in robust standard deviations of their logarithms from the median's, [n]."""
    logarithms = np.log(np.maximum(values, np.finfo(float).tiny))
    centred = logarithms - np.median(logarithms)
    return np.asarray(centred / max(1.4826 * float(np.median(np.abs(centred))), _SMALLEST_SPREAD))


def describe_files(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Say what is odd about files.

    Args:
        rows: `width`, `height`, `mode`, `coloured` and `letters`, n rows.

    Returns:
        By kind, `marks`, `size` and `file`, a reason for each image, [n]; empty where there is none.
    """
    coloured, letters = rows["coloured"].to_numpy(), rows["letters"].to_numpy()
    sides = [rows[side].to_numpy(dtype=np.float64) for side in ("width", "height")]
    odd_size = np.any([np.abs(deviate(values)) > FAR for values in (sides[0] * sides[1], sides[0] / sides[1])], axis=0)
    odd_mode = (rows["mode"].map(rows["mode"].value_counts(normalize=True)) < _RARE).to_numpy()
    wholly = coloured >= WHOLLY_COLOURED
    return {
        "marks": _join(
            _say((coloured >= COLOURED) & ~wholly, ["coloured marks"] * len(rows)),
            _say(letters > 0, ["letters burnt in"] * len(rows)),
        ),
        "size": _say(
            _rare(odd_size), [f"{w:.0f} x {h:.0f} pixels, unlike the others" for w, h in zip(*sides, strict=True)]
        ),
        "file": _join(
            _say(_rare(wholly), ["in colour, and the others are not"] * len(rows)),
            _say(odd_mode, [f"stored as {mode}, unlike the others" for mode in rows["mode"]]),
        ),
    }


def _rare(found: Mask) -> Mask:
    return found if found.mean() < _RARE else np.zeros_like(found)


def _say(found: Mask, words: list[str]) -> list[str]:
    return [said if is_found else "" for is_found, said in zip(found, words, strict=True)]


def _join(*reasons: list[str]) -> list[str]:
    return ["; ".join(filter(None, each)) for each in zip(*reasons, strict=True)]
