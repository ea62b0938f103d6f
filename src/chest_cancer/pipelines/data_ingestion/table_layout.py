"""Class and split of each file by a table, beside what folders say."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from chest_cancer.pipelines.data_ingestion.folder_names import is_mask, normal_form
from chest_cancer.pipelines.data_ingestion.layout import ClassFolder, Layout, one_class_a_spelling
from chest_cancer.sources.split_names import split_of
from chest_cancer.sources.table import ImageTable
from chest_cancer.sources.wording import named, some

BY_TABLE = "a row of the table for each file"
_NO_LABEL = "its row of the table gives no class"


def without_masks(paths: Sequence[str]) -> list[str]:
    """Leave out what lies in folders of masks or annotations: these have the names of images."""
    return [path for path in paths if not any(is_mask(normal_form(folder)) for folder in path.split("/")[:-1])]


def layout_of_table(table: ImageTable, class_names: Mapping[str, str]) -> Layout:
    """Take classes and splits from a table that says the class of each file.

    A folder that is called like another class of the table contradicts it, and the file is left out. A file whose row
    says no split has that of its folder, where the folders are of several splits.

    Args:
        table: With labels.
        class_names: Name in the table to class name; other names are classes of their own.

    Returns:
        A layout without class folders.
    """
    left_out = dict([*table.refused, *table.without_row])
    known = {_key(label) for label in table.rows["label"].dropna()}
    names = {normal_form(name): label for name, label in class_names.items()}
    by_file = {}
    by_folder, split_notes = _splits_of_folders(table, known)
    for path, label, split in table.rows[["label", "split"]].itertuples(name=None):
        folders = path.split("/")[:-1]
        named = [folder for folder in folders if _key(folder) in known]
        if pd.isna(label):
            left_out[path] = _NO_LABEL
        elif named and _key(label) not in map(_key, named):
            left_out[path] = f"contradicting labels: {label!r} in the table, and its folder is {named[-1]!r}"
        else:
            name = normal_form(label)
            short = names.get(name, name)
            by_file[path] = ClassFolder("/".join(folders), short, by_folder.get(path) if pd.isna(split) else split)
    folders_of, notes = one_class_a_spelling(list(by_file.values()), set(class_names.values()))
    by_file = dict(zip(by_file, folders_of, strict=True))
    return Layout((), tuple(left_out.items()), BY_TABLE, (*table.notes, *split_notes, *notes), by_file)


def _key(name: str) -> str:
    """What is one class has one key: see `one_class_a_spelling`."""
    return normal_form(name).casefold()


def _splits_of_folders(table: ImageTable, classes: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Read splits off the folders of files whose rows say none; a folder that is called like a class is none."""
    found: dict[str, str] = {}
    names: set[str] = set()
    for path in table.rows.index[table.rows["split"].isna()]:
        called = [folder for folder in path.split("/")[:-1] if _key(folder) not in classes]
        splits = {name: split for name in called if (split := split_of(name))}
        if len(set(splits.values())) == 1:
            names.update(splits)
            found[path] = next(iter(splits.values()))
    if len(set(found.values())) < 2:  # one alone, such as `test_data`, holds everything
        return {}, []
    return found, [f"Where the table says no split, the folders do: {some(sorted(names))}."]


def no_classes_in(table: ImageTable) -> str:
    """Say how to name the column of classes, of a table in which none is called so.

    Args:
        table: Without labels.

    Returns:
        Sentences with the names of its further columns.
    """
    columns = [str(name) for name in table.metadata.columns]
    if not columns:
        return f"Or add a column of classes to {table.file.name}, which has none."
    return (
        f"Or, if one of the columns {named(columns)} of {table.file.name} has the classes, name it: "
        "`data_ingestion.table.columns: {label: <its name>}`."
    )


def add_table(layout: Layout, table: ImageTable) -> Layout:
    """Add the splits of a table to classes that folders say.

    Args:
        layout: What the folders were taken for.
        table: Without labels.

    Returns:
        The layout; a file that folder and table put in different splits is left out.
    """
    left_out, by_file = dict(table.refused), {}
    for path, split in table.rows["split"].dropna().items():
        folder = layout.find(str(path))
        if folder is None:
            continue
        if folder.source_split not in {None, split}:
            left_out[str(path)] = f"contradicting splits: {split} in the table, and its folder is {folder.source_split}"
        by_file[str(path)] = replace(folder, source_split=split)
    notes = (*layout.notes, *table.notes)
    return replace(layout, left_out=(*layout.left_out, *left_out.items()), notes=notes, by_file=by_file)
