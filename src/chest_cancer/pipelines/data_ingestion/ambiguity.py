"""Stopping where it is not certain which folders are the classes, with the tree and the words that settle it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NoReturn

import yaml  # type: ignore[import-untyped]  # PyYAML ships no types

from chest_cancer.parameters.values import ABOVE_CLASS, BELOW_CLASS
from chest_cancer.pipelines.data_ingestion.folder_names import (
    is_fold,
    is_patient,
    is_wrapper,
    last_part,
    original_of,
)
from chest_cancer.pipelines.data_ingestion.folder_tree import FolderTree
from chest_cancer.sources.split_names import split_of
from chest_cancer.sources.wording import some

_LONGEST_BLOCK = 12
_IF_PATIENTS = f"If they are patients with classes inside, set `data_ingestion.patient: '{ABOVE_CLASS}'`."
_IF_INNER_PATIENTS = f"If the inner folders are patients, set `data_ingestion.patient: '{BELOW_CLASS}'`."


def refuse_splits_without_classes(tree: FolderTree, splits: Mapping[str, str]) -> None:
    """Raise where folders that are called like splits hold files, but no class folders.

    Args:
        tree: All folders.
        splits: Folders with the name of a split, none of which holds a folder.

    Raises:
        ValueError: Names these folders, and shows the tree.
    """
    filled = [folder for folder in splits if tree.files_below(folder)]
    if filled:
        _refuse(
            f"{some(filled)}: called like splits, and without class folders inside",
            tree.show(filled[0].rpartition("/")[0]),
            "Put the files of each class into a folder of its own, as <split>/<class>/<file>. "
            + _if_classes(last_part(folder) for folder in filled),
        )


def refuse_splits_inside_splits(tree: FolderTree, top: str, candidates: list[str]) -> None:
    """Raise where a class folder of a split is itself called like a split.

    Args:
        tree: All folders.
        top: Folder that the splits lie in.
        candidates: The class folders.

    Raises:
        ValueError: Names these folders, and shows the tree.
    """
    if found := [folder for folder in candidates if split_of(last_part(folder))]:
        names = sorted({last_part(folder) for folder in found})
        _refuse(
            f"{some(found)}: called like splits, and inside of a split",
            tree.show(top),
            f"Put the files of each class into one folder. {_if_classes(names)}",
        )


def refuse_folders_that_may_be_no_classes(tree: FolderTree, top: str, candidates: list[str]) -> None:
    """Raise where folders at the level of classes look like something else.

    Args:
        tree: All folders.
        top: Folder that the level lies in.
        candidates: The folders that would be the classes, or parts of one class in several splits.

    Raises:
        ValueError: Says what they would be taken for, shows the tree, and the words that settle it.
    """
    names = sorted({last_part(folder) for folder in candidates})
    tree_shown = tree.show(top)
    for name in names:
        if (original := original_of(name)) in names:
            _refuse(
                f"`{name}` beside `{original}`, of which it is a copy by its name",
                tree_shown,
                f"Remove one of them. {_if_classes(names)}",
            )
    inside = {name: set[str]() for name in names}
    for folder in candidates:
        inside[last_part(folder)].update(_inner_names(tree, folder))
    if repeated := sorted({inner for name in names for inner in inside[name] - {name}}.intersection(names)):
        _refuse(
            f"folders {some(repeated)} both as classes and inside of another class",
            tree_shown,
            f"Put all images of a class into one folder. {_if_classes(names)}",
        )
    if _repeat(inside):
        _refuse_repeated(names, inside, tree_shown)
    refuse_names_of_no_classes(names, tree_shown)


def refuse_names_of_no_classes(names: list[str], tree_shown: str) -> None:
    """Raise where all classes are called like something else.

    Args:
        names: Of the classes, sorted: all folders at their level, or later those that have images.
        tree_shown: The folders of the source.

    Raises:
        ValueError: Says what they would be taken for, and the words that settle it.
    """
    for kind, is_kind, cure in (
        ("patients or series", is_patient, f"{_IF_PATIENTS} "),
        ("folds of a cross-validation", is_fold, ""),
    ):
        if len(names) < 2 or not all(is_kind(name) for name in names):
            continue
        _refuse(
            f"folders that are called like {kind}, {some(names)}, not like classes",
            tree_shown,
            f"Put the images into a folder for each class, as <class>/<file>. {cure}{_if_classes(names)}",
        )


def class_names_block(names: Mapping[str, str]) -> str:
    """Write a block of parameters to copy, quoted where YAML needs it."""
    block = {"data_ingestion": {"class_names": dict(names)}}
    text: str = yaml.safe_dump(block, allow_unicode=True, sort_keys=False, width=10_000)
    return text


def _inner_names(tree: FolderTree, folder: str) -> set[str]:
    """Names of the folders inside, looking through those that are splits or mere wrappers."""
    found: set[str] = set()
    for child in tree.children(folder):
        name = last_part(child)
        found |= _inner_names(tree, child) if split_of(name) or is_wrapper(name) else {name}
    return found


def _repeat(inside: Mapping[str, set[str]]) -> bool:
    """Whether at least half of the inner folders have a name that is inside another folder too."""
    counts = Counter(name for names in inside.values() for name in names)
    repeated = sum(count for count in counts.values() if count > 1)
    return len(counts) > 1 and 2 * repeated >= counts.total() > 0


def _refuse_repeated(names: list[str], inside: Mapping[str, set[str]], tree_shown: str) -> NoReturn:
    inner = sorted(set().union(*inside.values()))
    cure = f"{_IF_INNER_PATIENTS} {_IF_PATIENTS.replace('they', 'the outer ones')}\n{_if_classes(names)}"
    if all(is_fold(name) for name in names):
        cure = (
            "Folds of a cross-validation are not taken for splits, because only you know which of them measures. "
            "Rename them to train, validation and test, or put the images of all folds together, as <class>/<file>."
        )
    _refuse(
        f"the same folders, {some(inner)}, inside of {some(names)}",
        tree_shown,
        f"{cure}\n{_if_classes(inner, place='inner ')}",
    )


def _if_classes(names: Iterable[str], place: str = "") -> str:
    listed = list(names)
    block = class_names_block({name: name for name in listed[:_LONGEST_BLOCK]})
    more = f"    # and {len(listed) - _LONGEST_BLOCK} more\n" if len(listed) > _LONGEST_BLOCK else ""
    return f"If the {place}folders {some(listed)} are the classes, say so in conf/local/parameters.yml:\n{block}{more}"


def _refuse(received: str, tree_shown: str, cure: str) -> NoReturn:
    raise ValueError(
        "Invalid value received for `data_ingestion.source`. Expected a folder for each class, as <class>/<file> or "
        f"<split>/<class>/<file>. Received {received}:\n{tree_shown}\n{cure}\n"
        "If a table says which class each file is of, name it: `data_ingestion.table.path`; docs/data.md says more."
    )
