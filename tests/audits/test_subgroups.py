"""The audit of subgroups: it finds the group that a model fails in, and none where it fails in none."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.subgroups.audit import audit_subgroups, find_limitations
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from chest_cancer.statistics.comparison import areas
from chest_cancer.statistics.intervals import difference_of
from chest_cancer.statistics.permutation import area_of_units, holm, p_of_difference, share_of_units
from manifests import manifest_of
from measured import measure

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=200)
PATIENTS, EACH = 90, 3
CLASSES = ("normal", "tumour")
Column = NDArray[Any]


def predictions(hard: NDArray[np.bool_], known: bool = True, seed: int = 2) -> pd.DataFrame:
    """Answers for images of patients, by chance alone for those that are hard, and mostly right for the others."""
    generator = np.random.default_rng(seed)
    patient = np.repeat(np.arange(len(hard)), EACH)
    truth = generator.integers(0, 2, len(hard))[patient]
    evidence = np.where(hard, 0.0, 1.5)[patient] * (2 * truth - 1)
    evidence += generator.normal(0, 0.8, len(hard))[patient] + generator.normal(0, 0.5, len(patient))
    probability = 1 / (1 + np.exp(-evidence))
    return pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(len(patient))],
            "label": np.array(CLASSES)[truth],
            "predicted": np.array(CLASSES)[(probability >= 0.5).astype(int)],
            "reason": np.where(np.abs(evidence) < 0.1, "not sure", None),
            "warning": None,
            "group": patient,
            "patient": patient.astype(str) if known else None,
            "probability_normal": 1 - probability,
            "probability_tumour": probability,
        }
    )


def audit(table: pd.DataFrame, normal_class: str | None = "normal", **columns: Column) -> Finding:
    metadata = pd.DataFrame({"path": table["path"], **{name: of[table["group"]] for name, of in columns.items()}})
    manifest = manifest_of(classes=list(CLASSES), normal_class=normal_class, operating_point=None)
    classifier = SimpleNamespace(manifest=manifest)
    return audit_subgroups(table, metadata.sample(frac=1, random_state=0), classifier, PARAMETERS, 1)  # type: ignore[arg-type]  # a stand-in with what it needs of a classifier


def column(*sizes: tuple[str | None, int]) -> Column:
    return np.random.default_rng(len(sizes)).permutation([group for group, size in sizes for _ in range(size)])


SEX = column(("F", 45), ("M", 45))
SCANNER = column(("old", 25), ("new", 30), ("newest", 30), ("rare", 5))


def page(finding: Finding) -> str:
    (section,) = fill_sections([AuditedPart("subgroups", "", finding.facts, finding.plots)])
    return section.html


def test_a_group_that_the_model_fails_in_is_found_after_correction_and_no_other() -> None:
    finding = audit(predictions(SCANNER == "old"), sex=SEX, scanner=SCANNER)

    facts = finding.facts
    assert facts["questions"] == 4 + 3 * 4  # both sexes ask the same, and the rare scanner is too small to ask
    (limitation,) = facts["limitations"]
    assert limitation["title"] == "Subgroups that differ"
    assert limitation["text"].startswith("Where `scanner` is `old`, figures are worse than for the others. Accuracy: ")
    assert limitation["text"].count("Where ") == 1
    assert "16 comparisons; p by permutation of patients, after Holm's correction." in limitation["text"]
    old = next(row for row in facts["columns"][1]["groups"] if row["group"] == "old")
    assert (old["images"], old["patients"]) == (25 * EACH, 25)
    accuracy = old["figures"]["accuracy"]
    assert accuracy["p"] < accuracy["p_holm"] < 0.05
    assert accuracy["difference"]["high"] < 0
    assert accuracy["others"]["n"] == (PATIENTS - 25) * EACH
    assert "<strong>0.00" in page(finding)


def test_where_no_group_is_different_none_is_found() -> None:
    facts, *_ = audit(predictions(np.zeros(PATIENTS, bool)), sex=SEX, scanner=SCANNER)

    assert facts["limitations"] == []
    assert facts["questions"] == 16


@pytest.mark.parametrize("by", ["patient", "image"])
def test_where_sides_mean_nothing_a_small_p_is_as_rare_as_it_says_though_images_of_a_patient_are_alike(by: str) -> None:
    generator = np.random.default_rng(11)
    groups = np.repeat(np.arange(30), 4)
    small = 0
    for seed in range(200):
        hits = generator.random(len(groups)) < generator.beta(0.3, 0.1, 30)[groups]
        sides = generator.permutation(30)[groups] < 12 if by == "patient" else generator.random(len(groups)) < 0.1
        p = p_of_difference(share_of_units(hits), sides, groups, seed)
        small += p is not None and p <= 0.05

    assert small <= 20  # 10 are expected


def test_images_of_one_patient_on_both_sides_are_compared_with_each_other() -> None:
    groups = np.repeat(np.arange(40), 2)
    inside = np.tile([True, False], 40)
    alike = np.repeat(np.random.default_rng(5).random(40) < 0.7, 2)

    found = p_of_difference(share_of_units(alike & ~(inside & (groups < 14))), inside, groups, 0)

    assert found is not None
    assert found < 0.05
    assert p_of_difference(share_of_units(alike), inside, groups, 0) == 1


def test_small_groups_are_listed_without_figures() -> None:
    finding = audit(predictions(np.zeros(PATIENTS, bool)), scanner=SCANNER)

    rare = next(row for row in finding.facts["columns"][0]["groups"] if row["group"] == "rare")
    assert rare == {"group": "rare", "images": 5 * EACH, "patients": 5, "figures": {}}
    assert page(finding).count('<td class="figure">too small</td>') == 4


def test_where_every_group_is_small_it_is_not_known_whether_they_differ() -> None:
    few = column(("a", 6), ("b", 6))
    finding = audit(predictions(np.zeros(12, bool)), kernel=few, site=column(("x", 11), ("y", 1)))

    (limitation,) = finding.facts["limitations"]
    assert limitation["title"] == "Subgroups are too small"
    assert "the test split has 12 patients, and no group could be compared with the others" in limitation["text"]
    assert "Each group beside all other test images" not in page(finding)


def test_figures_of_all_are_those_that_are_served() -> None:
    table = predictions(SCANNER == "old")

    facts, *_ = audit(table, sex=SEX)

    served = measure(table, list(CLASSES), "normal", None, PARAMETERS, 1)
    for name, figure in facts["figures"].items():
        assert figure == pytest.approx(served[name]), name


def test_a_figure_without_positive_images_in_a_group_is_unknown_and_not_compared() -> None:
    table = predictions(np.zeros(PATIENTS, bool))
    truth = table.groupby("group")["label"].first().to_numpy()

    facts, *_ = audit(table, site=np.where((truth == "normal") & (SEX == "F"), "site 2", "site 1"))

    one, two = (row["figures"] for row in facts["columns"][0]["groups"])
    assert np.isnan(two["sensitivity"]["measured"]["value"])
    assert two["sensitivity"]["p"] is one["sensitivity"]["p"] is two["roc_auc"]["p"] is None
    assert two["specificity"]["p"] == one["specificity"]["p"] is not None


def test_without_a_normal_class_there_is_no_sensitivity() -> None:
    facts, *_ = audit(predictions(SCANNER == "old"), normal_class=None, sex=SEX)

    assert list(facts["figures"]) == ["accuracy", "roc_auc"]


def test_where_patients_are_unknown_groups_of_near_duplicates_stand_in_for_them() -> None:
    finding = audit(predictions(SCANNER == "old", known=False), scanner=SCANNER)

    assert finding.facts["are_patients"] is False
    assert "p by permutation of groups of near-duplicates" in finding.facts["limitations"][0]["text"]
    assert "fewer than 10 groups of near-duplicates is too small" in page(finding)


def test_the_plot_has_a_point_for_each_figure_of_each_group_that_is_large_enough() -> None:
    plot = audit(predictions(SCANNER == "old"), sex=SEX, scanner=SCANNER).plots["subgroups"]

    assert sum(len(trace.x) for trace in plot.data) == 5 * 4
    coloured = {label for trace in plot.data if trace.marker.color == "#c4572b" for label in trace.y}
    assert "scanner: old (25)" in coloured


def test_of_images_that_nobody_described_nothing_is_said() -> None:
    assert audit(predictions(np.zeros(PATIENTS, bool))) == NOTHING
    assert find_limitations({"columns": [], "questions": 0, "are_patients": True}) == []


def test_a_permutation_finds_as_small_a_p_as_counting_all_ways_does() -> None:
    hits = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    inside = np.arange(10) < 4

    found = p_of_difference(share_of_units(hits), inside, np.arange(10), 0)

    assert found == pytest.approx(1 / 210, rel=0.4)  # of 210 ways to choose four this one alone is as large
    # Were the images those of two patients, nothing could be said.
    assert p_of_difference(share_of_units(hits), inside, inside.astype(np.int64), 0) == 1


@pytest.mark.parametrize("classes", [2, 3])
def test_areas_of_units_are_those_of_their_images(classes: int) -> None:
    generator = np.random.default_rng(3)
    numbers, members = generator.integers(0, classes, 60), generator.integers(0, 12, 60)
    scores = generator.integers(0, 5, (60, classes)).astype(float)
    draws = generator.integers(0, 2, (50, 12)).astype(float)
    draws[0] = 0

    found = area_of_units(numbers, scores)(members)(draws)

    np.testing.assert_allclose(found, areas(numbers, scores[None], draws[:, members]))
    assert np.isnan(found[0])


def test_holm_multiplies_the_smallest_p_by_the_number_of_questions() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """56 of 70 and 48 of 80, as in his paper (1998, table II, a)."""
    first = {"value": 56 / 70, "low": 0.6920, "high": 0.8772, "n": 70}
    second = {"value": 48 / 80, "low": 0.4904, "high": 0.7004, "n": 80}

    found = difference_of(first, second)  # type: ignore[arg-type]  # plain dictionaries are figures

    assert found == {"value": pytest.approx(0.2), "low": pytest.approx(0.0524, abs=2e-4),
                     "high": pytest.approx(0.3339, abs=2e-4), "n": 150}  # fmt: skip
