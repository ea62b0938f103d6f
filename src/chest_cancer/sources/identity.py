"""Whom an image shows: as its file or its path says, and outside of this process's memory as a keyed hash alone."""

import re
from typing import TYPE_CHECKING, NamedTuple, Self

from chest_cancer.imaging.pixels import Identifiers
from chest_cancer.sources.identifiers import keyed_hash

if TYPE_CHECKING:  # processes that read files do without it
    import pandas as pd

PHANTOM_PATIENTS = r"/(?P<patient>patient_\d+)_slice_\d+\.png$"
"""How phantoms name theirs, whom `auto` knows as well."""

MAY_FIND_NOBODY = ("auto", "unknown")
"""Ways to find patients under which it is no mistake that there are none."""


class Identity(NamedTuple):
    """Whom and what an image shows, by keyed hashes of 16 hexadecimal digits; None where nobody knows."""

    patient: str | None = None
    study: str | None = None
    series: str | None = None

    @classmethod
    def of(cls, key: bytes, *, patient: str | None = None, study: str | None = None, series: str | None = None) -> Self:
        """Hash identifiers under the key of this project; they are None or empty where there are none."""
        given = {"patient": patient, "study": study, "series": series}
        return cls(**{kind: keyed_hash(key, kind, name) for kind, name in given.items() if name})

    @classmethod
    def in_file(cls, key: bytes, identifiers: Identifiers | None) -> Self:
        """Take what a DICOM file says of itself; None for other formats."""
        found = identifiers or Identifiers("", "", "")
        return cls.of(key, patient=found.patient, study=found.study, series=found.series)


def patient_in_path(path: str, expression: str) -> str | None:
    """Read a patient off a path, by the group `patient` of a regular expression; None where it finds none."""
    found = re.search(expression, path)
    return found["patient"] if found else None


def without_shared_identifiers(index: "pd.DataFrame", way: str) -> "tuple[pd.DataFrame, list[str]]":
    """Take no patient from files that were all given the same PatientID when they were made anonymous.

    Args:
        index: A row per image, with `patient` and `study`.
        way: How patients are found: nothing is done but under `auto`.

    Returns:
        The index, and sentences on what was done.
    """
    known = index[["patient", "study"]].dropna(subset=["patient"])
    studies = known["study"].nunique()
    if way != "auto" or studies < 2 or len(set(known["patient"])) != 1:
        return index, []
    note = (
        f"All {len(known)} DICOM files have the same PatientID, but are of {studies} studies: it was "
        "replaced when they were made anonymous, and no patient is taken from it. The way `dicom` takes it at its word."
    )
    return index.assign(patient=index["patient"].mask(index["patient"].notna())), [note]


def finds_nobody(way: str, parameter: str, example: str) -> ValueError:
    """Make the error of a way to find patients that finds none.

    Args:
        way: How patients are looked for.
        parameter: Where that was said.
        example: Path of an image.
    """
    return ValueError(
        f"Invalid value received for `{parameter}`. Expected a way that finds the patient of an image. "
        f"Received: {way!r}, which finds none, such as of {example!r}. Correct it, or use `unknown`."
    )
