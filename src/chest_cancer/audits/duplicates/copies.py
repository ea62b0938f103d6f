"""Copies: files that show the same slice, and what they would do to a score."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.audits.duplicates.columns import GROUP_COLUMNS
from chest_cancer.audits.duplicates.twins import KINDS, TWIN_KINDS, describe_files
from chest_cancer.imaging.pictures import thumbnail_url
from chest_cancer.sources.image_folder import ImageFolder

_CONTRADICTING = "contradicting labels"
_COLUMNS = ("path", "label", "source_split", "pixel_sha256")


def group_duplicates(split_table: pd.DataFrame) -> pd.DataFrame:
    """List the groups of files that show the same slice, or nearly.

    Args:
        split_table: A row per image file: path, label, source_split, content_sha256, pixel_sha256, near_duplicates.

    Returns:
        A row per group, the largest first within each kind: `kind` (exact: same bytes; same pixels: other bytes; near:
        other pixels), `files` and `pictures` (distinct pixels) in it, `labels` and `source_splits` with their number of
        files, `contradicting` where there is more than one label, `crosses_splits` where the source puts the files in
        more than one split, and the `paths`.
    """
    groups = [group for kind in KINDS for group in _groups_of(split_table, *kind)]
    columns = ["kind", "files", "pictures", "labels", "source_splits", "contradicting", "crosses_splits", "paths"]
    table = pd.DataFrame(groups, columns=columns)
    rank = table["kind"].map({kind: i for i, (kind, _, _) in enumerate(KINDS)})
    table = table.assign(rank=rank).sort_values(["rank", "files"], ascending=[True, False], kind="stable")
    return table.drop(columns="rank").reset_index(drop=True)


def _groups_of(split_table: pd.DataFrame, kind: str, shared: str, different: str) -> Iterator[dict[str, Any]]:
    """Groups of one kind: what their members share, and what at least two of them differ in."""
    files = split_table[split_table.groupby(shared)[different].transform("nunique") > 1]
    # Files are read as columns: a table for each group would take longer than all the rest.
    paths, labels, splits, pixels = (files[column].astype(object).to_numpy() for column in _COLUMNS)
    for rows in _rows_of_groups(files[shared]):
        yield {
            "kind": kind,
            "files": len(rows),
            "pictures": len(set(pixels[rows])),
            "labels": _count(labels[rows]),
            "source_splits": _count(splits[rows]),
            "contradicting": _several(labels[rows]),
            "crosses_splits": _several(splits[rows]),
            "paths": paths[rows].tolist(),
        }


def list_files(groups: pd.DataFrame, split_table: pd.DataFrame) -> pd.DataFrame:
    """List each file of each group.

    Args:
        groups: What `group_duplicates` returned.
        split_table: A row per image file.

    Returns:
        A row per file and group, with the columns `GROUP_COLUMNS`; groups are numbered from 1 in their order.
    """
    numbered = groups.assign(group=np.arange(1, len(groups) + 1), path=groups["paths"])
    files = numbered.explode("path").merge(split_table[["path", "label", "source_split"]], on="path")
    return files[list(GROUP_COLUMNS)].sort_values("group", kind="stable").reset_index(drop=True)


def count_duplicates(split_table: pd.DataFrame, twins: pd.DataFrame, quarantine: pd.DataFrame) -> dict[str, Any]:
    """Count files, distinct slices, and images that have a twin on the other side of the source's split.

    Args:
        split_table: A row per image file.
        twins: What `find_cross_split_twins` returned.
        quarantine: `path` and `reason` of each file that was not used.

    Returns:
        `files`, `distinct_by_content`, `distinct_by_pixels` and `groups` of near-duplicates, for all files, and under
        `classes` for each class; `contradicting_groups` (near, with more than one label); `contradicting_files` (same
        picture, other label: in quarantine); and `source_test`, None where the source has no split of its own: its test
        `images`, how many of them have a twin in its training folder (`with_twin`) and of what kind (`exact`,
        `same pixels`, `near`, `patient`).
    """
    labels = split_table[["near_duplicates", "label"]].drop_duplicates().groupby("near_duplicates").size()
    tested = split_table["source_split"] == "test"
    source_test = None
    if tested.any() and (split_table["source_split"] == "train").any():
        kinds = twins["kind"].value_counts()
        source_test = {"images": int(tested.sum()), "with_twin": len(twins)}
        source_test |= {kind: int(kinds.get(kind, 0)) for kind in TWIN_KINDS}
    return {
        **_distinct(split_table),
        "classes": {str(label): _distinct(files) for label, files in split_table.groupby("label")},
        "contradicting_groups": int((labels > 1).sum()),
        "contradicting_files": int(quarantine["reason"].astype(str).str.startswith(_CONTRADICTING).sum()),
        "source_test": source_test,
    }


def show_duplicates(
    groups: pd.DataFrame, split_table: pd.DataFrame, images: ImageFolder, most_groups: int = 12, most_files: int = 6
) -> list[dict[str, Any]]:
    """Make thumbnails of the largest groups; those with contradicting labels or across splits come first.

    Args:
        groups: What `group_duplicates` returned.
        split_table: A row per image file.
        images: The source's files.
        most_groups: Number of groups shown.
        most_files: Number of files shown of each.

    Returns:
        For each group its row of the table and `shown`: `path`, `label`, `source_split`, `thumbnail` (a data URL) and
            `difference` from the first file, in words.
    """
    largest = groups.sort_values(["contradicting", "crosses_splits", "pictures", "files"], ascending=False).head(
        most_groups
    )
    rows = split_table.set_index("path", drop=False)
    shown = []
    for group in largest.to_dict("records"):
        files = rows.loc[group["paths"]]
        # Different pictures before copies of the same one.
        files = files.iloc[np.argsort(files["pixel_sha256"].duplicated(), kind="stable")].head(most_files)
        differences = ["", *describe_files(files.iloc[[0] * (len(files) - 1)], files.iloc[1:])]
        members = [
            {
                "path": str(file["path"]),
                "label": str(file["label"]),
                "source_split": None if pd.isna(file["source_split"]) else str(file["source_split"]),
                "thumbnail": thumbnail_url(images.pixels(str(file["path"]))),
                "difference": difference,
            }
            for difference, file in zip(differences, files.to_dict("records"), strict=True)
        ]
        shown.append({**{str(name): value for name, value in group.items()}, "shown": members})
    return shown


def show_shared_pictures(
    split_table: pd.DataFrame, images: ImageFolder, most_pictures: int = 12, most_files: int = 6
) -> dict[str, Any]:
    """Make thumbnails of pictures that are filed under more than one patient, each pixel the same.

    Args:
        split_table: A row per image file, with `patient`, by keyed hashes, where patients are known.
        images: The source's files.
        most_pictures: Number of pictures shown, those of most patients first.
        most_files: Number of files named for each, those of different patients first.

    Returns:
        `pictures`, how many there are, `patients`, how many these are filed under, and `shown`: for each `thumbnail` (a
        data URL), `patients` and `files` in number, and `named`, of which each has `path`, `label` and `patient`.
    """
    if "patient" not in split_table:
        return {"pictures": 0, "patients": 0, "shown": []}
    known = split_table[split_table["patient"].notna()]
    shared = known[known.groupby("pixel_sha256")["patient"].transform("nunique") > 1]
    pictures = [files for _, files in shared.groupby("pixel_sha256", sort=False)]
    pictures.sort(key=lambda files: files["patient"].nunique(), reverse=True)
    shown = []
    for files in pictures[:most_pictures]:
        named = files.iloc[np.argsort(files["patient"].duplicated(), kind="stable")].head(most_files)
        shown.append(
            {
                "thumbnail": thumbnail_url(images.pixels(str(named["path"].iloc[0]))),
                "patients": int(files["patient"].nunique()),
                "files": len(files),
                "named": named[["path", "label", "patient"]].astype(str).to_dict("records"),
            }
        )
    return {"pictures": len(pictures), "patients": int(shared["patient"].nunique()), "shown": shown}


def _distinct(files: pd.DataFrame) -> dict[str, int]:
    columns = {
        "distinct_by_content": "content_sha256",
        "distinct_by_pixels": "pixel_sha256",
        "groups": "near_duplicates",
    }
    return {"files": len(files), **{name: int(files[column].nunique()) for name, column in columns.items()}}


def _rows_of_groups(keys: "pd.Series[Any]") -> list[NDArray[np.int64]]:
    """Rows with the same key, in the order in which keys appear."""
    if keys.empty:
        return []
    codes = pd.factorize(keys)[0]
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def _several(values: NDArray[np.object_]) -> bool:
    return len(_known(values)) > 1


def _count(values: NDArray[np.object_]) -> str:
    return ", ".join(f"{value}: {count}" for value, count in _known(values).most_common())


def _known(values: NDArray[np.object_]) -> Counter[str]:
    return Counter(value for value in values if not pd.isna(value))
