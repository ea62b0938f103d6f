"""What can be known of the classes before long work is refused before long work."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from chest_cancer.pipelines.data_ingestion.ambiguity import class_names_block
from chest_cancer.pipelines.data_ingestion.folder_names import last_part
from chest_cancer.pipelines.data_ingestion.layout import ClassFolder
from chest_cancer.sources.split_names import SPLITS, split_of, words
from chest_cancer.sources.wording import named

_ALIKE = 0.6


def check_classes_agree(folders: Iterable[ClassFolder]) -> None:
    """Raise when the splits that a source brings are not of the same classes.

    Args:
        folders: The class folders that hold files.

    Raises:
        ValueError: Names what differs, with a block `class_names` to copy where the names resemble each other.
    """
    classes: defaultdict[str, set[str]] = defaultdict(set)
    folders_of: defaultdict[str, set[str]] = defaultdict(set)
    for folder in folders:
        if folder.source_split is not None:
            classes[folder.source_split].add(folder.label)
            folders_of[folder.label].add(_name_of(folder))
    everywhere = set.intersection(*classes.values()) if classes else set()
    apart = {
        label: [split for split in SPLITS if label in classes[split]]
        for label in set().union(*classes.values()) - everywhere
    }
    if not apart:
        return
    lines = [f"  {split}: {', '.join(sorted(classes[split]))}" for split in SPLITS if classes[split]]
    pairs = _pairs(apart)
    names = {folder: short for long, short in sorted(pairs.items()) for folder in sorted(folders_of[long])}
    cure = "Add the missing images, or take the class out of the source."
    if names:
        cure = f"If these are the same classes, say so in conf/local/parameters.yml:\n{class_names_block(names)}"
    alone = sorted(label for label in apart if label not in pairs and label not in pairs.values())
    if names and alone:
        cure += f"Add the missing images of {named(alone)}, or take them out of the source."
    raise ValueError(
        "Invalid value received for `data_ingestion.source`. Expected the same classes in every split. Received:\n"
        + "\n".join(lines)
        + f"\n{cure}"
    )


def check_normal_class(normal_class: str | None, classes: Sequence[str]) -> None:
    """Raise when the class without disease is none of the classes.

    Args:
        normal_class: The parameter `model_training.normal_class`.
        classes: Names of all classes.

    Raises:
        ValueError: Names the classes, and proposes the one that was meant.
    """
    if normal_class is None or normal_class in classes:
        return
    meant = _meant(normal_class, classes)
    cure = (
        f"Did you mean `{meant[0]}`? Pass --params \"model_training.normal_class='{meant[0]}'\", or write it "
        "into conf/local/parameters.yml."
        if meant
        else "Set it to the class without disease, by --params or in conf/local/parameters.yml."
    )
    raise ValueError(
        f"Invalid value received for `model_training.normal_class`. Expected one of the classes: {named(classes)}. "
        f"Received: {normal_class!r}. {cure} docs/data.md says more."
    )


def check_positive_classes(
    positive_classes: Sequence[str] | None, normal_class: str | None, classes: Sequence[str]
) -> None:
    """Raise when the classes that sensitivity is about are not some of those with disease.

    Args:
        positive_classes: The parameter `model_training.positive_classes`.
        normal_class: The class without disease, one of the classes, or None.
        classes: Names of all classes.

    Raises:
        ValueError: Names the classes, and proposes the ones that were meant.
    """
    if positive_classes is None:
        return
    diseases = [name for name in classes if name != normal_class]
    if set(positive_classes) <= set(diseases) and set(positive_classes) < set(classes):
        return
    meant = [name if name in diseases else next(iter(_meant(name, diseases)), None) for name in positive_classes]
    closest = [name for name in dict.fromkeys(meant) if name is not None]
    cure = "Set it to what sensitivity is about, or to null for all classes but `model_training.normal_class`."
    if closest and None not in meant and len(closest) < len(classes):
        proposal = ", ".join(f"'{name}'" for name in closest)
        cure = f"Did you mean {named(closest)}? Write [{proposal}]. {cure}"
    limit = "some of the classes" if normal_class is None else f"some of the classes other than `{normal_class}`"
    raise ValueError(
        f"Invalid value received for `model_training.positive_classes`. Expected {limit}: {named(diseases)}"
        f"{', not all' if normal_class is None else ''}. Received: {list(positive_classes)}. {cure}"
    )


def check_known_classes(received: Sequence[str], classes: Sequence[str]) -> None:
    """Raise when a model does not know a class.

    Args:
        received: Names of the source's classes.
        classes: Those of the model.

    Raises:
        ValueError: Names both, with a block `class_names` to copy, in which the classes that were meant are filled in.
    """
    unknown = [name for name in received if name not in classes]
    if not unknown:
        return
    blank = f"<one of: {', '.join(classes)}>"
    block = class_names_block({name: next(iter(_meant(name, classes)), blank) for name in unknown})
    raise ValueError(
        f"Invalid value received for `data_ingestion.source`. Expected classes that the model knows: {named(classes)}. "
        f"Received also: {named(unknown)}. Say which of the model's classes each of these is, in "
        f"conf/local/parameters.yml, or take it out of the source:\n{block}"
    )


def check_enough_images(images: pd.DataFrame) -> None:
    """Raise when a class has too few distinct pictures to be in every split, however they would be drawn.

    Args:
        images: The images that remain, a row each: `label`, `source_split` and `pixel_sha256`.

    Raises:
        ValueError: Names the class, the split, what is there and what is needed.
    """
    rank = images["source_split"].map({split: number for number, split in enumerate(SPLITS)}).fillna(0)
    # Of each picture: copies in several splits stay on the side that measures.
    splits = rank.groupby(images["pixel_sha256"]).transform("max").map(dict(enumerate(SPLITS)))
    brought = {*splits.unique()} - {"train"}
    drawn = [split for split in SPLITS if split not in brought]
    pictures = images["pixel_sha256"].groupby([images["label"], splits]).nunique()
    for label in sorted(images["label"].unique()):
        for split in SPLITS:
            needed = len(drawn) if split == "train" else int(split in brought)
            received = int(pictures.get((label, split), 0))
            if received < needed:
                place = f" in `{split}`" if brought else ""
                raise ValueError(
                    f"Invalid value received for `data_ingestion.source`. Class `{label}` has {received} distinct "
                    f"image(s){place}: expected at least {needed}"
                    + (f", one for each of {', '.join(drawn)}" if needed > 1 else "")
                    + ". Add images of other patients, or take the class out of the source."
                )


def _name_of(folder: ClassFolder) -> str:
    """Name of the folder that is the class, also in `<class>/<split>`."""
    name = last_part(folder.path)
    return name if split_of(name) is None else last_part(folder.path.rpartition("/")[0])


def _pairs(apart: dict[str, list[str]]) -> dict[str, str]:
    """Name classes that may be the same, longer name to shorter; no split has both, and the most alike come first."""
    candidates = sorted(
        (-_likeness(long, short), len(short), long, short)
        for long in apart
        for short in apart
        if (len(long), long) > (len(short), short)
    )
    pairs: dict[str, str] = {}
    splits = {label: set(names) for label, names in apart.items()}
    for unlikeness, _, long, short in candidates:
        free = long not in pairs and long not in pairs.values() and short not in pairs
        if free and -unlikeness >= _ALIKE and not splits[long] & splits[short]:
            pairs[long] = short
            splits[short] |= splits[long]
    return pairs


def _likeness(one: str, other: str) -> float:
    """From 0 to 1; 1 where one name begins with the other."""
    long, short = (" ".join(words(name)) for name in (one, other))
    if short and (long.startswith(short) or short.startswith(long)):
        return 1.0
    return difflib.SequenceMatcher(None, long, short).ratio()


def _meant(name: str, classes: Sequence[str]) -> list[str]:
    """Classes that are called alike, or else those that it is a word of."""
    alike = [each for each in classes if _bare(each) == _bare(name)]
    return alike or [each for each in classes if _bare(name) in words(each)]


def _bare(name: str) -> str:
    """A name without case, separators, plural and leading zeros."""
    joined = "".join(words(name)) or name.casefold()
    return re.sub(r"(?<=[a-z]{3})(?:es|s)$", "", joined).lstrip("0") or joined
