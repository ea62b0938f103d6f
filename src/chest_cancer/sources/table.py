"""What a table says of each image: class, patient, study and split, by the files that its rows mean."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chest_cancer.parameters.sources import TableParameters
from chest_cancer.parameters.values import TableRole
from chest_cancer.sources.foreign import holds_no_images
from chest_cancer.sources.split_names import split_of
from chest_cancer.sources.table_columns import find_columns
from chest_cancer.sources.table_file import NOBODY, NOTHING, TEXT, read_cells
from chest_cancer.sources.table_matching import FileFinder, FolderFinder
from chest_cancer.sources.wording import some

_FACTS: tuple[TableRole, ...] = ("label", "patient", "study", "split")
_SHOWABLE = ("label", "split")
_SUFFIXES = (".csv", ".tsv", ".parquet")
_MOST_NAMES = 10
_SHOWN = 3

NO_ROW = "no row of the table is about this file"
SHARED_ROW = "a row of the table fits this file and others: it needs the folders of its path"


@dataclass(frozen=True)
class ImageTable:
    """What a table says of the files of a source.

    Attributes:
        file: The table.
        columns: Role to the column that it was read from, for the roles that the table has.
        rows: By path of the source, sorted: `label`, `patient`, `study` and `split` (`train`, `validation` or `test`),
            missing where the table has no column or no value.
        metadata: By the same paths: all other columns, as text.
        refused: Path and reason of each file whose rows contradict each other.
        without_row: Path and reason of each file that may be an image and that no row is known to be of.
        notes: What somebody should know of the reading, in sentences without names of patients.
    """

    file: Path
    columns: Mapping[TableRole, str]
    rows: pd.DataFrame
    metadata: pd.DataFrame
    refused: tuple[tuple[str, str], ...]
    without_row: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read_table(
    parameters: TableParameters, paths: Sequence[str], root: Path, folder_of: Callable[[str], str] | None = None
) -> ImageTable:
    """Read a table, and find the file of each row, or the files below a folder: a series, or a volume in its slices.

    Args:
        parameters: The block `data_ingestion.table`, with a path.
        paths: Files of the source, relative, with `/`; without masks, whose names are those of images.
        root: Folder of the source, where the table may lie.
        folder_of: Where each study has a folder, takes a study and returns its folder; a table needs no paths then.

    Returns:
        What the table says of these files.

    Raises:
        ValueError: When there is no such table, it is not certain what its columns are, a split has an unknown name,
            or no row is of a file.
    """
    file = _locate(parameters.path, paths, root)
    cells, read_notes = read_cells(file, file.read_bytes())
    columns, column_notes = find_columns(cells, parameters.columns, file.name, by_study=folder_of is not None)
    images = [path for path in paths if not holds_no_images(path)]
    finder, folders = FileFinder(images), FolderFinder(images)
    written = cells[columns["path"]]
    if folder_of is not None and columns["path"] == columns.get("study"):
        written = written.map(folder_of, na_action="ignore")
    matches = _find_files(written, finder, folders)
    _require_files(matches, columns, images, file)

    found = matches["path"].map(folders.files_of, na_action="ignore").dropna().explode()
    of_files = cells.loc[found.index].set_axis(pd.Index(found, name="path"))
    rows, refused = _one_row_each(_read_facts(of_files, columns, file))
    metadata = of_files.drop(columns=list(set(columns.values())))
    ends = set(matches["shared"].dropna())
    shared = set(finder.sharing(ends)) if ends else set()
    known = set(of_files.index.tolist())
    return ImageTable(
        file=file,
        columns=columns,
        rows=rows,
        metadata=metadata[~metadata.index.duplicated()].loc[rows.index],
        refused=refused,
        without_row=tuple((path, SHARED_ROW if path in shared else NO_ROW) for path in images if path not in known),
        notes=(
            *read_notes,
            *column_notes,
            *_row_notes(matches, show=columns["path"] != columns.get("patient")),
            *_file_notes(of_files, rows, columns, images),
        ),
    )


def _locate(path: str | None, paths: Sequence[str], root: Path) -> Path:
    given = Path(path or "").expanduser()
    for file in (given, root / given):
        if file.is_file():
            return file
    inside = [name for name in paths if name.lower().endswith(_SUFFIXES)]
    raise ValueError(
        "Invalid value received for `data_ingestion.table.path`. Expected a CSV, TSV or Parquet file, by its path from "
        f"here or from the folder of the source. Received: {path!r}."
        + (f" The source has {some(inside, _SHOWN)}." if inside else "")
    )


def _find_files(written: "pd.Series[str]", finder: FileFinder, folders: FolderFinder) -> pd.DataFrame:
    """Find the file or folder of each row; of two that are written differently, the one as written has the file."""
    names = written.dropna().unique().tolist()
    of_files = [(name, finder.find(name)) for name in names]
    found = [match if match.path or match.shared else folders.find(name) for name, match in of_files]
    matches = pd.DataFrame.from_records(
        [(match.path, match.shared, match.doubts) for match in found],
        columns=["path", "shared", "doubts"],
        index=pd.Index(names),
    ).astype({"path": TEXT, "shared": TEXT})
    fewest = matches.groupby("path")["doubts"].transform("min")
    matches["path"] = matches["path"].where(matches["doubts"] == fewest)
    return matches.reindex(written).rename_axis("written").reset_index()


def _require_files(matches: pd.DataFrame, columns: Mapping[TableRole, str], images: Sequence[str], file: Path) -> None:
    if matches["path"].notna().any():
        return
    written = matches["written"].dropna()
    example = (
        f", such as {some(written[:1], _SHOWN)}" if len(written) and columns["path"] != columns.get("patient") else ""
    )
    shared = int(matches["shared"].notna().sum())
    raise ValueError(
        "Invalid value received for `data_ingestion.table.path`. Expected rows of files of the source: "
        f"{some(images, _SHOWN) or 'it has none'}. Received {file}, where none of {len(matches)} paths in the column "
        f"`{columns['path']}` is of a file{example}. "
        + (f"{shared} may be of several files: write their folders, too. " if shared else "")
        + "If another column has the paths, name it: `data_ingestion.table.columns: {path: <column>}`."
    )


def _read_facts(cells: pd.DataFrame, columns: Mapping[TableRole, str], file: Path) -> pd.DataFrame:
    """Read label, patient, study and split of each row."""
    facts = pd.DataFrame(index=cells.index, columns=list(_FACTS), dtype=TEXT)
    for role in _FACTS:
        if role in columns:
            values = cells[columns[role]]
            facts[role] = values.mask(values.str.lower().isin(NOTHING if role == "label" else NOBODY))
    names = facts["split"].dropna().unique()
    splits = {name: split_of(name) for name in names}
    if unknown := sorted(name for name, split in splits.items() if split is None):
        received = some(unknown, _SHOWN) if len(unknown) <= _MOST_NAMES else f"{len(unknown)} other names"
        raise ValueError(
            f"Invalid value received for the column `{columns['split']}` of {file}. Expected names of splits, such as "
            f"train, validation, val, dev, test, testing_set. Received also: {received}. Correct them, or say that the "
            "table has no splits: `data_ingestion.table.columns: {split: null}`."
        )
    facts["split"] = facts["split"].map(splits).astype(TEXT)
    return facts


def _one_row_each(facts: pd.DataFrame) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """Join the rows of a file where they agree; path and reason of the files whose rows don't."""
    is_repeated = facts.index.duplicated(keep=False)
    repeated = facts[is_repeated]
    groups = repeated.groupby(level="path")
    differs = groups.nunique().gt(1).any(axis=1)
    contradicting = differs.index[differs]
    joined = groups.first().drop(contradicting)
    refused = _contradictions(repeated[repeated.index.isin(contradicting)])
    return pd.concat([facts[~is_repeated], joined]).sort_index(), refused


