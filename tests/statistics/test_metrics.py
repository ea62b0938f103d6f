"""Figures against scikit-learn and published examples; intervals against simulation."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.network.patients import PatientRule
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.plots import plot_reliability
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.calibration import before_scaling, equal_mass_bins, reliability
from chest_cancer.statistics.intervals import (
    difference_of,
    effective_groups,
    mean_of,
    predictive_values,
    share,
    wilson,
)
from chest_cancer.statistics.metrics import CLASS_METRICS, METRICS
from chest_cancer.statistics.roc import area_under_roc, placements
from chest_cancer.storage.figures import Figure, title_of
from measured import measure
from properties import examples

BINARY = ["adenocarcinoma", "normal"]
THREE = ["adenocarcinoma", "large_cell", "normal"]
FEW = ModelEvaluationParameters(bootstrap_repetitions=100)
REPETITIONS = 400
NOMINAL = (0.92, 0.98)


def predictions(
    classes: list[str], count: int = 80, seed: int = 0, per_group: int = 1, temperature: float = 1.0
) -> pd.DataFrame:
    """Predictions that are better than chance; probabilities with two decimals, so that some are equal."""
    generator = np.random.default_rng(seed)
    numbers = generator.integers(len(classes), size=count)
    scores = 1.2 * generator.standard_normal((count, len(classes))) + 1.2 * np.eye(len(classes))[numbers]
    probabilities = np.round(softmax(scores / temperature, axis=1), 2) + 0.001
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return as_table(classes, numbers, probabilities, np.arange(count) // per_group)


def as_table(classes: list[str], numbers: Any, probabilities: Any, groups: Any) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, columns=probability_columns(classes))
    names = np.array(classes)
    chosen = names[probabilities.argmax(axis=1)]
    return table.assign(label=names[numbers], predicted=chosen, group=groups, reason=None, warning=None)


def equal(figure: Figure, expected: float) -> bool:
    return abs(figure["value"] - expected) < 1e-9


@pytest.mark.parametrize("classes", [BINARY, THREE])
@pytest.mark.parametrize("per_group", [1, 4])
def test_figures_equal_those_of_scikit_learn(classes: list[str], per_group: int) -> None:
    table = predictions(classes, per_group=per_group)
    truth, chosen = table["label"], table["predicted"]
    probabilities = table[probability_columns(classes)].to_numpy()

    figures = measure(table, classes, "normal", 0.4, FEW, 0, 1.5)

    assert equal(figures["accuracy"], accuracy_score(truth, chosen))
    assert equal(figures["loss"], log_loss(truth, probabilities, labels=classes))
    stated = probabilities if len(classes) > 2 else probabilities[:, 1]
    assert equal(figures["brier"], brier_score_loss(truth, stated, labels=classes, pos_label=classes[1]))
    areas = [roc_auc_score(truth == name, probabilities[:, k]) for k, name in enumerate(classes)]
    precisions = [average_precision_score(truth == name, probabilities[:, k]) for k, name in enumerate(classes)]
    assert equal(figures["roc_auc"], areas[0] if len(classes) == 2 else np.mean(areas))
    assert equal(figures["average_precision"], precisions[0] if len(classes) == 2 else np.mean(precisions))
    recalls, shares = (score(truth, chosen, labels=classes, average=None) for score in (recall_score, precision_score))
    for k, name in enumerate(classes):
        assert equal(figures[f"recall_{name}"], recalls[k])
        assert equal(figures[f"precision_{name}"], shares[k])
        if len(classes) > 2:
            assert equal(figures[f"roc_auc_{name}"], areas[k])
            assert equal(figures[f"average_precision_{name}"], precisions[k])
            assert equal(figures[f"brier_{name}"], brier_score_loss(truth == name, probabilities[:, k]))
            assert equal(figures[f"specificity_{name}"], recall_score(truth != name, chosen != name))
            assert equal(figures[f"npv_{name}"], precision_score(truth != name, chosen != name))
    if len(classes) > 2:
        assert equal(figures["macro_recall"], recall_score(truth, chosen, average="macro"))
        assert equal(figures["macro_precision"], precision_score(truth, chosen, average="macro"))

    diseased, positive = truth != "normal", 1 - table["probability_normal"] >= 0.4
    for prefix, read_as_diseased in (("", chosen != "normal"), ("threshold_", positive)):
        assert equal(figures[f"{prefix}sensitivity"], recall_score(diseased, read_as_diseased))
        assert equal(figures[f"{prefix}specificity"], recall_score(~diseased, ~read_as_diseased))
        assert equal(figures[f"{prefix}ppv"], precision_score(diseased, read_as_diseased))
        assert equal(figures[f"{prefix}npv"], precision_score(~diseased, ~read_as_diseased))


@pytest.mark.parametrize("per_group", [1, 4])
def test_every_figure_lies_in_its_interval_and_every_interval_in_its_range(per_group: int) -> None:
    for classes in (BINARY, THREE):
        figures = measure(predictions(classes, per_group=per_group), classes, "normal", 0.5, FEW, 0, 1.5)

        for name, figure in figures.items():
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"], name
            assert figure["high"] <= {"loss": 37, "brier": 2}.get(name, 1), name
            assert all(type(figure[key]) is float for key in ("value", "low", "high")), name


def test_predictive_values_follow_bayes_theorem() -> None:
    figures = measure(predictions(BINARY), BINARY, "normal", 0.4, FEW, 0)

    sensitivity, specificity = (figures[f"threshold_{name}"]["value"] for name in ("sensitivity", "specificity"))
    for percent in (1, 5, 20):
        sick, well = percent / 100, 1 - percent / 100
        true_positive, true_negative = sick * sensitivity, well * specificity
        ppv, npv = (figures[f"threshold_{kind}_at_prevalence_{percent}"] for kind in ("ppv", "npv"))
        assert equal(ppv, true_positive / (true_positive + well - true_negative))
        assert equal(npv, true_negative / (true_negative + sick - true_positive))


@pytest.mark.parametrize(("sensitivity", "specificity"), [(1, 1), (1, 0), (0, 1), (0, 0), (1, 0.5), (0.5, 1), (0, 0.5)])
def test_predictive_values_have_intervals_where_shares_are_all_or_nothing(
    sensitivity: float, specificity: float
) -> None:
    shares = [
        Figure(value=value, low=low, high=high, n=20)
        for value in (sensitivity, specificity)
        for low, high in [wilson(value, 20, 1.96)]
    ]

    for figure in predictive_values(*shares, 0.05):
        if np.isnan(figure["value"]):
            assert (figure["low"], figure["high"]) == (0, 1)
        else:
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
            assert 0 < figure["high"] - figure["low"] < 1


def test_a_separated_test_set_does_not_prove_a_perfect_classifier() -> None:
    numbers = np.repeat([0, 1], 25)
    probabilities = np.eye(2)[numbers] * 0.8 + 0.1
    single = as_table(BINARY, numbers, probabilities, np.arange(50))

    alone, grouped = (
        measure(single.assign(group=np.arange(50) // size), BINARY, "normal", 0.5, FEW, 0) for size in (1, 5)
    )

    for name in ("roc_auc", "average_precision", "accuracy", "sensitivity", "threshold_ppv_at_prevalence_5"):
        assert alone[name]["value"] == grouped[name]["value"] == alone[name]["high"] == 1
        assert 0 < grouped[name]["low"] < alone[name]["low"] < 0.97, name
    # Of 25 of 25, Wilson's lower end is 1 / (1 + z^2 / 25); the area's is Newcombe's, from his formula solved by hand.
    assert alone["sensitivity"]["low"] == pytest.approx(25 / (25 + 1.959964**2), abs=1e-6)
    low = alone["roc_auc"]["low"]
    spread = low * (1 - low) * (1 + 24 * (1 - low) / (2 - low) + 24 * low / (1 + low)) / 625
    assert 1 - low == pytest.approx(1.959964 * np.sqrt(spread), abs=1e-6)


def test_copies_of_images_narrow_no_interval() -> None:
    one = predictions(BINARY, count=30, seed=4)
    tripled = pd.concat([one] * 3, ignore_index=True)

    once, thrice = (measure(table, BINARY, "normal", 0.4, FEW, 0) for table in (one, tripled))

    for name, figure in once.items():
        width, narrowed = figure["high"] - figure["low"], thrice[name]["high"] - thrice[name]["low"]
        if "ece" not in name:  # more images, more bins
            assert figure["value"] == pytest.approx(thrice[name]["value"])
            assert narrowed > 0.93 * width, name


def test_several_images_of_a_single_group_say_nothing_about_others() -> None:
    figures = measure(predictions(BINARY, count=12, per_group=12), BINARY, "normal", 0.4, FEW, 0)

    assert {(figure["low"], figure["high"]) for name, figure in figures.items() if name != "loss"} == {(0, 1)}


def test_figures_without_images_are_unknown() -> None:
    table = predictions(THREE)
    table = table[table["label"] != "large_cell"].assign(predicted="normal")

    figures = measure(table, THREE, "normal", 0.0, FEW, 0)

    for name in ("recall_large_cell", "roc_auc_large_cell", "average_precision_large_cell", "roc_auc",
                 "threshold_npv", "ppv", "average_precision",
                 "macro_recall", "macro_precision", "precision_adenocarcinoma"):  # fmt: skip
        assert np.isnan(figures[name]["value"]), name
        assert (figures[name]["low"], figures[name]["high"]) == (0, 1)
    assert np.isfinite([figures[name]["value"] for name in ("roc_auc_normal", "brier", "ece", "threshold_ppv")]).all()


@examples(30, 200)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40),
    st.sampled_from([0.9, 0.95, 0.99]),
)
def test_intervals_hold_their_value_for_any_data(rows: list[tuple[bool, int, int]], confidence: float) -> None:
    positive, scores, groups = (np.array(column) for column in zip(*rows, strict=True))
    bootstrap = GroupBootstrap(groups, 30, confidence, 0)

    for figure in (
        share(positive, groups, confidence),
        area_under_roc(positive, placements(positive, scores.astype(float)), groups, confidence),
        bootstrap.average_precision(positive, scores.astype(float))[0],
        bootstrap.mean(scores / 4, 1.0),
        bootstrap.calibration_error(positive - scores / 4, equal_mass_bins(scores / 4)),
    ):
        assert np.isnan(figure["value"]) or 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
        assert figure["n"] == len(rows)


def test_a_mean_over_two_groups_is_no_surer_than_a_share_of_their_images() -> None:
    groups = np.repeat([0, 1], 10)
    losses = np.linspace(0.1, 0.3, 20)

    mean = GroupBootstrap(groups, 200, 0.95, 0).mean(losses, 1.0)

    assert mean == share(losses, groups, 0.95)
    assert mean["high"] - mean["low"] > 0.5


@pytest.mark.parametrize("loss", [0.25, (0.2 / 3) ** 2 * 6])
def test_a_mean_of_equal_losses_is_as_sure_as_a_share_whether_or_not_their_sum_is_rounded(loss: float) -> None:
    losses, groups = np.full(24, loss), np.arange(24)

    mean = GroupBootstrap(groups, 200, 0.95, 0).mean(losses, 1.0)

    assert mean == share(losses, groups, 0.95)
    assert mean["high"] - mean["low"] > 0.1


def test_95_of_100_intervals_of_paired_differences_hold_the_truth_with_few_patients() -> None:
    generator, groups, held = np.random.default_rng(6), np.arange(50) // 5, 0
    for seed in range(600):
        first, second = generator.standard_normal((2, 10))[:, groups] + generator.standard_normal((2, 50))
        bootstrap = GroupBootstrap(groups, 300, 0.95, seed)
        difference = bootstrap.difference(bootstrap.weights @ first / 50, bootstrap.weights @ second / 50, 50)
        held += difference["low"] <= 0 <= difference["high"]

    assert NOMINAL[0] <= held / 600 <= NOMINAL[1]


def test_a_difference_in_a_single_group_says_nothing_about_others() -> None:
    one = GroupBootstrap(np.zeros(4, dtype=np.int64), 50, 0.95, 0)
    first, second = (one.weights @ values / 4 for values in (np.ones(4), np.zeros(4)))

    assert one.difference(first, second, 4) == {"value": 1.0, "low": -1.0, "high": 1.0, "n": 4}


def test_means_of_figures_are_narrower_the_less_they_go_together() -> None:
    figures = [Figure(value=0.8, low=0.7, high=0.9, n=10)] * 2

    apart, together, unknown = (mean_of(figures, m, 20) for m in (np.eye(2), np.ones((2, 2)), np.full((2, 2), np.nan)))

    assert apart["high"] - apart["low"] == pytest.approx(0.2 / np.sqrt(2))
    assert together["high"] - together["low"] == pytest.approx(0.2)
    assert unknown == together


class Study:
    """A study of grouped images whose figures are known: normal scores, a part of them shared inside a group."""

    def __init__(self, groups: int, mean_size: float, shared: float, diseased: float, area: float) -> None:
        self.groups, self.mean_size, self.shared, self.diseased, self.area = groups, mean_size, shared, diseased, area
        self.distance = norm.ppf(area) * np.sqrt(2)
        self.share = norm.cdf(self.distance / 2)

    def draw(self, generator: np.random.Generator) -> tuple[Any, Any, Any]:
        return self.of_sizes(1 + generator.poisson(self.mean_size - 1, self.groups), generator)

    def of_sizes(self, sizes: Any, generator: np.random.Generator) -> tuple[Any, Any, Any]:
        groups = np.repeat(np.arange(self.groups), sizes)
        positive = groups < self.diseased * self.groups
        scores = np.sqrt(self.shared) * generator.standard_normal(self.groups)[groups]
        scores += np.sqrt(1 - self.shared) * generator.standard_normal(len(groups))
        return groups, positive, scores + self.distance * (positive - 0.5)

    def coverage(
        self, figures: Callable[[Any, Any, Any], dict[str, Figure]], truth: dict[str, float]
    ) -> dict[str, float]:
        generator, held = np.random.default_rng(2024), dict.fromkeys(truth, 0)
        for _ in range(REPETITIONS):
            measured = figures(*self.draw(generator))
            for name, value in truth.items():
                held[name] += measured[name]["low"] - 1e-12 <= value <= measured[name]["high"] + 1e-12
        return {name: count / REPETITIONS for name, count in held.items()}


STUDIES = [
    Study(60, 3, 0.7, 0.5, 0.9),
    Study(100, 3, 0.5, 0.3, 0.8),
    Study(120, 2, 0.9, 0.4, 0.9),
    Study(80, 1, 0.0, 0.4, 0.85),
]


@pytest.mark.parametrize("study", STUDIES)
def test_95_of_100_intervals_of_shares_and_areas_hold_the_truth(study: Study) -> None:
    def figures(groups: Any, positive: Any, scores: Any) -> dict[str, Figure]:
        hits = (scores > 0) == positive
        sensitivity, specificity = (share(hits[side], groups[side], 0.95) for side in (positive, ~positive))
        ppv, npv = predictive_values(sensitivity, specificity, 0.05)
        return {
            "accuracy": share(hits, groups, 0.95),
            "sensitivity": sensitivity,
            "roc_auc": area_under_roc(positive, placements(positive, scores), groups, 0.95),
            "ppv": ppv,
            "npv": npv,
        }

    right, wrong = study.share, 1 - study.share
    truth = {
        "accuracy": right, "sensitivity": right, "roc_auc": study.area,
        "ppv": 0.05 * right / (0.05 * right + 0.95 * wrong), "npv": 0.95 * right / (0.95 * right + 0.05 * wrong),
    }  # fmt: skip

    for name, coverage in study.coverage(figures, truth).items():
        assert NOMINAL[0] <= coverage <= NOMINAL[1], name


class Uneven(Study):
    """The same, where one group has twelve times as many images as each of the others."""

    def draw(self, generator: np.random.Generator) -> tuple[Any, Any, Any]:
        sizes = np.where(np.arange(self.groups) == generator.integers(self.groups), 60, 5)
        return self.of_sizes(sizes, generator)


def test_intervals_hold_the_truth_where_one_patient_has_most_images() -> None:
    study = Uneven(20, 5, 0.3, 0.5, 0.8)

    def figures(groups: Any, positive: Any, scores: Any) -> dict[str, Figure]:
        return {
            "accuracy": share((scores > 0) == positive, groups, 0.95),
            "sensitivity": share(scores[positive] > 0, groups[positive], 0.95),
            "roc_auc": area_under_roc(positive, placements(positive, scores), groups, 0.95),
        }

    truth = {"accuracy": study.share, "sensitivity": study.share, "roc_auc": study.area}

    for name, coverage in study.coverage(figures, truth).items():
        assert coverage >= 0.91, name


def test_groups_of_equal_size_count_each_and_one_large_one_takes_their_weight() -> None:
    assert effective_groups(np.repeat(np.arange(7), 3)) == 7
    assert effective_groups(np.repeat([0, 1, 2], [98, 1, 1])) == pytest.approx(100**2 / 9606)
    nothing = share(np.arange(1000) % 2 > 0, np.minimum(np.arange(1000), 1), 0.95)
    assert (nothing["low"], nothing["high"]) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))


def test_intervals_that_ignore_groups_hold_the_truth_too_rarely() -> None:
    """The simulation can fail: correlated images, taken for independent ones, are caught by it."""
    study = STUDIES[0]

    def figures(groups: Any, positive: Any, scores: Any) -> dict[str, Figure]:
        images = np.arange(len(groups))
        return {
            "accuracy": share((scores > 0) == positive, images, 0.95),
            "roc_auc": area_under_roc(positive, placements(positive, scores), images, 0.95),
        }

    coverages = study.coverage(figures, {"accuracy": study.share, "roc_auc": study.area})

    assert max(coverages.values()) < 0.87


@pytest.mark.parametrize("study", STUDIES[1:3])
def test_95_of_100_bootstrap_intervals_hold_the_truth(study: Study) -> None:
    prior = np.log(study.diseased / (1 - study.diseased))

    def disease(scores: Any, sharpness: float = 1.0) -> Any:
        return 1 / (1 + np.exp(-sharpness * (study.distance * scores + prior)))

    grid = np.linspace(-10, 10, 20_001)
    sick, well = (
        share_of * norm.pdf(grid + side * study.distance / 2) * (grid[1] - grid[0])
        for share_of, side in ((study.diseased, -1), (1 - study.diseased, 1))
    )
    stated = disease(grid, 2.0)
    found, read = np.cumsum(sick[::-1]), np.cumsum((sick + well)[::-1])
    # Confidence comes from either side of one half, and is compared with the hits of both.
    confidence, hit = np.maximum(stated, 1 - stated), np.where(stated > 0.5, sick, well)
    order, step = np.argsort(confidence), 40
    cells = [np.add.reduceat(v[order], np.arange(0, len(grid), step)) for v in (hit, confidence * (sick + well))]
    truth = {
        "brier": (sick * (1 - stated) ** 2 + well * stated**2).sum(),
        "average_precision": (sick[::-1] * found / read).sum() / study.diseased,
        "ece": np.abs(cells[0] - cells[1]).sum(),
    }

    def figures(groups: Any, positive: Any, scores: Any) -> dict[str, Figure]:
        bootstrap, probability = GroupBootstrap(groups, 200, 0.95, 0), disease(scores, 2.0)
        sure = np.maximum(probability, 1 - probability)
        return {
            "brier": bootstrap.mean((probability - positive) ** 2, 1.0),
            "average_precision": bootstrap.average_precision(positive, scores)[0],
            "ece": bootstrap.calibration_error(((probability > 0.5) == positive) - sure, equal_mass_bins(sure)),
        }

    for name, coverage in study.coverage(figures, truth).items():
        assert NOMINAL[0] <= coverage <= NOMINAL[1] + (name == "ece") * 0.02, name


@pytest.mark.parametrize("classes", [BINARY, THREE])
@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_calibration_error_falls_to_chance_where_the_miscalibration_is_known(
    classes: list[str], temperature: float
) -> None:
    refused = 0
    for seed in range(10):
        generator = np.random.default_rng(seed)
        logits = 1.5 * generator.standard_normal((600, len(classes)))
        calibrated = softmax(logits, axis=1)
        numbers = (generator.random((600, 1)) > calibrated.cumsum(axis=1)[:, :-1]).sum(axis=1)
        table = as_table(classes, numbers, calibrated, np.arange(600))

        figures = measure(table, classes, "normal", None, FEW, 0, temperature)

        np.testing.assert_allclose(before_scaling(calibrated, temperature), softmax(temperature * logits, axis=1))
        assert figures["ece"]["value"] < 0.8 * figures["ece_uncalibrated"]["value"]
        assert figures["ece_uncalibrated"]["low"] > 0.02
        refused += figures["ece"]["low"] > 0
    assert refused <= 2  # one in twenty by chance


@pytest.mark.parametrize(("count", "lowest", "highest"), [(6, 0.6, 0.95), (40, 0.9, 0.99)])
def test_few_misses_do_not_make_calibrated_probabilities_look_wrong(count: int, lowest: float, highest: float) -> None:
    generator, found = np.random.default_rng(4), 0
    for _ in range(200):
        confidence = generator.uniform(lowest, highest, count)
        gaps = (generator.random(count) < confidence) - confidence
        found += (
            GroupBootstrap(np.arange(count), 100, 0.95, 0).calibration_error(gaps, equal_mass_bins(confidence))["low"]
            > 0
        )

    assert found <= 10  # one in twenty by chance


def test_a_test_set_without_a_miss_does_not_prove_its_probabilities() -> None:
    stated = np.full(20, 0.99)
    alone, together = (
        GroupBootstrap(groups, 100, 0.95, 0).calibration_error(1 - stated, np.zeros(20, dtype=np.int64))
        for groups in (np.arange(20), np.arange(20) // 5)
    )

    assert alone["value"] == together["value"] == pytest.approx(0.01)
    assert alone["low"] == together["low"] == 0
    assert alone["high"] == pytest.approx(0.99 - wilson(1.0, 20, 1.959964)[0], abs=1e-6)
    assert together["high"] > alone["high"]


def test_no_calibration_error_before_scaling_without_a_temperature() -> None:
    assert "ece_uncalibrated" not in measure(predictions(BINARY), BINARY, "normal", 0.5, FEW, 0)


def test_calibration_error_is_that_of_its_bins() -> None:
    table = predictions(THREE, count=73)
    probabilities = table[probability_columns(THREE)].to_numpy()
    numbers = table["label"].map(THREE.index).to_numpy()

    bins = reliability(numbers, probabilities, np.arange(73), 0.95)

    assert bins["n"].sum() == 73
    assert 4 <= len(bins) <= 7
    assert bins["confidence"].is_monotonic_increasing
    error = (bins["n"] * (bins["confidence"] - bins["value"]).abs()).sum() / 73
    assert equal(measure(table, THREE, "normal", 0.5, FEW, 0)["ece"], error)
    shuffled = np.random.default_rng(0).permutation(73)
    pd.testing.assert_frame_equal(bins, reliability(numbers[shuffled], probabilities[shuffled], np.arange(73), 0.95))


def test_certain_probabilities_have_one_bin() -> None:
    assert equal_mass_bins(np.ones(50)).tolist() == [0] * 50
    assert np.isfinite(before_scaling(np.eye(2), 3.0)).all()


def test_the_reliability_plot_draws_what_is_stated_over_what_came_true() -> None:
    table = predictions(BINARY)
    figures = measure(table, BINARY, "normal", 0.5, FEW, 0, 2.0)

    perfect, before, after, written = plot_reliability(table, BINARY, 2.0, 0.95).data

    assert list(perfect.x) == list(perfect.y) == [0, 1]
    counts = np.array(after.customdata)[:, 0]
    assert counts.sum() == 80
    assert [int(count) for count in written.text] == counts.tolist()
    assert (counts * np.abs(np.subtract(after.x, after.y))).sum() / 80 == pytest.approx(figures["ece"]["value"])
    assert after.name.endswith(f"{figures['ece']['value']:.3f}")
    assert min(after.error_y.array) >= 0
    # Eight bins of ten images: their mean distance from the diagonal is the error.
    error = np.abs(np.subtract(before.x, before.y)).mean()
    assert error == pytest.approx(figures["ece_uncalibrated"]["value"], abs=0.02)
    assert len(plot_reliability(table, BINARY, None, 0.95).data) == 3


def test_numbers_of_images_are_written_on_several_lines_where_bins_are_near_each_other() -> None:
    sure = np.linspace(0.9, 1, 80)
    table = pd.DataFrame({"label": BINARY * 40, "group": range(80)})
    table[[f"probability_{name}" for name in BINARY]] = np.column_stack([sure, 1 - sure])

    written = plot_reliability(table, BINARY, None, 0.95).data[-1]

    lines = pd.Series(written.x).groupby(list(written.y))
    assert len(written.x) > lines.ngroups > 1
    assert all((np.diff(sorted(places)) >= 0.08).all() for _, places in lines)


@pytest.mark.parametrize(("count", "classes", "seconds"), [(50, THREE, 1.0), (10_000, THREE, 20.0)])
def test_figures_with_a_thousand_draws_are_there_soon(count: int, classes: list[str], seconds: float) -> None:
    table = predictions(classes, count=count)
    start = time.perf_counter()

    measure(table, classes, "normal", 0.5, ModelEvaluationParameters(bootstrap_repetitions=1000), 0, 1.5)

    assert time.perf_counter() - start < seconds


def answers(*reasons: str | None) -> pd.DataFrame:
    """Ten predictions, seven of them answered unless other reasons are given."""
    chosen = np.array([0] * 6 + [1] + [0, 1, 1])
    table = as_table(BINARY, np.zeros(10, dtype=int), np.eye(2)[chosen], np.arange(10))
    return table.assign(reason=list(reasons) or [None] * 7 + [NOT_SURE, NOT_SURE, NOT_A_CHEST_CT_SLICE])


def test_an_image_without_an_answer_is_an_error_and_left_out_where_the_name_says_selective() -> None:
    table = answers()
    table.loc[[0, 9], "label"] = "normal"  # one that is answered wrongly, one that is refused

    result = {name: figure["value"] for name, figure in measure(table, BINARY, "normal", 0.5, FEW, 0).items()}

    assert (result["coverage"], result["abstained"]) == (0.7, pytest.approx(0.3))
    assert (result["accuracy"], result["wrong"], result["forced_accuracy"]) == (0.5, 0.2, pytest.approx(0.7))
    assert result["selective_accuracy"] == pytest.approx(5 / 7)
    assert (result["sensitivity"], result["selective_sensitivity"]) == (5 / 8, 5 / 6)
    assert (result["specificity"], result["selective_specificity"]) == (0, 0)
    assert (result["ppv"], result["npv"]) == (5 / 6, 0)
    assert (result["threshold_sensitivity"], result["threshold_specificity"]) == (6 / 8, 0.5)
    of_disease = [result[f"{name}_adenocarcinoma"] for name in ("coverage", "recall", "wrong", "precision")]
    assert of_disease == [6 / 8, 5 / 8, 1 / 8, 5 / 6]


def test_coverage_false_refusal_and_the_accuracy_of_what_is_answered_are_counted() -> None:
    result = measure(answers(), BINARY, "normal", 0.5, FEW, 0)

    assert result["coverage"]["value"] == 0.7
    assert result["selective_accuracy"]["value"] == pytest.approx(6 / 7)
    assert result["selective_accuracy"]["n"] == 7
    assert result["not_sure"]["value"] == 0.2
    assert result["false_refusal"]["value"] == 0.1
    warned = measure(answers().assign(warning=["far"] * 2 + [None] * 8), BINARY, "normal", 0.5, FEW, 0)
    assert (result["warned"]["value"], warned["warned"]["value"], warned["warned"]["n"]) == (0, 0.2, 10)
    assert warned["coverage"] == result["coverage"]
    low, high = wilson(0.1, 10, 1.959964)
    assert result["false_refusal"]["low"] == pytest.approx(low, abs=1e-6)
    assert result["false_refusal"]["high"] == pytest.approx(high, abs=1e-6)


def test_without_an_answer_its_accuracy_is_unknown() -> None:
    result = measure(answers(*[NOT_SURE] * 10), BINARY, "normal", 0.5, FEW, 0)

    assert result["coverage"]["value"] == 0
    assert np.isnan(result["selective_accuracy"]["value"])
    assert result["selective_accuracy"]["n"] == 0


def test_every_metric_of_the_registry_is_measured_under_its_name() -> None:
    table, rule = predictions(THREE).assign(patient="one"), PatientRule("noisy-or", (0, 1), 0.0)

    figures = measure(table, THREE, "normal", 0.4, FEW, 0, 1.5, patient_rule=rule)

    assert list(figures) == [metric.name for metric in METRICS] + [
        f"{metric.name}_{name}" for name in THREE for metric in CLASS_METRICS
    ]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("accuracy", "answered rightly (accuracy)"),
        ("roc_auc", "area under the ROC curve"),
        ("threshold_ppv_at_prevalence_5", "positive predictive value at the threshold if 5 % had disease"),
        ("threshold_sensitivity", "sensitivity at the threshold"),
        ("recall_large_cell", "large_cell: answered rightly (recall)"),
        ("npv_normal", "normal: negative predictive value"),
        ("average_precision_normal", "normal: average precision"),
        ("patient_roc_auc", "patients: area under the ROC curve"),
        ("patient_mixed", "patients: with slices of several classes"),
        ("youden_index", "youden index"),
    ],
)
def test_people_have_a_name_for_every_figure(name: str, title: str) -> None:
    assert title_of(name) == title


@pytest.mark.parametrize(("here", "there", "size"), [(0.9, 0.7, 60), (0.97, 0.9, 40), (1.0, 0.8, 30)])
def test_the_interval_of_a_difference_of_independent_shares_holds_it_as_often_as_it_says(
    here: float, there: float, size: int
) -> None:
    generator = np.random.default_rng(8)
    alone = np.arange(size)

    def holds() -> bool:
        one, other = (share(generator.random(size) < truth, alone, 0.95) for truth in (there, here))
        difference = difference_of(one, other)
        assert difference is not None
        assert difference["n"] == 2 * size
        return difference["low"] <= there - here <= difference["high"]

    held = np.mean([holds() for _ in range(2000)])

    assert 0.935 <= held <= 0.99


def test_a_difference_from_what_is_unknown_is_unknown() -> None:
    known = Figure(value=0.9, low=0.8, high=0.95, n=50)

    assert difference_of(known, {"value": None, "low": 0.0, "high": 1.0, "n": 0}) is None
    assert difference_of({"value": np.nan, "low": 0.0, "high": 1.0, "n": 0}, known) is None


def test_average_precision_of_positive_images_alone_is_unknown() -> None:
    figure, _ = GroupBootstrap(np.arange(6), 100, 0.95, 1).average_precision(np.ones(6, bool), np.linspace(0, 1, 6))

    assert np.isnan(figure["value"])
