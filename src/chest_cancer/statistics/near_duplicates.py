"""Near-duplicates: images whose embeddings point the same way, or that show the same picture, joined into groups.

Groups are the connected components of near pairs (single linkage): a chain of near pairs is one group. Similarities are
computed block by block and never kept, so that memory grows with the number of images and not with its square. Up to
`MOST_COMPARED` images each pair is looked at; of more, each image is compared with those around it alone, so that a
pair in a thousand may be missed, and none is joined that is not near.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from chest_cancer.imaging.perceptual_hash import pictures_of
from chest_cancer.imaging.same_picture import coarse, find_same_pictures, mirror
from chest_cancer.network.embedding import directions
from chest_cancer.statistics.neighbourhoods import Indices, Look, neighbourhoods

logger = logging.getLogger(__name__)

MOST_COMPARED = 50_000
"""Images of which each pair is looked at: that takes half a minute on two cores, and hours for a million."""
IDENTITIES = ("patient", "study")
"""Columns whose values are in one group, and so in one split, alone; missing where nobody knows."""
_BLOCK = 2048
_PAIRS = 2**20
"""Found before they are joined: joining takes as long as there are images."""
ROUNDING = 1e-6
"""Of a cosine in single precision: equal vectors come out just below 1."""

Groups = NDArray[np.int64]
Blocks = Iterable[tuple[slice | Indices, slice | Indices]]


def group_near_duplicates(embeddings: NDArray[np.float32], hashes: Collection[str], similarity: float) -> Groups:
    """Join images that are near by their embeddings, or that show the same picture, mirrored, turned or cropped.

    Args:
        embeddings: [n, D].
        hashes: Perceptual hash of each image, n.
        similarity: Cosine of embeddings at and above which two images are near, -1 to 1.

    Returns:
        Group of each image, [n], numbered from 0 in order of first appearance.
    """
    groups = group_by_similarity(embeddings, similarity)
    blocks = _around_pictures(hashes) if len(hashes) > MOST_COMPARED else None
    pairs = find_same_pictures(hashes, blocks=blocks, joined=groups)
    return _number(_join(groups, groups[pairs.left], groups[pairs.right]))


def _around_pictures(hashes: Collection[str]) -> Iterator[tuple[Indices, Indices]]:
    vectors = coarse(pictures_of(hashes))
    return neighbourhoods(len(vectors), vectors.__getitem__, lambda rows: mirror(vectors[rows]))


def group_by_similarity(embeddings: NDArray[np.float32], similarity: float) -> Groups:
    """Join images that are near by their embeddings.

    Args:
        embeddings: [n, D].
        similarity: Cosine at and above which two images are near, -1 to 1.

    Returns:
        Group of each image, [n], numbered from 0 in order of first appearance.
    """
    return group_at_similarities(embeddings, [similarity])[0]


def group_at_similarities(embeddings: NDArray[np.float32], similarities: Sequence[float]) -> list[Groups]:
    """Join images at several similarities in one pass over the pairs.

    Args:
        embeddings: [n, D], of any precision; more than `MOST_COMPARED` are read block by block and may stay on disk.
        similarities: Cosines at and above which two images are near, -1 to 1.

    Returns:
        For each similarity the group of each image, [n], numbered from 0 in order of first appearance.
    """
    count = len(embeddings)

    def look(rows: slice | Indices) -> NDArray[np.float32]:
        return directions(np.asarray(embeddings[rows], dtype=np.float32))

    if count > MOST_COMPARED:
        logger.info("%d images: each is compared with those around it, and not with all others.", count)
        return _link(count, neighbourhoods(count, look), look, similarities)
    unit = look(slice(None))
    slices = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
    pairs = [(rows, columns) for place, rows in enumerate(slices) for columns in slices[place:]]
    return _link(count, pairs, unit.__getitem__, similarities)


def join_identities(groups: Groups, images: pd.DataFrame) -> Groups:
    """Join the groups of images of one patient, and of one study.

    Args:
        groups: Group of each image, [n], each at least 0 and below n.
        images: n rows, with `patient` and `study`, missing where nobody knows.

    Returns:
        Group of each image, [n], numbered from 0 in order of first appearance.
    """
    for identity in IDENTITIES:
        groups = join_by_identity(groups, pd.factorize(images[identity])[0])
    return groups


def join_by_identity(groups: Groups, identities: NDArray[np.int64]) -> Groups:
    """Join the groups of images that have the same identity, such as a patient.

    Args:
        groups: Group of each image, [n], each at least 0 and below n.
        identities: Number of each image's identity, [n]; below 0 where it is not known.

    Returns:
        Group of each image, [n], numbered from 0 in order of first appearance.
    """
    known = identities >= 0
    _, first, position = np.unique(identities[known], return_index=True, return_inverse=True)
    return _number(_join(groups, groups[known], groups[known][first[position]]))


def _link(count: int, blocks: Blocks, look: Look, similarities: Sequence[float]) -> list[Groups]:
    """Compare rows with columns, block by block, and join the groups of those that are near."""
    found = [np.arange(count) for _ in similarities]
    if not similarities:
        return found
    waiting: list[list[tuple[Groups, Groups]]] = [[] for _ in similarities]
    highest, lowest, pairs = int(np.argmax(similarities)), min(similarities) - ROUNDING, 0
    for rows, columns in blocks:
        similarity = look(rows) @ look(columns).T
        near = similarity >= lowest
        if not near.any():
            continue
        # What is joined at the highest similarity is joined at all of them.
        near &= found[highest][rows][:, None] != found[highest][columns]
        left, right = np.divmod(np.flatnonzero(near), near.shape[1])
        values = similarity[left, right]
        for i, limit in enumerate(similarities):
            chosen = values >= limit - ROUNDING
            waiting[i].append((found[i][rows][left[chosen]], found[i][columns][right[chosen]]))
        pairs += len(left)
        if pairs >= _PAIRS:
            found, waiting, pairs = _join_all(found, waiting), [[] for _ in similarities], 0
    return [_number(groups) for groups in _join_all(found, waiting)]


def _join_all(found: list[Groups], waiting: list[list[tuple[Groups, Groups]]]) -> list[Groups]:
    return [
        _join(groups, *map(np.concatenate, zip(*pairs, strict=True))) if pairs else groups
        for groups, pairs in zip(found, waiting, strict=True)
    ]


def _join(groups: Groups, left: Groups, right: Groups) -> Groups:
    """Make one group of each pair of groups; all are numbered below the number of images."""
    apart = left != right
    if not apart.any():
        return groups
    links = coo_array((np.ones(np.count_nonzero(apart), bool), (left[apart], right[apart])), shape=(len(groups),) * 2)
    return np.asarray(connected_components(links, directed=False)[1][groups], dtype=np.int64)


def _number(groups: Groups) -> Groups:
    """Number groups from 0 in order of first appearance."""
    return pd.factorize(groups)[0].astype(np.int64)
