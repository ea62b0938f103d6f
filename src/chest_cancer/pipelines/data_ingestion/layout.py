"""Reading class and split of an image off the folders that it lies in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from chest_cancer.parameters.values import ABOVE_CLASS, BELOW_CLASS
from chest_cancer.pipelines.data_ingestion.ambiguity import (
    refuse_folders_that_may_be_no_classes,
    refuse_splits_inside_splits,
    refuse_splits_without_classes,
)
from chest_cancer.pipelines.data_ingestion.folder_names import (
    is_mask,
    is_wrapper,
    last_part,
    masks_beside,
    normal_form,
)
from chest_cancer.pipelines.data_ingestion.folder_tree import FolderTree
from chest_cancer.sources.split_names import split_of
from chest_cancer.sources.wording import some

OUTSIDE = "not in a class folder"

_MASKS = (
    "in the folder `{folder}` of masks or annotations, which are no slices; if it is a class, name it in "
    "`data_ingestion.class_names`"
)
_MASK_BESIDE = "by its name the mask of `{image}`, which lies beside it; if it is a slice, rename it"
_BESIDE = "in the folder `{folder}`, which lies beside the folders of splits and is none"


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose images, at any depth, have one label.

    Attributes:
        path: Relative path.
        label: Name of the class.
        source_split: The split that the source puts it in: `train`, `validation`, `test`, or None.
    """

    path: str
    label: str
    source_split: str | None


@dataclass(frozen=True)
class Layout:
    """What the folders of a source were taken for.

    Attributes:
        class_folders: The class folders, none inside another.
        left_out: Folders that are no classes, and files that have none, and why.
        pattern: Such as `<split>/<class>/<file>`.
        notes: What somebody should know of the reading, in sentences.
        by_file: Class and split of files that a table says more of than their folders.
        is_certain: Whether somebody has said what the classes are.
    """

    class_folders: tuple[ClassFolder, ...]
    left_out: tuple[tuple[str, str], ...]
    pattern: str
    notes: tuple[str, ...]
    by_file: Mapping[str, ClassFolder] = field(default_factory=dict)
    is_certain: bool = True

    def find(self, path: str) -> ClassFolder | None:
        """Find the class folder that a file lies in; None when it lies in none."""
        if path in self._reasons:
            return None
        if path in self.by_file:
            return self.by_file[path]
        while path := path.rpartition("/")[0]:
            if path in self._reasons:
                return None
            if path in self._by_path:
                return self._by_path[path]
        return None

    def reason(self, path: str) -> str:
        """Say why a file that lies in no class folder has no label."""
        if path in self._reasons:
            return self._reasons[path]
        while path := path.rpartition("/")[0]:
            if path in self._reasons:
                return self._reasons[path]
        return OUTSIDE

    @cached_property
    def _by_path(self) -> dict[str, ClassFolder]:
        return {folder.path: folder for folder in self.class_folders}

    @cached_property
    def _reasons(self) -> dict[str, str]:
        return dict(self.left_out)


def read_layout(
    paths: Sequence[str], folders: Sequence[str], class_names: Mapping[str, str], patients: str = ""
) -> Layout:
    """Recognise `<class>/<file>`, `<split>/<class>/<file>` and `<class>/<split>/<file>`, below any number of wrappers.

    Folders of masks and annotations are left out. Names that differ in case alone are one class.

    Args:
        paths: All files.
        folders: All folders, empty ones too.
        class_names: Folder name to class name; other folders are classes of their own name. Where these folders lie
            one level deeper than classes usually do, that level holds the classes.
        patients: Where folders of patients lie, `BELOW_CLASS` or `ABOVE_CLASS`; anything else says nothing of it.

    Returns:
        The class folders, and what else was seen.

    Raises:
        ValueError: When it is not certain which folders are the classes, or `class_names` names one that is not there.
    """
    names = {normal_form(name): label for name, label in class_names.items()}
    inside_patients = patients == ABOVE_CLASS
    tree, masks = FolderTree(paths, folders).without(
        lambda folder: is_mask(last_part(folder)) and last_part(folder) not in names
    )
    left_out, notes = _leave_out_masks(masks, masks_beside(paths))
    top = _skip_wrappers(tree, names)
    inside = tree.children(top)
    splits = {
        folder: split for folder in inside if (split := split_of(last_part(folder))) and last_part(folder) not in names
    }
    level: list[tuple[str, str | None]] = [(folder, None) for folder in inside]
    pattern = "<class>/<file>"
    if any(tree.children(folder) for folder in splits):
        level = [(folder, split) for parent, split in splits.items() for folder in _inside_split(tree, parent)]
        pattern = "<split>/<class>/<file>"
        refuse_splits_inside_splits(tree, top, [folder for folder, _ in level if last_part(folder) not in names])
        beside = [folder for folder in inside if folder not in splits]
        left_out += [(folder, _BESIDE.format(folder=folder)) for folder in beside]
        notes += [f"`{folder}` lies beside the folders of splits and is none: left out." for folder in beside]
    else:
        refuse_splits_without_classes(tree, splits)
    level, ignored = _level_of_class_names(tree, level, names, inside_patients)
    if inside_patients:
        pattern = pattern.replace("<class>", "<patient>/<class>")
    elif ignored:
        pattern = pattern.replace("<class>", "<folder>/<class>")
        notes.append(f"The folders above those of `class_names` were ignored: {some(ignored)}.")
    _require_known(names, (folder for folder, _ in level))
    certain = patients in (ABOVE_CLASS, BELOW_CLASS) or any(last_part(folder) in names for folder, _ in level)
    if not certain:
        refuse_folders_that_may_be_no_classes(tree, top, [folder for folder, _ in level])
    labelled = [ClassFolder(folder, names.get(last_part(folder), last_part(folder)), split) for folder, split in level]
    labelled, case_notes = one_class_a_spelling(labelled, set(names.values()))
    labelled, kept = _splits_inside_classes(tree, labelled)
    pattern = "<class>/<split>/<file>" if kept else pattern
    notes += [*case_notes, *_depth_notes(tree, labelled)]
    labelled.sort(key=lambda folder: folder.path)
    return Layout(tuple(labelled), tuple(left_out), pattern, tuple(notes), is_certain=certain)


