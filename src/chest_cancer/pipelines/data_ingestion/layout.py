"""Reading class and split of an image off the folders that it lies in."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

SPLITS = {
    "train": "train",
    "valid": "validation",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}


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
    """The class folders of a set of images, none inside another."""

    class_folders: tuple[ClassFolder, ...]

    def find(self, path: str) -> ClassFolder | None:
        """Find the class folder that a file lies in; None when it lies in none."""
        while path := path.rpartition("/")[0]:
            if path in self._by_path:
                return self._by_path[path]
        return None

    @cached_property
    def _by_path(self) -> dict[str, ClassFolder]:
        return {folder.path: folder for folder in self.class_folders}


def read_layout(paths: Sequence[str], folders: Sequence[str], class_names: Mapping[str, str]) -> Layout:
    """Recognise `<class>/<file>` and `<split>/<class>/<file>`, below any number of wrapping folders.

    Args:
        paths: All files.
        folders: All folders, empty ones too.
        class_names: Folder name to class name; other folders are classes of their own name.

    Returns:
        The class folders. Those that lie beside split folders are left out.

    Raises:
        ValueError: When `class_names` names a folder that is not there.
    """
    short = {_normal(name): label for name, label in class_names.items()}
    children: dict[str, list[str]] = {}
    for folder in folders:
        children.setdefault(folder.rpartition("/")[0], []).append(folder)
    top = _skip_wrappers(children, {path.rpartition("/")[0] for path in paths}, short)

    inside = children.get(top, [])
    splits = {folder: SPLITS[_name(folder).casefold()] for folder in inside if _name(folder).casefold() in SPLITS}
    found: list[tuple[str, str | None]] = [(folder, None) for folder in inside]
    if any(children.get(folder) for folder in splits):
        found = [(folder, split) for parent, split in splits.items() for folder in children.get(parent, [])]
    _require_known(class_names, (folder for folder, _ in found))
    labelled = (ClassFolder(folder, short.get(_name(folder), _name(folder)), split) for folder, split in found)
    return Layout(tuple(sorted(labelled, key=lambda folder: folder.path)))


def _skip_wrappers(children: Mapping[str, Sequence[str]], with_files: set[str], short: Mapping[str, str]) -> str:
    """Go down while there is one folder only and it holds folders itself, so that a lone class is not skipped."""
    top = ""
    while len(children.get(top, ())) == 1:
        (only,) = children[top]
        below = len(children.get(only, ()))
        if below == 0 or (below == 1 and only in with_files) or _name(only) in short:
            break
        top = only
    return top


def _require_known(class_names: Mapping[str, str], folders: Iterable[str]) -> None:
    found = sorted({_name(folder) for folder in folders})
    unknown = sorted(name for name in class_names if _normal(name) not in found)
    if unknown:
        raise ValueError(
            f"Invalid value received for `data_ingestion.class_names`. Expected names of class folders of the source: "
            f"{found}. Received also: {unknown}. Correct or remove these."
        )


def _name(folder: str) -> str:
    return _normal(folder.rpartition("/")[2])


def _normal(name: str) -> str:
    """Archives made on macOS spell accented letters with two characters."""
    return unicodedata.normalize("NFC", name)
