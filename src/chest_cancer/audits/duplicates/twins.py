"""Twins: what of the source's test images is in its training folder too, and how the two files differ."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.imaging.same_picture import describe_differences, find_same_pictures
from chest_cancer.network.embedding import directions, means_of
from chest_cancer.network.features import embeddings_of
from chest_cancer.storage.arrays import Arrays

KINDS = (
    # Kind, what its members share, what at least two of them differ in.
    ("exact", "content_sha256", "path"),
    ("same pixels", "pixel_sha256", "content_sha256"),
    ("near", "near_duplicates", "pixel_sha256"),
)
TWIN_KINDS = (*(kind for kind, _, _ in KINDS), "patient")
"""The last one is another picture of the same patient or study: `group` joins these with near-duplicates."""
_PAIRS = 2**22
"""Compared at once."""


def find_cross_split_twins(split_table: pd.DataFrame, features: Arrays) -> pd.DataFrame:
    """Find, for each test image of the source, the most similar image in the source's training folder.

    Args:
        split_table: A row per image file, with `group`, `near_duplicates`, `perceptual_hash`, `format`, `width` and
            `height` too.
        features: `pixel_sha256` [m] and `embedding` [m, 1024].

    Returns:
        A row per test image that has a twin, the most similar first: `path`, `label`, `twin`, `twin_label`, `kind`
        (exact, same pixels, near, patient), `similarity` (cosine of embeddings) and `difference` in words (mirrored,
        turned, cropped, other size, other format, drawn upon or re-encoded).
    """
    columns = ["path", "label", "twin", "twin_label", "kind", "similarity", "difference"]
    sides = [split_table[split_table["source_split"] == side] for side in ("test", "train")]
    tested, training = (
        files[files["group"].isin(other["group"])] for files, other in zip(sides, reversed(sides), strict=True)
    )
    if tested.empty:
        return pd.DataFrame(columns=columns)
    nearest, similarity = _find_nearest(tested, training, features)
    twins = training.iloc[nearest]
    alike = twins["near_duplicates"].to_numpy() == tested["near_duplicates"].to_numpy()
    differences = describe_files(twins, tested)
    found = tested[["path", "label"]].assign(
        twin=twins["path"].to_numpy(),
        twin_label=twins["label"].to_numpy(),
        kind=np.select([*_same_file(twins, tested), alike], TWIN_KINDS[:-1], TWIN_KINDS[-1]),
        similarity=similarity.astype(float),
        difference=np.where(alike, differences, "another picture of the same patient or study"),
    )
    ranked = found.assign(rank=found["kind"].map(TWIN_KINDS.index))
    return ranked.sort_values(["rank", "similarity"], ascending=[True, False], kind="stable")[columns].reset_index(
        drop=True
    )


def _find_nearest(
    tested: pd.DataFrame, training: pd.DataFrame, features: Arrays
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Position in training of what is most like each tested image in its group, and the cosine, [n] each."""
    units = [directions(means_of(embeddings_of(files, features))) for files in (tested, training)]
    of_group = {group: np.asarray(rows) for group, rows in training.groupby("group").indices.items()}
    blocks = [
        (rows, of_group[group])
        for group, members in tested.groupby("group").indices.items()
        for rows in np.array_split(members, -(-len(members) * len(of_group[group]) // _PAIRS))
    ]
    pairs = find_same_pictures(tested["perceptual_hash"], training["perceptual_hash"], blocks)
    same = np.append(np.sort(pairs.left * len(training) + pairs.right), np.iinfo(np.int64).max)
    keys = [
        np.split(pd.factorize(pd.concat([tested[key], training[key]]))[0], [len(tested)])
        for key in ("content_sha256", "pixel_sha256")
    ]
    nearest, similarity = np.empty(len(tested), np.int64), np.empty(len(tested), np.float32)
    for rows, candidates in blocks:
        alike = units[0][rows] @ units[1][candidates].T
        content, pixels = (of_tested[rows, None] == of_training[candidates] for of_tested, of_training in keys)
        number = rows[:, None] * len(training) + candidates
        picture = same[np.searchsorted(same, number)] == number
        # The same bytes before the same pixels, before the same picture, before what the network finds alike.
        best = (alike + 2 * picture + 4 * pixels + 8 * content).argmax(axis=1)
        nearest[rows], similarity[rows] = candidates[best], alike[np.arange(len(rows)), best]
    return nearest, similarity


def _same_file(first: pd.DataFrame, second: pd.DataFrame) -> list[NDArray[np.bool_]]:
    """Whether each second file has the bytes of its first one, and whether it has the pixels, [n] each."""
    return [first[key].to_numpy() == second[key].to_numpy() for key in ("content_sha256", "pixel_sha256")]


def describe_files(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    """Say how files differ from others.

    Args:
        first: n files of `split_table`, with `perceptual_hash`, `format`, `width` and `height`.
        second: n others.

    Returns:
        How each second file differs from its first one, such as `cropped, JPEG for PNG`.
    """
    content, pixels = _same_file(first, second)
    hashes = [files["perceptual_hash"][~(content | pixels)].to_list() for files in (first, second)]
    pictures = iter(describe_differences(*hashes))
    shapes = [files[["width", "height", "format"]].to_dict("records") for files in (first, second)]
    pairs = zip(content, pixels, *shapes, strict=True)
    said = []
    for same_bytes, same_pixels, one, other in pairs:
        if same_bytes or same_pixels:
            said.append(f"none: the same {'bytes' if same_bytes else 'pixels'}")
            continue
        picture = next(pictures)
        parts = ["a very similar picture"] if picture is None else [picture] if picture else []
        if (one["width"], one["height"]) != (other["width"], other["height"]):
            parts.append(f"{other['width']} x {other['height']} for {one['width']} x {one['height']} pixels")
        if one["format"] != other["format"]:
            parts.append(f"{other['format']} for {one['format']}")
        said.append(", ".join(parts) or "re-encoded or drawn upon")
    return said