def _skip_wrappers(tree: FolderTree, names: Mapping[str, str]) -> str:
    """Go down while there is one folder only and it holds folders itself, so that a lone class is not skipped."""
    top = ""
    while len(tree.children(top)) == 1:
        (only,) = tree.children(top)
        below = len(tree.children(only))
        if below == 0 or (below == 1 and tree.files_in(only)) or last_part(only) in names:
            break
        top = only
    return top


def _inside_split(tree: FolderTree, split: str) -> list[str]:
    """Class folders of a split, also where all lie in one folder such as `images`, or `train` again."""
    inside = tree.children(split)
    if len(inside) == 1 and tree.children(inside[0]):
        name = last_part(inside[0])
        if is_wrapper(name) or split_of(name) == split_of(last_part(split)):
            return tree.children(inside[0])
    return inside


def _level_of_class_names(
    tree: FolderTree, level: list[tuple[str, str | None]], names: Mapping[str, str], inside_patients: bool
) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Go one level down where classes are inside patients, or `class_names` lie there; list the folders passed over."""
    if inside_patients:
        return [(child, split) for folder, split in level for child in tree.children(folder)], []
    if not names or any(last_part(folder) in names for folder, _ in level):
        return level, []
    deeper = [(child, split) for folder, split in level for child in tree.children(folder)]
    if not any(last_part(folder) in names for folder, _ in deeper):
        return level, []
    return deeper, [folder for folder, _ in level]


def _require_known(names: Mapping[str, str], folders: Iterable[str]) -> None:
    found = sorted({last_part(folder) for folder in folders})
    unknown = sorted(name for name in names if name not in found)
    if unknown:
        raise ValueError(
            f"Invalid value received for `data_ingestion.class_names`. Expected names of class folders of the source: "
            f"{found}. Received also: {unknown}. Correct or remove these."
        )


def one_class_a_spelling(folders: list[ClassFolder], chosen: set[str]) -> tuple[list[ClassFolder], list[str]]:
    """Give labels that differ in case alone one spelling.

    Args:
        folders: Folders with their labels.
        chosen: Spellings that `class_names` chose.

    Returns:
        The folders in the same order, with the chosen spelling, else the one in lower case; and sentences on that.
    """
    spellings: dict[str, set[str]] = {}
    for folder in folders:
        spellings.setdefault(folder.label.casefold(), set()).add(folder.label)
    one = {
        key: min(labels, key=lambda label: (label not in chosen, label != label.lower(), label))
        for key, labels in spellings.items()
    }
    notes = [
        f"{some(sorted(labels))} differ in case alone: taken as one class, `{one[key]}`."
        for key, labels in spellings.items()
        if len(labels) > 1
    ]
    return [replace(folder, label=one[folder.label.casefold()]) for folder in folders], notes


def _splits_inside_classes(tree: FolderTree, folders: list[ClassFolder]) -> tuple[list[ClassFolder], bool]:
    """Read `<class>/<split>/<file>`, where every class folder holds splits and nothing else."""
    inside = {folder: tree.children(folder.path) for folder in folders if tree.files_below(folder.path)}
    names = {split_of(last_part(child)) for children in inside.values() for child in children}
    whole = all(children and not tree.files_in(folder.path) for folder, children in inside.items())
    if not whole or None in names or len(names) < 2 or any(folder.source_split for folder in folders):
        return folders, False
    empty = [folder for folder in folders if folder not in inside]
    split = [
        ClassFolder(child, folder.label, split_of(last_part(child))) for folder in inside for child in inside[folder]
    ]
    return [*empty, *split], True


def _leave_out_masks(folders: list[str], beside: Mapping[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return path and reason of folders of masks, and of masks beside their images; and sentences on them."""
    left_out = [(folder, _MASKS.format(folder=folder)) for folder in folders]
    left_out += [(mask, _MASK_BESIDE.format(image=image)) for mask, image in beside.items()]
    notes = []
    if folders:
        notes.append(f"Folders of masks or annotations were left out, because these are no slices: {some(folders)}.")
    if beside:
        mask, image = next(iter(beside.items()))
        notes.append(f"{len(beside)} masks by their names were left out, such as `{mask}` beside `{image}`.")
    return left_out, notes


def _depth_notes(tree: FolderTree, folders: list[ClassFolder]) -> list[str]:
    """Name what lies below the class folders and is not looked at: patients, series, splits."""
    below = [inner for folder in folders for inner in tree.below(folder.path) if not is_wrapper(last_part(inner))]
    splits = [inner for inner in below if split_of(last_part(inner))]
    others = [inner for inner in below if not split_of(last_part(inner))]
    notes = []
    if splits:
        notes.append(f"Names of splits below class folders were ignored: {some(splits)}.")
    if others:
        notes.append(
            f"{len(others)} folders lie below the class folders, as in {BELOW_CLASS}: {some(others)}. They were taken "
            "for parts of their class."
        )
    return notes
