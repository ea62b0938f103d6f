"""Small pictures laid over each other: shifted, turned, scaled and sheared until they fit.

The inverse compositional method of Lucas and Kanade (Baker and Matthews, 2004, "Lucas-Kanade 20 years on"), on a coarse
grid and then on the fine one, for many pairs at once. Contrast and brightness may differ.
"""

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.float32]
Maps = NDArray[np.float32]

_STEPS = (4, 2)
"""On the coarse and on the fine grid; six and four find no more."""
_DAMPING = np.diag(np.array([1, 1, 0.1, 1, 1, 0.1], np.float32))
_GAIN = (0.3, 3)
_FURTHEST = 8
"""Cells, and so far beyond what is looked for that nothing is lost."""


def align(left: Pictures, right: Pictures) -> Maps:
    """Find where each right picture shows what its left one shows.

    Args:
        left: n pictures, [n, S, S], S even.
        right: n pictures of the same size.

    Returns:
        Affine maps, [n, 2, 3], from x and y in a left picture to those in the right one, in cells from the middle.
    """
    maps = np.tile(np.eye(2, 3, dtype=np.float32), (len(left), 1, 1))
    for grid, steps in enumerate(_STEPS):
        seen, sought = (_standardise(each if grid else halve(each)) for each in (left, right))
        maps[:, :, 2] *= 1 + grid
        slopes = _slopes(seen)
        inverse = np.linalg.inv(slopes @ slopes.transpose(0, 2, 1) + _DAMPING)
        for _ in range(steps):
            levels, inside = sample(sought, maps)
            change = inverse @ (slopes @ _difference(seen.reshape(levels.shape), levels, inside)[:, :, None])
            maps = np.clip(_compose(maps, change.reshape(-1, 2, 3)), -_FURTHEST, _FURTHEST)
    return maps


def sample(pictures: Pictures, maps: Maps) -> tuple[Pictures, NDArray[np.bool_]]:
    """Look at each picture through its map, between the cells too.

    Args:
        pictures: [n, S, S].
        maps: [n, 2, 3].

    Returns:
        Levels, [n, S * S], and which of them lie inside of the picture; others are those of its edge.
    """
    count, side = pictures.shape[:2]
    x, y = _from_the_middle(side)
    places = maps @ np.stack([x, y, np.ones_like(x)]) + np.float32((side - 1) / 2)
    rest = np.clip(places, 0, np.float32(side - 1.001))
    inside = np.abs(rest - places).max(axis=1) < 0.01
    cells = rest.astype(np.int32)
    rest -= cells
    first = cells[:, 1] * side + cells[:, 0] + np.arange(count, dtype=np.int32)[:, None] * side**2
    flat, across, down = pictures.ravel(), rest[:, 0], rest[:, 1]
    above, below = (flat[at] + (flat[at + 1] - flat[at]) * across for at in (first, first + side))
    return above + (below - above) * down, inside


def blur(pictures: Pictures, times: int) -> Pictures:
    """Average each cell with its neighbours, weighted 1, 2, 1 across and down.

    Args:
        pictures: [n, S, S].
        times: How often.

    Returns:
        [n, S, S].
    """
    for _ in range(times):
        wide = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
        rows = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
        pictures = np.asarray((rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4, np.float32)
    return pictures


def halve(pictures: Pictures, times: int = 1) -> Pictures:
    """Make blurred pictures of half as many cells on each side.

    Args:
        pictures: [n, S, S].
        times: How often they are halved.

    Returns:
        [n, S / 2 ** times, S / 2 ** times].
    """
    count, side, cells = *pictures.shape[:2], 2**times
    blocks = blur(pictures, 1).reshape(count, side // cells, cells, side // cells, cells)
    return np.asarray(blocks.mean(axis=(2, 4)))


def _standardise(pictures: Pictures) -> Pictures:
    """Mean 0 and deviation 1, but for pictures of nearly one level."""
    apart = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    return np.asarray(apart / np.maximum(apart.std(axis=(1, 2), keepdims=True), 1))


def _slopes(pictures: Pictures) -> NDArray[np.float32]:
    """How levels change with each of a map's six numbers, [n, 6, S * S]."""
    count, side = pictures.shape[:2]
    x, y = _from_the_middle(side)
    down, across = (slope.reshape(count, -1) for slope in np.gradient(pictures, axis=(1, 2)))
    return np.stack([across * x, across * y, across, down * x, down * y, down], axis=1)


def _difference(seen: Pictures, levels: Pictures, inside: NDArray[np.bool_]) -> Pictures:
    """What is left between two pictures, [n, S * S], when contrast and brightness are made equal; 0 outside."""
    share = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    seen, levels = ((each - (each * inside).sum(axis=1, keepdims=True) / share) * inside for each in (seen, levels))
    gain = (seen * levels).sum(axis=1, keepdims=True) / np.maximum((levels**2).sum(axis=1, keepdims=True), 1e-3)
    return np.asarray(levels * np.clip(gain, *_GAIN) - seen, dtype=np.float32)


def _compose(maps: Maps, change: Maps) -> Maps:
    """The map after the inverse of a small change."""
    turned = maps[:, :, :2] @ np.linalg.inv(np.eye(2, dtype=np.float32) + change[:, :, :2])
    return np.concatenate([turned, maps[:, :, 2:] - turned @ change[:, :, 2:]], axis=2)


def _from_the_middle(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """X and y of each cell, row by row."""
    places = np.arange(side, dtype=np.float32) - (side - 1) / 2
    y, x = np.meshgrid(places, places, indexing="ij")
    return x.ravel().astype(np.float32), y.ravel().astype(np.float32)
