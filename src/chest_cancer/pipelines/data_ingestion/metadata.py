"""Metadata of the images: what a table or their DICOM files say of them beside class and patient."""

import pandas as pd

from chest_cancer.sources.metadata import group_columns
from chest_cancer.sources.split_names import words
from chest_cancer.sources.table import ImageTable
from chest_cancer.sources.table_file import TEXT

# What tables call an attribute of DICOM files, as one word.
_IN_TABLES = {
    "sex": "sex gender patientsex patientgender",
    "age": "age patientage ageyears ageinyears",
    "scanner": "scanner scannermodel manufacturer manufacturermodelname model modelname vendor",
    "kernel": "kernel convolutionkernel reconstructionkernel reconkernel",
    "slice thickness (mm)": "slicethickness slicethicknessmm thickness",
    "site": "site center centre hospital institution institutionname",
}


def describe_images(
    index: pd.DataFrame, table: ImageTable | None, attributes: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """Gather what is known of the images, in groups that name nobody (`sources.metadata.group_columns`).

    Args:
        index: The image index, n rows.
        table: Where there is one; what it says is taken before what DICOM files say of the same thing.
        attributes: What the DICOM file of each row says, n rows, by name; missing for other formats.

    Returns:
        A row for each of the index, in its order: `path`, and a column of groups for each thing that is known; and
        sentences on what was left out, which name columns and no value.
    """
    paths = pd.Index(index["path"])
    by_table = pd.DataFrame(index=paths) if table is None else table.metadata.reindex(paths)
    by_table = by_table.drop(columns="path", errors="ignore")
    by_dicom = attributes.assign(site=_number_sites(attributes["site"])).set_axis(paths)
    answered = {"".join(words(str(name))) for name in by_table}
    asked = [name for name, called in _IN_TABLES.items() if not answered.intersection(called.split())]
    # A patient without a name is known by the study, if that has one.
    patients = index["patient"].fillna(index["study"]).set_axis(paths)
    groups, notes = group_columns(pd.concat([by_table, by_dicom[asked]], axis=1), patients)
    return groups.reset_index(names="path"), notes


def _number_sites(sites: "pd.Series[str]") -> "pd.Series[str]":
    """Call sites by number, that with the most images first."""
    sizes = sites.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return sites.map({site: f"site {number}" for number, site in enumerate(sizes.index, start=1)}).astype(TEXT)
