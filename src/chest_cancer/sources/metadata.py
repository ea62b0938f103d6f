"""What may be kept of metadata: groups that several patients share, and no value that says who somebody is.

A value is written only where at least ten patients have it (k-anonymity of each column: Sweeney, 2002, k-anonymity: a
model for protecting privacy). Columns are looked at one by one: together, several may still be true of one patient.
Grouping what was grouped before changes nothing.
"""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.sources.split_names import words
from chest_cancer.sources.table_file import NOBODY, TEXT
from chest_cancer.sources.wording import named

FEWEST_PATIENTS = 10
"""Of a value that is written."""
OTHER = "other"
NOT_STATED = "not stated"
"""What people read for a missing value."""

# As the last word of a column's name; a device may have a name.
_IDENTIFYING = frozenset(
    "id ids uid mrn name names initials birth dob date address email phone accession".split()  # noqa: SIM905  # shorter
)
_DEVICES = frozenset({"kernel", "manufacturer", "model", "protocol", "scanner"})
# A number of six digits, a date, or a name as DICOM writes it: never written, whoever has it.
_TELLING = r"(?<![.,\d])\d{6}|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\^"
_MOST_VALUES = 12
_MOST_BANDS = 3
_LARGEST_NUMBER = 100_000
_NEARLY_ALL = 0.95
_AGE = re.compile(r"0*(\d{1,3}(?:\.\d+)?) ?([ymwd]?)[a-z]*")
_IN_A_YEAR = {"": 1, "y": 1, "m": 12, "w": 52, "d": 365}
_YEARS, _OLD, _OLDEST = 20, 80, 120


def group_columns(cells: pd.DataFrame, patients: "pd.Series[str]") -> tuple[pd.DataFrame, list[str]]:
    """Turn columns of text into groups that name nobody.

    A value that fewer than ten patients have becomes `other`, and is missing where fewer than ten have any such value.
    Ages become bands of twenty years; other numbers, where most are of few patients or there are more than twelve, are
    cut in up to three bands of as many patients each. Left out are columns in which most values are of few patients
    or are dates, names as DICOM writes them or numbers of six digits; those that number patients or images; those whose
    names say that they identify; and those that say the same of all images.

    Args:
        cells: A row per image; columns of any text, missing where nothing is stated.
        patients: Patient of each row, by any name, missing where unknown. Where none is known images count in their
            place; where some are, all rows of unknown ones count as one patient.

    Returns:
        The columns that remain, with one name each, in groups; and sentences that name the columns that were left out,
        and no value.
    """
    people = _number_people(patients)
    kept: dict[str, pd.Series[str]] = {}
    private, empty = [], []
    for number, column in enumerate(cells):
        name, said = " ".join(str(column).split()), cells.iloc[:, number]
        if _identifies(name):
            private.append(name)
        elif said.isna().all():  # as all attributes of DICOM are where files are pictures
            continue
        elif (values := _group(_stated(said), people, is_age="age" in _words(name))) is None:
            private.append(name)
        elif len(set(values.fillna(NOT_STATED))) > 1:
            kept.setdefault(name, values)
        elif values.notna().all():
            empty.append(name)
    notes = []
    if private:
        notes.append(
            f"Columns of metadata that were left out, because they may say who somebody is or fewer than "
            f"{FEWEST_PATIENTS} patients share most of their values: {named(private)}."
        )
    if empty:
        notes.append(
            f"Columns of metadata that were left out, because they say the same of all images: {named(empty)}."
        )
    return pd.DataFrame(kept, index=cells.index, dtype=TEXT), notes


def in_order(groups: "pd.Series[str]") -> list[str]:
    """List the groups of a column as people read them: bands upwards, `other` and `not stated` last."""

    def place(group: str) -> tuple[bool, bool, float, str]:
        number = re.match(r"-?\d+(?:\.\d+)?", group)
        return group in (OTHER, NOT_STATED), not group.startswith("below "), float(number[0]) if number else 0, group

    return sorted(set(groups), key=place)


def _number_people(patients: "pd.Series[str]") -> NDArray[np.int64]:
    """A number for each patient, and the same one, -1, for all unknown ones; for each image where nobody is known."""
    if patients.isna().all():
        return np.arange(len(patients))
    return pd.factorize(patients)[0].astype(np.int64)


def _words(name: str) -> list[str]:
    return words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))


def _identifies(name: str) -> bool:
    said = _words(name)
    return bool(said) and said[-1] in _IDENTIFYING and not _DEVICES.intersection(said)


def _stated(column: "pd.Series[str]") -> "pd.Series[str]":
    """Values without blanks around them, in one spelling where they differ in case alone, the most frequent one."""
    counts = column.astype(TEXT).value_counts()
    plain = [" ".join(name.split()) for name in counts.index]
    spellings = pd.DataFrame({"written": counts.index, "value": plain}, dtype=TEXT)
    spellings["count"] = counts.groupby(spellings["value"].to_numpy()).transform("sum").to_numpy()
    spellings["key"] = spellings["value"].str.casefold()
    spellings = spellings[~spellings["key"].isin({*NOBODY, NOT_STATED, ""})]
    most = spellings.sort_values(["count", "value"], ascending=[False, True]).groupby("key")["value"].first()
    known = spellings["key"].map({**most.to_dict(), OTHER: OTHER}).set_axis(spellings["written"])
    return column.map(known).astype(TEXT)


