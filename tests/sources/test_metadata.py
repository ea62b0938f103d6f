"""Metadata in groups that name nobody: what is kept, in which bands, and what never is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chest_cancer.sources.metadata import FEWEST_PATIENTS, OTHER, group_columns, in_order
from chest_cancer.sources.table_file import TEXT
from properties import examples

PATIENTS = 60


def cells(**columns: Sequence[object]) -> pd.DataFrame:
    return pd.DataFrame({name.replace("_", " "): list(values) for name, values in columns.items()}).astype(TEXT)


def everybody(images: int = PATIENTS) -> pd.Series:
    """A patient for each row."""
    return pd.Series([f"p{number}" for number in range(images)], dtype=TEXT)


def grouped(values: Sequence[object], name: str = "value", patients: pd.Series | None = None) -> list[object] | None:
    """Groups of one column, None where it is left out."""
    found, _ = group_columns(cells(**{name: values}), everybody(len(values)) if patients is None else patients)
    return (
        found.iloc[:, 0].astype(object).where(found.iloc[:, 0].notna(), None).tolist() if len(found.columns) else None
    )


def test_a_value_of_few_patients_is_other_and_one_that_nobody_stated_stays_missing() -> None:
    values = ["F"] * 25 + ["M"] * 20 + ["X"] * 6 + ["Y"] * 4 + [None, "", "NA", "unknown", "  "]

    assert grouped(values) == ["F"] * 25 + ["M"] * 20 + [OTHER] * 10 + [None] * 5


def test_values_of_so_few_patients_that_even_other_would_tell_are_missing() -> None:
    assert grouped(["F"] * 30 + ["M"] * 21 + ["X"] * 9) == ["F"] * 30 + ["M"] * 21 + [None] * 9


def test_patients_count_and_not_their_images() -> None:
    values = ["A"] * 40 + ["B"] * 40
    patients = pd.Series([f"p{number}" for number in range(40)] + [f"q{number % 9}" for number in range(40)])

    assert grouped(values, patients=patients) == ["A"] * 40 + [None] * 40
    assert grouped(values, patients=pd.Series([None] * 80, dtype=TEXT)) == values
    # Forty images of one who is not known may all be of the same patient.
    assert grouped(values, patients=patients.where(patients.str.startswith("p"))) == ["A"] * 40 + [None] * 40


@pytest.mark.parametrize("name", ["Age", "patient_age", "AgeAtScan"])
def test_ages_are_bands_of_twenty_years_as_tables_and_dicom_write_them(name: str) -> None:
    values = ["20", "39 years", "021Y", "40", "059Y", "60.5", "79y", "80", "101", "018M", "250D", "19"] * 10 + ["999"]

    assert grouped(values, name)[:12] == [
        *["20 to 39"] * 3, *["40 to 59"] * 2, *["60 to 79"] * 2, *["80 and above"] * 2, *["below 20"] * 3,
    ]  # fmt: skip
    assert grouped(values, name)[-1] is None


def test_numbers_with_many_values_are_thirds_between_limits_that_nobody_has() -> None:
    values = [f"{number * 1.37:.2f}" for number in range(PATIENTS)]

    found = grouped(values, "weight")

    assert found == ["below 27"] * 20 + ["27 to 54"] * 20 + ["54 and above"] * 20


def test_numbers_with_few_values_stay_as_they_are_in_one_spelling() -> None:
    values = ["1.25", "1,250", "5.000000", "5", "2.50"] * 12

    assert grouped(values, "slice thickness") == ["1.25", "1.25", "5", "5", "2.5"] * 12


@pytest.mark.parametrize("patients", [12, 25])
def test_of_few_patients_numbers_are_fewer_bands_or_none(patients: int) -> None:
    found = grouped([f"{number}.5" for number in range(patients)])

    assert found is None if patients == 12 else found == ["below 12"] * 12 + ["12 and above"] * 13


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("report", [f"nodule in segment {number}" for number in range(PATIENTS)]),
        ("taken", [f"2020-03-{number % 31:02}" for number in range(PATIENTS)]),
        ("taken", [f"202003{number % 31:02}" for number in range(PATIENTS)]),
        ("case_no", [f"{number}" for number in range(PATIENTS)]),
        ("MRN", ["4711"] * 30 + ["4712"] * 30),
        ("PatientName", ["Doe^Jane"] * 30 + ["Doe^John"] * 30),
        ("birth_date", ["1950"] * 30 + ["1960"] * 30),
    ],
)
def test_columns_that_identify_are_left_out_by_name_and_no_value_is_told(name: str, values: list[str]) -> None:
    found, (note,) = group_columns(cells(**{name: values}), everybody())

    assert list(found) == []
    assert note.endswith(f"share most of their values: `{name.replace('_', ' ')}`.")
    assert not any(value in note for value in values if len(value) > 2)


@pytest.mark.parametrize("who", ["Doe^{}", "10020{}", "1950-03-0{}", "3/{}/1950"])
def test_what_looks_like_a_name_a_date_or_an_identifier_is_not_written_though_patients_are_unknown(who: str) -> None:
    nobody = pd.Series([None] * PATIENTS, dtype=TEXT)

    assert grouped([who.format(number // 30 + 1) for number in range(PATIENTS)], patients=nobody) is None
    some = ["0.703125"] * 25 + ["1.25"] * 20 + [who.format(1)] * 15
    assert grouped(some, patients=nobody) == ["0.703125"] * 25 + ["1.25"] * 20 + [OTHER] * 15


def test_a_column_that_says_the_same_of_all_is_left_out_and_the_name_of_a_device_is_none_of_a_patient() -> None:
    table = cells(modality=["CT"] * PATIENTS, model_name=["Sensation", "Aquilion"] * (PATIENTS // 2))

    found, notes = group_columns(table, everybody())

    assert list(found) == ["model name"]
    assert notes == ["Columns of metadata that were left out, because they say the same of all images: `modality`."]


def test_one_spelling_is_kept_where_values_differ_in_case_or_blanks_alone() -> None:
    assert grouped(["Male", "male", " male", "FEMALE"] * 15) == ["male", "male", "male", "FEMALE"] * 15


words = st.sampled_from(["F", "f", "M", "other", "Other", "OTHER", "B30f", "unknown", "2020-01-01", "Doe^J", ""])
numbers = st.one_of(st.integers(-30, 200_000).map(str), st.floats(-50, 50).map("{:.2f}".format), st.just("1,5"))
ages = st.integers(0, 130).map("{:03}Y".format)


@examples(20, 200)
@given(
    data=st.data(),
    name=st.sampled_from(["age", "value"]),
    pool=st.lists(st.one_of(words, numbers, ages), min_size=1, max_size=30),
    images=st.integers(1, 300),
    known=st.sampled_from([0.0, 0.8, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_group_has_fewer_than_the_least_number_of_patients_and_grouping_twice_changes_nothing(
    data: st.DataObject, name: str, pool: list[str], images: int, known: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.full(len(pool), 0.5))
    table = cells(**{name: generator.choice(pool, images, p=weights)})
    patient = generator.integers(0, data.draw(st.integers(1, images)), images).astype(str)
    patients = pd.Series(np.where(generator.random(images) < known, patient, None), dtype=TEXT)

    found, _ = group_columns(table, patients)

    who = pd.Series(range(images)) if patients.isna().all() else patients.fillna("nobody knows")
    for column in found:
        assert who.groupby(found[column]).nunique().min() >= FEWEST_PATIENTS
    pd.testing.assert_frame_equal(group_columns(found, patients)[0], found)


def test_groups_are_in_the_order_in_which_people_read_them() -> None:
    groups = ["other", "54 and above", "27 to 54", "below 27", "not stated", "27 to 54"]

    assert in_order(pd.Series(groups)) == ["below 27", "27 to 54", "54 and above", "not stated", "other"]
