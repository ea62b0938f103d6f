"""What a source's folders are taken for, refused before any file is opened where that can't be right."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from chest_cancer.parameters.sources import SourceParameters
from chest_cancer.pipelines.data_ingestion.expectation import Expectation
from chest_cancer.pipelines.data_ingestion.layout import OUTSIDE, Layout, read_layout
from chest_cancer.pipelines.data_ingestion.quarantine import require_classes
from chest_cancer.pipelines.data_ingestion.table_layout import add_table, layout_of_table, no_classes_in
from chest_cancer.sources.foreign import foreign_by_name, holds_no_images
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.intake import is_folder_problem, name_problem
from chest_cancer.sources.table import ImageTable


def recognise_classes(
    images: ImageFolder, parameters: SourceParameters, expected: Expectation, table: ImageTable | None = None
) -> Layout:
    """Read classes and splits off the folders, those that could not be taken included, and off a table.

    Args:
        images: The files, and what was refused of the source.
        parameters: How the source is read.
        expected: What the source has to bring.
        table: What a table says of the files, where there is one.

    Returns:
        The layout.

    Raises:
        ValueError: The folders may be no classes, or are not what is expected.
    """
    refused = [(path, reason) for path, reason in images.refused if path != "." and name_problem(path) is None]
    lost_folders = [path for path, reason in refused if is_folder_problem(path, reason)]
    refused_files = [path for path, reason in refused if not is_folder_problem(path, reason)]
    files = [*images.paths, *refused_files]
    if table is not None and "label" in table.columns:
        layout = layout_of_table(table, parameters.class_names)
    else:
        in_source, all_folders = [*images.files_of_source, *refused_files], [*images.folders, *lost_folders]
        with _naming_columns(table):
            layout = read_layout(in_source, all_folders, parameters.class_names, parameters.patient)
        layout = layout if table is None else add_table(layout, table)

    inside = [*(path for path in files if not holds_no_images(path)), *(f"{folder}/" for folder in lost_folders)]
    folders = Counter(folder for path in inside if (folder := layout.find(path)))
    counts: Counter[str] = Counter()
    for folder, number in folders.items():
        counts[folder.label] += number
    outside = [
        (path, foreign_by_name(path) or layout.reason(path))
        for path in images.paths
        if layout.find(path) is None or foreign_by_name(path)
    ]
    empty = [(folder.path, "class folder holds no image") for folder in layout.class_folders if folder not in folders]
    with _naming_columns(table):
        require_classes(counts, sorted([*images.refused, *outside, *empty]), "files", expected.fewest_classes)
    expected.check(folders, sorted(counts))
    if loose := [path for path, reason in outside if reason == OUTSIDE]:
        note = f"{len(loose)} file(s) lie in no class folder and were left out, such as `{loose[0]}`."
        return replace(layout, notes=(*layout.notes, note))
    return layout


@contextmanager
def _naming_columns(table: ImageTable | None) -> Iterator[None]:
    """Where folders are no classes, and a table is there that should have said them, errors say how it can."""
    try:
        yield
    except ValueError as error:
        if table is None or "label" in table.columns:
            raise
        raise ValueError(f"{error} {no_classes_in(table)}") from error
