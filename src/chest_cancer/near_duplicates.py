"""Near-duplicates: images whose embeddings point the same way, joined into groups."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_BLOCK = 2048


def group_by_similarity(embeddings: NDArray[np.float32], similarity: float) -> NDArray[np.int64]:
    """Join images into groups by single linkage: a chain of near pairs is one group.

    The n x n similarities are computed block by block and never kept; after each row of blocks only one link per image
    remains.

    Args:
        embeddings: [n, D].
        similarity: Cosine at and above which two images are near, -1 to 1.

    Returns:
        Group of each image, [n], numbered from 0 in order of first appearance.
    """
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    count = len(unit)
    groups = np.arange(count)
    for start in range(0, count, _BLOCK):
        rows, columns = [np.arange(count)], [groups]
        for other in range(start, count, _BLOCK):
            near = np.argwhere(unit[start : start + _BLOCK] @ unit[other : other + _BLOCK].T >= similarity)
            rows.append(near[:, 0] + start)
            columns.append(near[:, 1] + other)
        links = np.concatenate(rows), np.concatenate(columns)
        # A group's number is the index of one of its images, so that it is a link as well.
        _, labels = connected_components(coo_array((np.ones(len(links[0]), bool), links), shape=(count, count)))
        _, first = np.unique(labels, return_index=True)
        groups = first[labels]
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)
