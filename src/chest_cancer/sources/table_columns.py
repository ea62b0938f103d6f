"""Which column of a table holds what: path, label, patient, study, split."""

from collections.abc import Mapping
from typing import get_args

import pandas as pd

from chest_cancer.parameters.values import TableRole
from chest_cancer.sources.split_names import split_of, words
from chest_cancer.sources.wording import named

ROLES: tuple[TableRole, ...] = get_args(TableRole)

# Names in lower case, without what stands between their words.
_NAMES: dict[TableRole, str] = {
    "path": "path paths relativepath file files filename filenames filepath image images imagefile imagefilename "
    "imageid imageindex imagename imagepath img imgfile imgid imgname imgpath dicomfile dicompath",
    "label": "label labels imagelabel class classes classlabel classname category diagnosis dx finding target",
    "patient": "patient patients patientid patientno patientnumber patientuid subject subjectid pid case caseid",
    "study": "study studyid studyuid studyinstanceuid scan scanid exam examid accession accessionnumber",
    "split": "split splits datasplit datasetsplit",
}
_ROLES: dict[str, TableRole] = {name: role for role, names in _NAMES.items() for name in names.split()}
# These hold something else as often.
_MAYBE_SPLITS = {"set", "subset", "dataset", "fold", "partition", "phase"}


def find_columns(
    cells: pd.DataFrame, chosen: Mapping[TableRole, str | None], table: str, *, by_study: bool = False
) -> tuple[dict[TableRole, str], list[str]]:
    """Find columns by their usual names, whatever their case and whatever stands between their words.

    Args:
        cells: The table.
        chosen: Role to its column, or to None where the table has none, as the parameters say.
        table: Name of the table, for messages.
        by_study: Whether the column of studies may stand for that of paths, where there is none.

    Returns:
        Role to its column, for those that are there, and what somebody should know, in sentences.

    Raises:
        ValueError: When two columns may have one role, one that the parameters name is not there, or none has paths.
    """
    names = [str(name) for name in cells.columns]
    found = {role: _chosen(role, name, names, table) for role, name in chosen.items() if name is not None}
    free = [name for name in names if name not in found.values()]
    maybe_splits = [name for name in free if _bare(name) in _MAYBE_SPLITS]
    for role in ROLES:
        candidates = [name for name in free if _ROLES.get(_bare(name)) == role]
        if role == "split":
            candidates += [name for name in maybe_splits if _names_splits(cells[name])]
        if candidates and role not in chosen:
            found[role] = _only(role, candidates, table)
    if by_study and "study" in found:
        found.setdefault("path", found["study"])
    if "path" not in found:
        raise ValueError(
            "Invalid value received for `data_ingestion.table.path`. Expected a column with paths or names of images "
            f"in {table}, such as `path` or `filename`. Received columns: {named(names)}. If one of them has these, "
            f"name it: `data_ingestion.table.columns: {{path: {names[0]!r}}}`."
        )
    if "split" in chosen or "split" in found:
        return found, []
    return found, [
        f"The column `{name}` of {table} was not taken for the split: no value in it is the name of a split."
        for name in maybe_splits
    ]


def _only(role: TableRole, candidates: list[str], table: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    none = "" if role == "path" else f", or none of them, by `{{{role}: null}}`"
    raise ValueError(
        f"Invalid value received for `data_ingestion.table.path`. Expected one column for the {role} in {table}. "
        f"Received {len(candidates)} that may be it: {named(candidates)}. Choose one, by "
        f"`data_ingestion.table.columns: {{{role}: {candidates[0]!r}}}`{none}."
    )


def _chosen(role: TableRole, name: str, names: list[str], table: str) -> str:
    if name in names:
        return name
    alike = [other for other in names if _bare(other) == _bare(name)]
    if len(alike) == 1:
        return alike[0]
    raise ValueError(
        f"Invalid value received for `data_ingestion.table.columns.{role}`. Expected a column of {table}: "
        f"{named(names)}. Received: {name!r}."
    )


def _names_splits(values: "pd.Series[str]") -> bool:
    return any(split_of(str(value)) for value in values.dropna().unique())


def _bare(name: str) -> str:
    return "".join(words(name)) or name
