"""Files that show the same picture: mirrored, turned a little, cropped, framed, resized, re-encoded or drawn upon.

The few pictures that a picture most resembles on a coarse grid are laid over it, and what they show in detail is
compared where both show something.
"""

import itertools
import math
import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.alignment import Maps, Pictures, align, blur, halve, sample
from chest_cancer.imaging.perceptual_hash import pictures_of

SAME_PICTURE = 0.86
"""Correlation of detail. Chosen on 60 CT slices, which `benchmarks/duplicates.py` does not measure with: 0.87 to 1 with
one of its changes, 1,769 of 1,770 pairs of distinct slices below; 100 phantoms of distinct patients at most 0.68."""
_NEAREST = 4
_ALIKE = 0.75
"""Correlation of 8 x 8 cells below which no picture is laid over another."""
_CUT = np.float32(0.92) * np.eye(2, 3, dtype=np.float32)
"""Looks at a picture without 4 % at each edge."""
_CLIP = 2
"""Deviations of detail beyond which a level counts no more: drawn lines, and corners that a turn left empty."""
_STRAIGHT = 0.25
_SHIFT = 5
"""Cells. A map that stretches, turns or shifts by more is none that a copy needs."""
_ROWS = 1024
_COLUMNS = 8192
_CELLS = 8
"""On each side of the coarse grid."""
_PAIRS = 128

Grey = NDArray[np.uint8]
Indices = NDArray[np.int64]
Blocks = Iterable[tuple[Indices, Indices]]


class Pairs(NamedTuple):
    """Pairs of pictures that were laid over each other.

    Attributes:
        left: Row of the one, [k].
        right: Row of the other, [k].
        mirrored: Whether it was mirrored for that, [k].
        likeness: Correlation of their detail, 1 for the same, [k].
        maps: Where the other one shows what the one shows, [k, 2, 3]; see `align`.
    """

    left: Indices
    right: Indices
    mirrored: NDArray[np.bool_]
    likeness: NDArray[np.float32]
    maps: Maps


def find_same_pictures(
    hashes: Collection[str],
    among: Collection[str] | None = None,
    blocks: Blocks | None = None,
    joined: Indices | None = None,
) -> Pairs:
    """Find pairs that show the same picture.

    Args:
        hashes: n results of `perceptual_hash`.
        among: Where each is looked for: m others; in `hashes` itself where there are none.
        blocks: Rows of `hashes`, and rows of `among` that each of these is compared with; all where nothing is said.
            No pair may come twice.
        joined: Group of each of `hashes`, [n], if `among` is none: pairs within a group are known, and not looked at.

    Returns:
        Pairs of a row of `hashes` and one of `among` whose likeness is at least `SAME_PICTURE`. Each picture is
        compared with the four that it resembles most, so that of many copies not each pair is found, but a chain.
    """
    left = pictures_of(hashes)
    right = left if among is None else pictures_of(among)
    every = _every_block(len(left), len(right)) if blocks is None else blocks
    rows, columns, mirrored = _find_candidates(left, right, every, to_itself=among is None)
    if joined is not None:
        apart = joined[rows] != joined[columns]
        rows, columns, mirrored = rows[apart], columns[apart], mirrored[apart]
    pairs = compare(left, right, rows, columns, mirrored)
    same = pairs.likeness >= SAME_PICTURE
    return Pairs(pairs.left[same], pairs.right[same], pairs.mirrored[same], pairs.likeness[same], pairs.maps[same])


def _every_block(count: int, others: int) -> Blocks:
    columns = [np.arange(start, min(start + _COLUMNS, others)) for start in range(0, others, _COLUMNS)]
    rows = [np.arange(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS)]
    return itertools.product(rows, columns)


def describe_differences(first: Sequence[str], second: Sequence[str]) -> list[str | None]:
    """Say how each second picture differs from its first one, None where it shows something else.

    Args:
        first: n results of `perceptual_hash`.
        second: The same of n others.

    Returns:
        Such as `mirrored, turned by 3°, cropped`; empty where it lies as the first one does.
    """
    count = len(first)
    twice, mirrored = np.tile(np.arange(count), 2), np.repeat([False, True], count)
    pairs = compare(pictures_of(first), pictures_of(second), twice, twice, mirrored)
    best = twice[:count] + count * (pairs.likeness[count:] > pairs.likeness[:count])
    return [
        _describe(pairs.maps[row], mirrored=row >= count) if pairs.likeness[row] >= SAME_PICTURE else None
        for row in best
    ]


def _describe(placed: Maps, *, mirrored: bool) -> str:
    (a, b, _), (c, d, _) = (tuple(map(float, row)) for row in placed)
    degrees = abs(math.degrees(math.atan2(c - b, a + d)))
    size = math.sqrt(abs(a * d - b * c))
    parts = ["mirrored"] if mirrored else []
    parts += [f"turned by {degrees:.0f}°"] if degrees >= 1 else []
    parts += ["cropped"] if size > 1.03 else ["with more around it"] if size < 0.97 else []
    return ", ".join(parts)