def _contradictions(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Say in what the rows of each file differ; patients and studies are not named."""
    values: defaultdict[str, list[set[str]]] = defaultdict(lambda: [set() for _ in _FACTS])
    for path, *facts in rows.itertuples(name=None):
        for known, value in zip(values[path], facts, strict=True):
            known.update([value] if isinstance(value, str) else [])
    reasons = {
        path: ", ".join(
            f"{role} {some(sorted(known), _SHOWN)}" if role in _SHOWABLE else f"{len(known)} values of {role}"
            for role, known in zip(_FACTS, of_path, strict=True)
            if len(known) > 1
        )
        for path, of_path in values.items()
    }
    return tuple((path, f"rows of the table contradict each other: {reasons[path]}") for path in sorted(reasons))


def _row_notes(matches: pd.DataFrame, *, show: bool) -> list[str]:
    written, path = matches["written"], matches["path"]
    doubted = matches[path.notna() & (matches["doubts"] > 0)]
    shared = written[matches["shared"].notna()]
    lost = written[path.isna() & matches["shared"].isna() & written.notna()]
    notes = [
        (lost, "Rows of the table without a file: {}. They were not used."),
        (shared, "Rows of the table that fit more than one file: {}. Their paths need folders; they were not used."),
        (doubted["written"], "Rows of the table whose file has another folder or suffix: {}. They were used."),
    ]
    said = [
        note.format(f"{len(names)} of {len(matches)}" + (f", such as {some(names, _SHOWN)}" if show else ""))
        for names, note in notes
        if len(names)
    ]
    if empty := int(written.isna().sum()):
        said.append(f"Rows of the table without a path: {empty} of {len(matches)}. They were not used.")
    return said


def _file_notes(
    of_files: pd.DataFrame, rows: pd.DataFrame, columns: Mapping[TableRole, str], images: Sequence[str]
) -> list[str]:
    said = []
    known = set(of_files.index.tolist())
    if without := [path for path in images if path not in known]:
        said.append(
            f"Files without a row in the table: {len(without)} of {len(images)}, such as {some(without, _SHOWN)}."
        )
    repeated = set(of_files.index[of_files.index.duplicated()])
    if agreeing := sorted(repeated.intersection(rows.index)):
        said.append(
            f"Files with more than one row in the table: {len(agreeing)}, such as {some(agreeing, _SHOWN)}. Their rows "
            "agree, and other columns are from the first one."
        )
    for role in _FACTS:
        missing = int(rows[role].isna().sum())
        if role in columns and missing:
            said.append(f"Files whose row has no {role}: {missing} of {len(rows)}. `NA` and the like count as none.")
    return said
