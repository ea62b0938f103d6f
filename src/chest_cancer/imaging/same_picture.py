"""Files that show the same picture: mirrored, turned a little, cropped, framed, resized, re-encoded or drawn upon.

The few pictures that a picture most resembles on a coarse grid are laid over it, and what they show in detail is
compared where both show something.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

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
_PAIRS = 128

Grey = NDArray[np.uint8]
Indices = NDArray[np.int64]


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


def find_same_pictures(hashes: Sequence[str], among: Sequence[str] | None = None) -> Pairs:
    """Find pairs that show the same picture.

    Args:
        hashes: n results of `perceptual_hash`.
        among: Where each is looked for: m others; in `hashes` itself where there are none.

    Returns:
        Pairs of a row of `hashes` and one of `among` whose likeness is at least `SAME_PICTURE`. Each picture is
        compared with the four that it resembles most, so that of many copies not each pair is found, but a chain.
    """
    left = pictures_of(hashes)
    right = left if among is None else pictures_of(among)
    pairs = compare(left, right, *_find_candidates(left, right, to_itself=among is None))
    same = pairs.likeness >= SAME_PICTURE
    return Pairs(pairs.left[same], pairs.right[same], pairs.mirrored[same], pairs.likeness[same], pairs.maps[same])


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
    likeness, maps = [np.zeros(0, np.float32)], [np.zeros((0, 2, 3), np.float32)]
    for start in range(0, len(rows), _PAIRS):
        part = slice(start, start + _PAIRS)
        seen, sought = left[rows[part]].astype(np.float32), right[columns[part]].astype(np.float32)
        sought = np.where(mirrored[part, None, None], sought[:, :, ::-1], sought)
        maps.append(align(seen, sought))
        likeness.append(_correlate(_detail(seen), _detail(sought), maps[-1]))
    return Pairs(rows, columns, mirrored, np.concatenate(likeness), np.concatenate(maps))


def _find_candidates(left: Grey, right: Grey, *, to_itself: bool) -> tuple[Indices, Indices, NDArray[np.bool_]]:
    """The nearest pictures on the coarse grid, as they are or mirrored; either may be a part of the other."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))]
    others = [(_coarse(turned), _coarse(turned, cut=True)) for turned in (right, right[:, :, ::-1])]
    nearest = min(_NEAREST + to_itself, len(right))
    for start in range(0, len(left) if nearest else 0, _ROWS):
        some = left[start : start + _ROWS]
        whole, part = _coarse(some), _coarse(some, cut=True)
        as_it_is, mirrored = (
            np.maximum(np.maximum(whole @ other.T, part @ other.T), whole @ other_part.T)
            for other, other_part in others
        )
        alike = np.maximum(as_it_is, mirrored)
        if to_itself:
            np.fill_diagonal(alike[:, start:], -1)
        columns = np.argpartition(-alike, nearest - 1, axis=1)[:, :nearest]
        rows = np.broadcast_to(np.arange(len(alike))[:, None], columns.shape)
        chosen = alike[rows, columns] >= _ALIKE
        rows, columns = rows[chosen], columns[chosen]
        found.append((rows + start, columns, mirrored[rows, columns] > as_it_is[rows, columns]))
    rows, columns, flipped = (np.concatenate(each) for each in zip(*found, strict=True))
    if to_itself:
        # Each pair once.
        low, high = np.minimum(rows, columns), np.maximum(rows, columns)
        _, first = np.unique(low * len(left) + high, return_index=True)
        rows, columns, flipped = low[first], high[first], flipped[first]
    return rows, columns, flipped


def _coarse(pictures: Grey, *, cut: bool = False) -> NDArray[np.float32]:
    """Unit vectors of 8 x 8 cells, [n, 64], without 4 % at each edge if so cut; zeros for pictures of one level."""
    vectors = [np.zeros((0, 64), np.float32)]
    for start in range(0, len(pictures), _ROWS):
        levels = pictures[start : start + _ROWS].astype(np.float32)
        if cut:
            maps = np.broadcast_to(_CUT, (len(levels), 2, 3))
            levels = sample(levels, maps)[0].reshape(levels.shape)
        cells = halve(levels, 2).reshape(-1, 64)
        cells -= cells.mean(axis=1, keepdims=True)
        vectors.append(cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1))
    return np.concatenate(vectors)


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