def compare(left: Grey, right: Grey, rows: Indices, columns: Indices, mirrored: NDArray[np.bool_]) -> Pairs:
    """Lay pictures over each other and compare their detail.

    Args:
        left: From `pictures_of`, [n, 32, 32].
        right: The same, [m, 32, 32].
        rows: Of `left`, [k].
        columns: Of `right`, [k].
        mirrored: Whether the right one is mirrored first, [k].

    Returns:
        The same pairs with their likeness.
    """

    def lay(start: int) -> tuple[NDArray[np.float32], Maps]:
        part = slice(start, start + _PAIRS)
        seen, sought = left[rows[part]].astype(np.float32), right[columns[part]].astype(np.float32)
        sought = np.where(mirrored[part, None, None], sought[:, :, ::-1], sought)
        maps = align(seen, sought)
        return _correlate(_detail(seen), _detail(sought), maps), maps

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        laid = [(np.zeros(0, np.float32), np.zeros((0, 2, 3), np.float32))]
        laid += pool.map(lay, range(0, len(rows), _PAIRS))
    likeness, maps = (np.concatenate(each) for each in zip(*laid, strict=True))
    return Pairs(rows, columns, mirrored, likeness, maps)


def _find_candidates(
    left: Grey, right: Grey, blocks: Blocks, *, to_itself: bool
) -> tuple[Indices, Indices, NDArray[np.bool_]]:
    """The nearest pictures on the coarse grid, as they are or mirrored; either may be a part of the other."""
    whole, part = coarse(left), coarse(left, cut=True)
    others = (whole, part) if to_itself else (coarse(right), coarse(right, cut=True))
    nearest = min(_NEAREST + to_itself, len(right))
    shape = (len(left), nearest)
    best: list[NDArray[Any]] = [np.full(shape, -1, np.float32), np.zeros(shape, np.int64), np.zeros(shape, bool)]
    for rows, columns in blocks:
        seen = tuple(each[columns] for each in others)
        as_it_is, mirrored = (
            np.maximum(np.maximum(whole[rows] @ other.T, part[rows] @ other.T), whole[rows] @ other_part.T)
            for other, other_part in (seen, map(mirror, seen))
        )
        alike = np.maximum(as_it_is, mirrored)
        if to_itself:
            alike[rows[:, None] == columns] = -1
        place = np.argpartition(-alike, min(nearest, len(columns)) - 1, axis=1)[:, :nearest]
        flipped = np.take_along_axis(mirrored > as_it_is, place, axis=1)
        found = (np.take_along_axis(alike, place, axis=1), columns[place], flipped)
        both = [np.concatenate([old[rows], new], axis=1) for old, new in zip(best, found, strict=True)]
        order = np.argsort(-both[0], axis=1, kind="stable")[:, :nearest]
        for old, new in zip(best, both, strict=True):
            old[rows] = np.take_along_axis(new, order, axis=1)
    rows, place = np.nonzero(best[0] >= _ALIKE)
    columns, flipped = best[1][rows, place], best[2][rows, place]
    if to_itself:
        # Each pair once.
        low, high = np.minimum(rows, columns), np.maximum(rows, columns)
        _, first = np.unique(low * len(left) + high, return_index=True)
        rows, columns, flipped = low[first], high[first], flipped[first]
    return rows, columns, flipped


def coarse(pictures: Grey, *, cut: bool = False) -> NDArray[np.float32]:
    """Describe pictures on a coarse grid; the product of two descriptions is the correlation of their cells.

    Args:
        pictures: From `pictures_of`, [n, 32, 32].
        cut: Whether 4 % at each edge are left out.

    Returns:
        Unit vectors of 8 x 8 cells, [n, 64]; zeros for pictures of one level.
    """
    vectors = [np.zeros((0, _CELLS**2), np.float32)]
    for start in range(0, len(pictures), _ROWS):
        levels = pictures[start : start + _ROWS].astype(np.float32)
        if cut:
            maps = np.broadcast_to(_CUT, (len(levels), 2, 3))
            levels = sample(levels, maps)[0].reshape(levels.shape)
        cells = halve(levels, 2).reshape(-1, _CELLS**2)
        cells -= cells.mean(axis=1, keepdims=True)
        vectors.append(cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1))
    return np.concatenate(vectors)


def mirror(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn results of `coarse`, [n, 64], into those of the mirrored pictures."""
    return vectors.reshape(-1, _CELLS, _CELLS)[:, :, ::-1].reshape(-1, _CELLS**2)


def _detail(pictures: Pictures) -> Pictures:
    return pictures - blur(pictures, 2)


def _correlate(left: Pictures, right: Pictures, maps: Maps) -> NDArray[np.float32]:
    """Correlation where both show something; 0 for maps that no copy needs, and for pictures of one level."""
    levels, inside = sample(right, maps)
    cells = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    first, second = (
        _clip((each - (each * inside).sum(axis=1, keepdims=True) / cells) * inside, cells)
        for each in (left.reshape(levels.shape), levels)
    )
    length = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    straight = np.abs(maps[:, :, :2] - np.eye(2)).max(axis=(1, 2)) < _STRAIGHT
    near = np.abs(maps[:, :, 2]).max(axis=1) < _SHIFT
    return np.asarray((first * second).sum(axis=1) / np.maximum(length, 1e-3) * (straight & near), np.float32)


def _clip(detail: Pictures, cells: NDArray[np.int64]) -> Pictures:
    limit = _CLIP * np.sqrt((detail**2).sum(axis=1, keepdims=True) / cells)
    return np.asarray(np.clip(detail, -limit, limit))
