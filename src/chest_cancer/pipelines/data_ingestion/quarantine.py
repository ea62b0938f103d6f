"""What is left out of the index although it could be opened, and what that leaves of each class."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

import pandas as pd

from chest_cancer.pipelines.data_ingestion.layout import Layout
from chest_cancer.sources.exclusions import read_exclusions
from chest_cancer.sources.foreign import holds_no_images

EMPTY_CLASS = "class folder holds no readable image"
_SHOWN = 5

Refused = Sequence[tuple[str, str]]


def exclude_contradictions(images: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Leave out all copies of a picture that has more than one label: nobody knows which one is right.

    Args:
        images: All readable images, a row each: `path`, `label`, `content_sha256` and `pixel_sha256`.

    Returns:
        The images that remain, and path and reason of the others.
    """
    columns = ["pixel_sha256", "label", "content_sha256", "path"]
    # The first image of each label of a picture: of a million copies each is looked at once.
    firsts = images[columns].drop_duplicates(["pixel_sha256", "label"])
    firsts = firsts[firsts["pixel_sha256"].duplicated(keep=False)]
    copies: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for picture, label, content, path in firsts.itertuples(index=False, name=None):
        copies[picture].append((label, content, path))
    contradicted = images["pixel_sha256"].isin(firsts["pixel_sha256"])
    excluded = []
    for picture, label, content, path in images.loc[contradicted, columns].itertuples(index=False, name=None):
        other, other_content, other_path = next(copy for copy in copies[picture] if copy[0] != label)
        same = "bytes" if other_content == content else "pixels"
        reason = f"contradicting labels: labelled {label!r}, and the same {same} are {other!r} in {other_path!r}"
        excluded.append((path, reason))
    return images[~contradicted], excluded


def exclude_named(
    images: pd.DataFrame, exclude: str | None, paths: Collection[str]
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Leave out the images that a table names.

    Args:
        images: All readable images, a row each: `path` and `pixel_sha256`.
        exclude: `data_ingestion.exclude`: the table; None where nothing is left out.
        paths: All files of the source: a file that can't be read may be named, too.

    Returns:
        The images that remain, and path and reason of the others.

    Raises:
        ValueError: There is no such table, or it names what is no image of the source.
    """
    if exclude is None:
        return images, []
    exclusions = read_exclusions(exclude)
    names = images[exclusions.column]
    exclusions.require_known(chain(names, paths))
    chosen = names.isin(exclusions.entries)
    return images[~chosen], [(path, "left out by `data_ingestion.exclude`") for path in images.loc[chosen, "path"]]


def empty_class_folders(layout: Layout, paths: Iterable[str]) -> list[tuple[str, str]]:
    """List, with the reason, the class folders without any readable image.

    Args:
        layout: The class folders.
        paths: Of all readable images, those with contradicting labels too.

    Returns:
        Path and reason of each such folder.
    """
    filled = {layout.find(path) for path in paths}
    return [(folder.path, EMPTY_CLASS) for folder in layout.class_folders if folder not in filled]


def lost_by_class(layout: Layout, refused: Refused) -> dict[str, list[tuple[str, str]]]:
    """List what each class lost; files that are no images by their name are no loss.

    Args:
        layout: The class folders.
        refused: Path and reason of all files that were not taken.

    Returns:
        Class to path and reason of its files that can't be used.
    """
    lost: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path, reason in refused:
        folder = layout.find(path) or layout.find(f"{path}/")
        if folder is not None and not holds_no_images(path):
            lost[folder.label].append((path, reason))
    return dict(lost)


def require_classes(counts: Mapping[str, int], quarantine: Refused, unit: str, fewest: int) -> None:
    """Raise when there are too few classes: of one, nothing is to be told apart.

    Args:
        counts: Class to number of its files or images.
        quarantine: Path and reason of everything else; the first ones are shown.
        unit: What was counted.
        fewest: Fewest classes that must have any, 1 or 2.

    Raises:
        ValueError: When fewer have any.
    """
    if sum(count > 0 for count in counts.values()) >= fewest:
        return
    received = ", ".join(f"{label!r} with {count} {unit}" for label, count in counts.items() if count) or "none"
    words = "two or more classes" if fewest > 1 else "a class or more"
    raise ValueError(
        f"Invalid value received for `data_ingestion.source`. Expected images of {words}, as <class>/<file> "
        f"or <split>/<class>/<file>. Received classes: {received}. Left out ({len(quarantine)}): "
        f"{_first(quarantine)}. Pass a zip or folder with a folder for each class."
    )


def require_no_class_is_lost(counts: Mapping[str, int], lost: Mapping[str, Refused]) -> None:
    """Raise when none of a class's files can be used, so that a model would know nothing of it.

    Args:
        counts: Class to number of the images that remain.
        lost: Class to path and reason of its files that can't be used.

    Raises:
        ValueError: Names the class and the first reasons.
    """
    for label, files in sorted(lost.items()):
        if not counts.get(label):
            raise ValueError(
                f"Invalid value received for `data_ingestion.source`. Expected readable images of class `{label}`. "
                f"Received {len(files)} file{'' if len(files) == 1 else 's'}, none of which can be used: "
                f"{_first(files)}. Repair or convert these files, or take the class out of the source."
            )


def _first(refused: Refused) -> str:
    return "; ".join(f"{path}: {reason}" for path, reason in refused[:_SHOWN]) or "nothing"
