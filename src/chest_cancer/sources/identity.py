"""Whom an image shows: as its file or its path says, and outside of this process's memory as a keyed hash alone."""

import re
from collections.abc import Container
from typing import TYPE_CHECKING, NamedTuple, Self

from chest_cancer.imaging.pixels import Identifiers
from chest_cancer.sources.identifiers import keyed_hash

if TYPE_CHECKING:  # processes that read files do without it
    import pandas as pd

PHANTOM_PATIENTS = r"/(?P<patient>patient_\d+)_slice_\d+\.png$"
"""How phantoms name theirs, whom `auto` knows as well."""

MAY_FIND_NOBODY = ("auto", "unknown")
"""Ways to find patients under which it is no mistake that there are none."""

_PLACEHOLDERS = (
    *("anon", "anonym", "anonymous", "anonymized", "anonymised", "anonymous patient", "de identified", "removed"),
    *("unknown", "unknown patient", "unnamed", "patient", "patient id", "no patient", "name", "no name", "id", "no id"),
    *("none", "null", "nil", "na", "n/a", "nan", "not available", "missing", "empty", "default", "dummy", "test"),
)
_JOINTS = (" ", "", "_", "-", "^")
_FILLERS, _LONGEST = "xX?*-.", 16
_SEVERAL = 2
_AT_ITS_WORD = "The way `dicom` takes it at its word."


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

    def unless(self, nobody: Container[str]) -> Self:
        """Leave the patient out where its hash names nobody."""
        return self._replace(patient=None) if self.patient in nobody else self


def patient_in_path(path: str, expression: str) -> str | None:
    """Read a patient off a path, by the group `patient` of a regular expression; None where it finds none."""
    found = re.search(expression, path)
    return found["patient"] if found else None


def names_of_nobody(known: "pd.DataFrame", way: str, key: bytes) -> tuple[frozenset[str], list[str]]:
    """Find the PatientIDs that stand for several patients: put there when files were made anonymous, or by default.

    Args:
        known: A row per image, with `patient` and `study`, keyed hashes.
        way: How patients are found: any PatientID is taken at its word but under `auto`.
        key: Of this project, under which both were hashed.

    Returns:
        Hashes that name nobody, and sentences on them.
    """
    known = known[["patient", "study"]].dropna(subset=["patient"])
    studies = known.groupby("patient")["study"].nunique()
    if way != "auto" or known["study"].nunique() < _SEVERAL:
        return frozenset(), []
    if len(studies) == 1:
        note = (
            f"All {len(known)} DICOM files have the same PatientID, but are of {studies.iloc[0]} studies: it was "
            "replaced when they were made anonymous, and no patient is taken from it."
        )
        return frozenset(studies.index), [f"{note} {_AT_ITS_WORD}"]
    nobody = _placeholders(key, {*studies.index}).intersection(studies.index[studies >= _SEVERAL])
    if not nobody:
        return nobody, []
    images = int(known["patient"].isin(nobody).sum())
    note = (
        f"{images} images of {studies[list(nobody)].sum()} studies have a PatientID that stands for no patient, as is "
        "filled in where there is none: no patient is taken from it."
    )
    return nobody, [f"{note} {_AT_ITS_WORD}"]


def without_names_of_nobody(index: "pd.DataFrame", way: str, key: bytes) -> "tuple[pd.DataFrame, list[str]]":
    """Take no patient from what `names_of_nobody` finds in an index; return this, and the sentences."""
    nobody, notes = names_of_nobody(index, way, key)
    return index.assign(patient=index["patient"].mask(index["patient"].isin(nobody))) if nobody else index, notes


def _placeholders(key: bytes, patients: Container[str]) -> frozenset[str]:
    """Hashes of what is filled in where there is no PatientID: of the text itself nothing is left by then.

    Zeros are none where patients are counted from 0: where there is a patient 1, of as many digits.
    """
    words = {joint.join(words.split()) for words in _PLACEHOLDERS for joint in _JOINTS}
    written = {spell(word) for word in words for spell in (str.lower, str.upper, str.title, str.capitalize)}
    written |= {sign * count for sign in _FILLERS for count in range(1, _LONGEST + 1)}
    zeros = {keyed_hash(key, "patient", f"{1:0{digits}}"): "0" * digits for digits in range(1, _LONGEST + 1)}
    written |= {zero for one, zero in zeros.items() if one not in patients}
    return frozenset(keyed_hash(key, "patient", text) for text in written)


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
