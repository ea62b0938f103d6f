"""Copies: files that show the same slice, and what they would do to a score."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.audits.duplicates.columns import GROUP_COLUMNS
from chest_cancer.audits.duplicates.twins import KINDS, describe_files
from chest_cancer.imaging.pictures import thumbnail_url
from chest_cancer.sources.image_folder import ImageFolder

_CONTRADICTING = "contradicting labels"
_DESCRIBED = ("path", "pixel_sha256", "label", "source_split")


def group_duplicates(split_table: pd.DataFrame) -> pd.DataFrame:
    """List the groups of files that show the same slice, or nearly.

    Args:
        split_table: A row per image file: path, label, source_split, content_sha256, pixel_sha256 and group.

    Returns:
        A row per group, the largest first within each kind: `kind` (exact: same bytes; same pixels: other bytes; near:
        other pixels), `files` and `pictures` (distinct pixels) in it, `labels` and `source_splits` with their number of
        files, `contradicting` where there is more than one label, `crosses_splits` where the source puts the files in
        more than one split, and the `paths`.
    """
    groups = []
    for kind, shared, different in KINDS:
        differs = split_table.groupby(shared)[different].transform("nunique") > 1
        # A table for each group would take a hundred times as long.
        together: dict[str, list[list[str]]] = defaultdict(list)
        for key, *file in split_table.loc[differs, [shared, *_DESCRIBED]].itertuples(index=False, name=None):
            together[key].append(file)
        for files in together.values():
            paths, pixels, labels, splits = zip(*files, strict=True)
            known = [split for split in splits if not pd.isna(split)]
            groups.append(
                {
                    "kind": kind,
                    "files": len(paths),
                    "pictures": len(set(pixels)),
                    "labels": _count(labels),
                    "source_splits": _count(known),
                    "contradicting": len(set(labels)) > 1,
                    "crosses_splits": len(set(known)) > 1,
                    "paths": list(paths),
                }
            )
    columns = ["kind", "files", "pictures", "labels", "source_splits", "contradicting", "crosses_splits", "paths"]
    table = pd.DataFrame(groups, columns=columns)
    rank = table["kind"].map({kind: i for i, (kind, _, _) in enumerate(KINDS)})
    table = table.assign(rank=rank).sort_values(["rank", "files"], ascending=[True, False], kind="stable")
    return table.drop(columns="rank").reset_index(drop=True)


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
        `files`, `distinct_by_content`, `distinct_by_pixels` and `groups`, for all files, and under `classes` for each
        class; `contradicting_groups` (near, with more than one label); `contradicting_files` (same picture, other
        label: in quarantine); and `source_test`, None where the source has no split of its own: its test `images`, how
        many of them have a twin in its training folder (`with_twin`) and of what kind (`exact`, `same pixels`, `near`).
    """
    labels = split_table.drop_duplicates(["group", "label"])
    tested = split_table["source_split"] == "test"
    source_test = None
    if tested.any() and (split_table["source_split"] == "train").any():
        kinds = twins["kind"].value_counts()
        source_test = {"images": int(tested.sum()), "with_twin": len(twins)}
        source_test |= {kind: int(kinds.get(kind, 0)) for kind, _, _ in KINDS}
    return {
        **_distinct(split_table),
        "classes": {str(label): _distinct(files) for label, files in split_table.groupby("label")},
        "contradicting_groups": int((labels["group"].value_counts() > 1).sum()),
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
    columns = {"distinct_by_content": "content_sha256", "distinct_by_pixels": "pixel_sha256", "groups": "group"}
    return {"files": len(files), **{name: int(files[column].nunique()) for name, column in columns.items()}}


def _count(values: Sequence[str]) -> str:
    return ", ".join(f"{value}: {count}" for value, count in Counter(values).most_common())
