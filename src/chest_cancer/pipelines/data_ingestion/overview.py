"""The early words: classes and counts, what was left out and why, what looks odd."""

import logging
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.pipelines.data_ingestion.quarantine import Refused
from chest_cancer.sources.split_names import SPLITS

logger = logging.getLogger(__name__)

UNSPLIT = "no split"
_COLUMNS = (*SPLITS, UNSPLIT)
_MOST_REASONS = 20
_FAR_SMALLER = 5  # times fewer images than the largest class has
_TYPICAL, _RARE = 0.8, 0.2  # shares of the images of a class
_TWICE = 2


def count_images(index: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the images of each class in each split that the source brings.

    Args:
        index: The image index.

    Returns:
        Class to split to number of images; `no split` where the source brings none.
    """
    splits = index["source_split"].fillna(UNSPLIT)
    present = [split for split in _COLUMNS if (splits == split).any()]
    counts = Counter(zip(index["label"], splits, strict=True))
    return {label: {split: counts[label, split] for split in present} for label in sorted(set(index["label"]))}


def group_reasons(quarantine: Refused) -> list[dict[str, Any]]:
    """Join what was left out for the same reason.

    Args:
        quarantine: Path and reason of everything that was left out.

    Returns:
        `reason` and `example` (of the first one) and `files`, the most frequent first; 20 at most.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for path, reason in quarantine:
        groups.setdefault(_kind(reason), []).append((path, reason))
    ordered = sorted(groups.values(), key=len, reverse=True)[:_MOST_REASONS]
    return [{"reason": group[0][1], "files": len(group), "example": group[0][0]} for group in ordered]


def find_odd(index: pd.DataFrame, lost: Mapping[str, Refused]) -> list[str]:
    """Say what a model might learn in place of a disease, and what classes lost.

    Args:
        index: The image index.
        lost: Class to path and reason of its files that can't be used.

    Returns:
        Sentences; none where nothing looks odd.
    """
    sizes = index["label"].value_counts()
    said = [
        f"`{label}`: {len(files)} of {len(files) + int(sizes.get(label, 0))} files could not be used, such as "
        f"{files[0][0]}: {files[0][1]}."
        for label, refused in sorted(lost.items())
        if (files := [file for file in refused if file[1] != NO_LUNG])  # studies end above and below the lungs
    ]
    largest, smallest = sizes.index[0], sizes.index[-1]
    if _FAR_SMALLER * sizes[smallest] < sizes[largest]:
        said.append(
            f"`{smallest}` has {sizes[smallest]} images, `{largest}` has {sizes[largest]}: figures of the small class "
            "will be uncertain."
        )
    distinct = Counter(index[["pixel_sha256", "label"]].drop_duplicates("pixel_sha256")["label"])
    said += [
        f"`{label}`: only {distinct[label]} of its {count} images are distinct; copies count once."
        for label, count in sorted(Counter(index["label"]).items())
        if _TWICE * distinct[label] < count
    ]
    size = index["width"].astype(str) + " x " + index["height"].astype(str)
    for name, values in (("Formats", index["format"]), ("Pixel modes", index["mode"]), ("Sizes", size)):
        said += _differs_by_class(name, values, index["label"])
    if not any(sentence.startswith("Sizes") for sentence in said):
        said += _medians_differ(index)
    hounsfield = index["scaling"].str.startswith("HU")
    if hounsfield.any() and not hounsfield.all():
        said.append(
            f"{hounsfield.sum()} of {len(index)} images hold Hounsfield units, the others are pictures: a window is "
            "chosen for the first alone, and a model may tell them apart."
        )
    return said


def log_overview(summary: Mapping[str, Any], lost: Mapping[str, Refused]) -> None:
    """Print the table of classes and splits, what was left out and why, and what looks odd.

    Args:
        summary: With `files`, `images`, `distinct_by_content`, `quarantined`, `pattern`, `classes`, `counts`,
            `left_out`, `notes` and `odd`.
        lost: Class to path and reason of its files that can't be used.
    """
    logger.info("Classes, read as %s:\n%s", summary["pattern"], _table(summary, lost))
    for group in summary["left_out"]:
        logger.info("Left out: %d, such as %s: %s", group["files"], group["example"], group["reason"])
    for sentence in (*summary["notes"], *summary["odd"]):
        logger.warning("%s", sentence)
    logger.info(
        "%d files: %d images, %d distinct, %d in quarantine.",
        *(summary[name] for name in ("files", "images", "distinct_by_content", "quarantined")),
    )


def _table(summary: Mapping[str, Any], lost: Mapping[str, Refused]) -> str:
    counts, classes = summary["counts"], summary["classes"]
    splits = list(next(iter(counts.values())))
    header = ["class", *(("images" if split == UNSPLIT else split) for split in splits), "distinct", "left out"]
    rows = [header]
    rows += [
        [
            label,
            *(str(count[split]) for split in splits),
            str(classes[label]["distinct"]),
            str(len(lost.get(label, ()))),
        ]
        for label, count in counts.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _kind(reason: str) -> str:
    """A reason without what is of one file only: numbers, names in quotes, details."""
    return re.sub(r"-?\d+|'[^']*'|b'.*", "#", reason.split(": ")[0] if ": labelled" in reason else reason)


def _differs_by_class(name: str, values: "pd.Series[str]", labels: "pd.Series[str]") -> list[str]:
    """Find a value that nearly all images of one class have and few of another one."""
    counts = {str(label): Counter(group) for label, group in values.groupby(labels)}
    for label, count in counts.items():
        value, number = count.most_common(1)[0]
        share = number / count.total()
        for other, other_count in counts.items():
            other_share = other_count[value] / other_count.total()
            if share >= _TYPICAL and other_share <= _RARE:
                return [
                    f"{name} differ by class: {share:.0%} of `{label}` are {value}, of `{other}` {other_share:.0%} "
                    f"(mostly {other_count.most_common(1)[0][0]}). A model may learn this and not the disease."
                ]
    return []


def _medians_differ(index: pd.DataFrame) -> list[str]:
    medians = (index["width"] * index["height"]).groupby(index["label"]).median().sort_values()
    smallest, largest = medians.index[0], medians.index[-1]
    if medians.iloc[-1] < _TWICE * medians.iloc[0]:
        return []
    return [
        f"Sizes differ by class: the median image of `{largest}` has {medians.iloc[-1]:,.0f} pixels, that of "
        f"`{smallest}` {medians.iloc[0]:,.0f}. A model may learn this and not the disease."
    ]
