"""Splits that no group crosses."""

import numpy as np
import pandas as pd

from chest_cancer.parameters.blocks import SplitParameters
from chest_cancer.sources.split_names import SPLITS
from chest_cancer.statistics.near_duplicates import IDENTITIES

_CURE = (
    "Add images of other patients, or take the class out of the source. Where near-duplicates are what joins its "
    "images, raise feature_extraction.groups.similarity."
)


def split_by_group(images: pd.DataFrame, shares: SplitParameters, seed: int) -> pd.Series:
    """Assign whole groups to splits, class by class.

    A split that the source brings is kept, without its leaks: a group that crosses it stays on the side that measures
    (test before validation before train). Splits that the source lacks are taken from its training groups.

    Args:
        images: A row per image: `label`, `group`, `pixel_sha256`, `source_split` (train, validation, test or None).
            Images of one patient are in one group.
        shares: Shares of validation and test.
        seed: Random seed for the draw.

    Returns:
        For each row `train`, `validation` or `test`; `leak` where a twin is on the side that measures; `copy` where an
        earlier row has the same pixels.

    Raises:
        ValueError: A class has too few groups to be in every split.
    """
    rank = images["source_split"].map({name: i for i, name in enumerate(SPLITS)})
    strictest = rank.groupby(images["group"]).transform("max")
    brought = strictest.map(dict(enumerate(SPLITS)))
    leaks = rank.notna() & (rank < strictest)

    wanted = {"validation": shares.validation, "test": shares.test}
    wanted = {name: share for name, share in wanted.items() if not (brought == name).any()}
    wanted["train"] = 1 - sum(wanted.values())
    free = brought.isna() | (brought == "train")
    splits = brought.where(~free, _draw(images[free], wanted, np.random.default_rng(seed)))
    splits = splits.mask(leaks, "leak")
    _check_every_class_in_every_split(images["label"], splits)
    copies = images["pixel_sha256"].where(~leaks).duplicated() & ~leaks
    return splits.mask(copies, "copy").rename("split")


def _draw(images: pd.DataFrame, wanted: dict[str, float], generator: np.random.Generator) -> pd.Series:
    """Fill the splits evenly with groups in random order, each class on its own."""
    counted = images.groupby(["group", "label"]).size().rename("images").reset_index()
    most = counted.sort_values(["group", "images", "label"], ascending=[True, False, True]).drop_duplicates("group")
    class_of_group = most.set_index("group")["label"]
    sizes = images.groupby("group")["pixel_sha256"].nunique()
    split_of_group: dict[int, str] = {}
    for label, groups in class_of_group.groupby(class_of_group):
        if len(groups) < len(wanted):
            raise ValueError(
                f"Class `{label}` has {len(groups)} group(s) of distinct images: expected at least {len(wanted)}, one "
                f"for each of {', '.join(wanted)}. {_CURE}"
            )
        order = generator.permutation(groups.index.to_numpy())
        split_of_group |= zip(order.tolist(), _fill(wanted, sizes[order].tolist()), strict=True)
    return images["group"].map(split_of_group)


def _fill(wanted: dict[str, float], sizes: list[int]) -> list[str]:
    """Give each group to the split that is the emptiest by its own measure; the largest first when all are empty."""
    total, filled, given = sum(sizes), dict.fromkeys(wanted, 0), []
    for size in sizes:
        split = min(wanted, key=lambda name: (filled[name] / (wanted[name] * total), -wanted[name]))
        filled[split] += size
        given.append(split)
    return given


def _check_every_class_in_every_split(labels: pd.Series, splits: pd.Series) -> None:
    present = set(zip(labels, splits, strict=True))
    for label in sorted(set(labels)):
        missing = [split for split in SPLITS if (label, split) not in present]
        if missing:
            raise ValueError(
                f"Class `{label}` has no image for {' and '.join(missing)}, twins in another split and groups "
                f"that are mostly of another class not counted: expected at least one in every split. {_CURE}"
            )


def check_no_group_crosses(images: pd.DataFrame) -> None:
    """Guard the figures: no group, no patient and no study may be in two splits.

    Args:
        images: Rows with `group`, `patient`, `study`, `split` and `path`.

    Raises:
        ValueError: Some group, patient or study is in more than one of train, validation and test.
    """
    used = images[images["split"].isin(SPLITS)]
    for column in ("group", *IDENTITIES):
        splits = used[[column, "split"]].dropna().drop_duplicates()
        crossing = splits.loc[splits[column].duplicated(), column].unique()
        if len(crossing):
            example = used[used[column] == crossing[0]][["path", "split"]].head(4).to_dict("records")
            raise ValueError(
                f"Found {len(crossing)} with the same `{column}` in more than one split: expected each in one. "
                f"The first: {example}"
            )