def _group(values: "pd.Series[str]", people: NDArray[np.int64], *, is_age: bool) -> "pd.Series[str] | None":
    """Groups of a column, or None where most of its values are of few patients, or are names, dates or identifiers."""
    telling = values.str.contains(_TELLING).fillna(False).astype(bool)
    if telling.sum() > values.notna().sum() / 2:
        return None
    values = values.mask(telling, OTHER)
    if is_age:
        values = values.map(_age_band).astype(TEXT)
    else:
        numbers = _numbers(values)
        known = numbers.notna()
        values = values.mask(known, numbers.map("{:g}".format))
        few_share = _rare_share(values[known], people[known]) > 1 / 2
        distinct, is_whole = numbers.nunique(), bool((numbers[known] % 1 == 0).all())
        if few_share and is_whole and distinct >= _NEARLY_ALL * len(np.unique(people[known])):
            return None
        if few_share or distinct > _MOST_VALUES:
            values = values.mask(known, _bands(numbers, people))
    if _rare_share(values, people) > 1 / 2:
        return None
    values = values.mask(_is_rare(values, people), OTHER)
    return values.mask(_is_rare(values, people))


def _is_rare(values: "pd.Series[str]", people: NDArray[np.int64]) -> "pd.Series[bool]":
    """Which values too few patients have; `other`, which is of many values, may take more up."""
    return values.map(_count_patients(values, people)).lt(FEWEST_PATIENTS)


def _rare_share(values: "pd.Series[str]", people: NDArray[np.int64]) -> float:
    """Share of what patients have that too few patients have; 0 where nothing is stated."""
    patients = _count_patients(values, people)
    return float(patients[patients < FEWEST_PATIENTS].sum() / patients.sum()) if len(patients) else 0.0


def _count_patients(values: "pd.Series[str]", people: NDArray[np.int64]) -> "pd.Series[int]":
    """Number of patients that have each value."""
    codes, names = pd.factorize(values)
    base = int(people.max(initial=0)) + 2
    pairs = pd.unique((codes * base + people + 1)[codes >= 0])
    return pd.Series(np.bincount(pairs // base, minlength=len(names)), index=names)


def _age_band(value: str | float) -> str | float:
    """Band of an age in years, or in months, weeks or days, as DICOM writes it; other words as they are."""
    if not isinstance(value, str):
        return value
    if (found := _AGE.fullmatch(value.lower())) is None:
        return value
    years = float(found[1]) / _IN_A_YEAR[found[2]]
    if years > _OLDEST:
        return np.nan
    low = min(int(years) // _YEARS * _YEARS, _OLD)
    if low == 0:
        return f"below {_YEARS}"
    return f"{_OLD} and above" if low == _OLD else f"{low} to {low + _YEARS - 1}"


def _numbers(values: "pd.Series[str]") -> "pd.Series[float]":
    """Values that are numbers of a measure, NaN for the others."""
    numbers = pd.to_numeric(values.str.replace(r"^(-?\d+),(\d+)$", r"\1.\2", regex=True), errors="coerce")
    return numbers.astype(float).where(numbers.abs() < _LARGEST_NUMBER)


def _bands(numbers: "pd.Series[float]", people: NDArray[np.int64]) -> "pd.Series[str]":
    """Bands of about as many patients each, between limits that nobody has."""
    pairs = pd.DataFrame({"number": numbers.to_numpy(), "who": people}).dropna().drop_duplicates()
    rising = np.sort(pairs["number"].to_numpy())
    steps = np.flatnonzero(np.diff(rising)) + 1
    bands = min(_MOST_BANDS, len(np.unique(pairs["who"])) // FEWEST_PATIENTS)
    if bands < 2 or not len(steps):
        return numbers.map("{:g}".format).astype(TEXT)
    wanted = len(rising) * np.arange(1, bands) / bands
    places = np.unique([steps[np.abs(steps - place).argmin()] for place in wanted])
    limits = [_round_number_between(rising[place - 1], rising[place]) for place in places]
    names = [
        f"below {limits[0]}",
        *(f"{low} to {high}" for low, high in pairwise(limits)),
        f"{limits[-1]} and above",
    ]
    band = np.searchsorted(np.array(limits, dtype=float), numbers)
    return pd.Series(np.array([*names, names[-1]])[band], index=numbers.index, dtype=TEXT)


def _round_number_between(low: float, high: float) -> str:
    """The number with the fewest digits that is larger than one and smaller than the other."""
    for digits in range(-5, 15):
        step = 10.0**-digits
        rounded = f"{(np.floor(low / step) + 1) * step:.{max(digits, 0)}f}"
        if low < float(rounded) < high:
            return rounded
    return f"{(low + high) / 2!r}"


def groups_of(image_metadata: pd.DataFrame, paths: "pd.Series[str]") -> pd.DataFrame:
    """Look up the groups of images.

    Args:
        image_metadata: `path`, and a column of groups for each thing that is known; a row for each image of the index.
        paths: Which images, [n].

    Returns:
        The columns, n rows in the order of `paths`; what is missing reads `not stated`.
    """
    known = image_metadata.set_index("path").loc[paths.tolist()]
    return known.astype(TEXT).fillna(NOT_STATED).reset_index(drop=True)
