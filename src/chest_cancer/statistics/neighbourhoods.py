"""Which rows of a large table of vectors to compare, so that nearly all near pairs are found without looking at all.

An inverted file (Sivic and Zisserman, 2003, "Video Google"): k-means divides the vectors into cells, and each row is
compared with the rows of the cells that are nearest to it. Comparing is a product of matrices, cell by cell: exact, so
that nothing is joined by mistake, and as fast as libraries that compare vectors of 8 bits.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from chest_cancer.jobs.long_work import follow

_CELLS = 2
"""Times the root of the number of rows: as many comparisons with centres as with the rows of a cell, nearly."""
_NEAREST = 16
"""Cells in which each look of a row looks for others. `benchmarks/scale.py` measures what is missed."""
_ROUNDS = 5
"""Of k-means: without any, about 5 of 66,648 near pairs of 20,000 images were missed, and none with these."""
_SAMPLE = 40
"""Rows for each cell that k-means learns from."""
_ROWS = 8192
_COLUMNS = 2048
_SEED = 0

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]
Look = Callable[[slice | Indices], Vectors]


def neighbourhoods(count: int, *looks: Look) -> Iterator[tuple[Indices, Indices]]:
    """Pair rows with those that may be near them.

    Args:
        count: Number of rows, n, at least 1.
        looks: Returns the unit vectors, [k, D], of some rows. They are asked for in blocks, several times each. Further
            looks are what the rows are like otherwise, mirrored for example: a row is near others by any of its looks.

    Yields:
        Rows, at most 8,192, and those that each of them is to be compared with, at most 2,048. A row is compared with
        itself too. The same for the same vectors, whatever the number of threads.
    """
    centres = _find_centres(count, looks[0])
    cells = len(centres)
    near = np.hstack([_nearest(count, look, centres) for look in looks])
    members = _by_cell(near[:, 0], cells)
    if len(looks) > 1:  # a cell may be near to a row by several looks, and is visited once
        near = np.where(_repeats(near), cells, near)
    visitors = _by_cell(near.ravel(), cells + 1)
    for cell in follow(range(cells), "Looking for near-duplicates", unit="cells"):
        of_cell, rows = members[cell], visitors[cell] // near.shape[1]
        for start in range(0, len(of_cell), _COLUMNS):
            for first in range(0, len(rows), _ROWS):
                yield rows[first : first + _ROWS], of_cell[start : start + _COLUMNS]


def _find_centres(count: int, look: Look) -> Vectors:
    """Centres of cells, unit vectors, [cells, D], learnt from a sample."""
    cells = min(count, int(_CELLS * count**0.5))
    generator = np.random.default_rng(_SEED)
    sample = look(np.sort(generator.choice(count, min(count, _SAMPLE * cells), replace=False)))
    centres = sample[generator.choice(len(sample), cells, replace=False)]
    for _ in range(_ROUNDS):
        cell = np.concatenate([(sample[part] @ centres.T).argmax(axis=1) for part in _parts(len(sample))])
        belongs = csr_array((np.ones(len(cell), np.float32), (cell, np.arange(len(cell)))), shape=(cells, len(cell)))
        sums = belongs @ sample
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, np.finfo(np.float32).tiny), centres)
    return np.asarray(centres, dtype=np.float32)


def _nearest(count: int, look: Look, centres: Vectors) -> NDArray[np.int32]:
    """Cells that are nearest to each row, [n, 16] or fewer, the nearest first."""
    nearest = min(_NEAREST, len(centres))
    found = np.empty((count, nearest), np.int32)
    for part in _parts(count):
        alike = look(part) @ centres.T
        cells = np.argpartition(-alike, nearest - 1, axis=1)[:, :nearest]
        order = np.argsort(-np.take_along_axis(alike, cells, axis=1), axis=1, kind="stable")
        found[part] = np.take_along_axis(cells, order, axis=1)
    return found


def _repeats(rows: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each number stands further left in its row, too."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    repeated = np.zeros(rows.shape, bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return repeated


def _parts(count: int) -> list[slice]:
    return [slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS)]


def _by_cell(cell: NDArray[np.int32], cells: int) -> list[Indices]:
    """Positions of each cell's entries."""
    return np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell, minlength=cells))[:-1])
