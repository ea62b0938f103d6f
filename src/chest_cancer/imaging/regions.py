"""Connected regions of small masks, by NumPy alone: serving has no SciPy."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def largest_region(mask: Mask) -> Mask:
    """Return the largest set of true cells that touch by their sides, all false where none is true."""
    labels = label_regions(mask)
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    return np.asarray(mask & (labels == counts.argmax()))


def label_regions(mask: Mask) -> NDArray[np.intp]:
    """Give the true cells `[H, W]` that touch by their sides one number above 0, and all others 0.

    Runs of cells in rows are joined with those that they touch in the next row, until nothing changes.
    """
    height, width = mask.shape
    cells = np.zeros((height, width + 1), bool)  # A false column, so that no run goes on in the next row.
    cells[:, :width] = mask
    starts = np.diff(cells.ravel(), prepend=False) & cells.ravel()
    runs = np.where(cells, np.cumsum(starts).reshape(cells.shape), 0)
    touching = cells[:-1] & cells[1:]
    touching[:, 1:] &= ~touching[:, :-1]  # Once is enough.
    above, below = runs[:-1][touching], runs[1:][touching]
    label = np.arange(np.count_nonzero(starts) + 1)
    while (label[above] != label[below]).any():
        np.maximum.at(label, label[above], label[below])
        np.maximum.at(label, label[below], label[above])
        while (label != label[label]).any():
            label = label[label]
    return label[runs[:, :width]]
