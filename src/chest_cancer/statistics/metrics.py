"""The registry of metrics: what is measured on held-out images, each with its name and its function.

`metrics.json`, report, cards, MLflow and the web page all show what this registry gives: **a new metric is one line**
in `METRICS`, in `CLASS_METRICS` for one of each class, or in `PATIENT_METRICS` for one of patients. People read its
name in words; another title goes into `storage.figures`.

The first figures are those of the answers that a user gets; their sensitivity, specificity and predictive values are
about the positive classes. An image without an answer counts as an error; what is called `selective_` leaves it out.
What the operating threshold would do alone, whatever is declined, is called `threshold_`: it is about any disease.

Every interval takes the images of a group for correlated draws of one. Shares have Wilson's interval, for the effective
number of images (`intervals.share`); areas under the ROC curve a score interval (`roc.area_under_roc`); predictive
values at a stated prevalence that of the likelihood ratio (`intervals.predictive_values`); means over classes follow
from their parts (`intervals.mean_of`). Loss, Brier score, average precision and calibration error have a bootstrap over
groups (`bootstrap.GroupBootstrap`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.statistics.held_out_patients import PATIENT_METRICS, HeldOutPatients, Mask
from chest_cancer.statistics.intervals import mean_of, predictive_values
from chest_cancer.storage.figures import Figure

PREVALENCES = (1, 5, 20)
"""Of disease, in percent, for which predictive values are worked out."""


Row = TypeVar("Row")


class Metric(NamedTuple):
    """A figure of `metrics.json`.

    Attributes:
        name: Name that it is stored under.
        group: Heading that the report lists it under.
        measure: Computes the figure; None where it does not apply.
    """

    name: str
    group: str
    measure: Callable[[HeldOut], Figure | None]


class ClassMetric(NamedTuple):
    """A figure of each class, stored as `<name>_<class>`; `measure` takes the number of the class as well."""

    name: str
    measure: Callable[[HeldOut, int], Figure | None]


def measure(held_out: HeldOut) -> dict[str, Figure]:
    """Measure what a classifier said of held-out images with every metric of the registry.

    Returns:
        The figures by name; the value of an unknown one is NaN, its interval 0 to the largest possible value.
    """
    figures: dict[str, Figure] = {}
    for metric in METRICS:
        if (figure := metric.measure(held_out)) is not None:
            figures[metric.name] = figure
    for number, name in enumerate(held_out.classes):
        for metric_of in CLASS_METRICS:
            if (figure := metric_of.measure(held_out, number)) is not None:
                figures[f"{metric_of.name}_{name}"] = figure
    return figures


def by_heading(rows: Mapping[str, Row]) -> tuple[dict[str, list[Row]], list[Row]]:
    """Sort what a page says of figures, as the registry has them.

    Args:
        rows: What is said of each figure, by its name.

    Returns:
        Of all classes together, by heading and in the order of `METRICS`; and of each class, in the order that it came.
    """
    headings: dict[str, list[Row]] = {}
    for metric in METRICS:
        if metric.name in rows:
            headings.setdefault(metric.group, []).append(rows[metric.name])
    names = {metric.name for metric in METRICS}
    return headings, [row for name, row in rows.items() if name not in names]


class Sides(NamedTuple):
    """Which images are positive, and which are said to be positive or negative; each [n]."""

    positive: Mask
    said: Mask
    denied: Mask


def answer_sides(held_out: HeldOut) -> Sides | None:
    """The answers, about the positive classes; None where nobody said which these are."""
    if held_out.positive is None:
        return None
    positive, said = (np.isin(numbers, held_out.positive) for numbers in (held_out.numbers, held_out.chosen))
    return Sides(positive, held_out.answered & said, held_out.answered & ~said)


def _threshold_sides(held_out: HeldOut) -> Sides | None:
    """What reaches the threshold, which is about any disease, declined or not; None without a threshold."""
    if held_out.normal is None or held_out.threshold is None:
        return None
    said = np.asarray(1 - held_out.probabilities[:, held_out.normal] >= held_out.threshold)
    return Sides(np.asarray(held_out.numbers != held_out.normal), said, ~said)


SidesOf = Callable[[HeldOut], Sides | None]


def _sensitivity(held_out: HeldOut, sides: SidesOf = answer_sides) -> Figure | None:
    of = sides(held_out)
    return of and held_out.share(of.said, of.positive)


def _specificity(held_out: HeldOut, sides: SidesOf = answer_sides) -> Figure | None:
    of = sides(held_out)
    return of and held_out.share(of.denied, ~of.positive)


def _selective_sensitivity(held_out: HeldOut) -> Figure | None:
    of = answer_sides(held_out)
    return of and held_out.share(of.said, of.positive & held_out.answered)


def _selective_specificity(held_out: HeldOut) -> Figure | None:
    of = answer_sides(held_out)
    return of and held_out.share(of.denied, ~of.positive & held_out.answered)


def _ppv(held_out: HeldOut, sides: SidesOf = answer_sides) -> Figure | None:
    of = sides(held_out)
    return of and held_out.share(of.positive, of.said)


def _npv(held_out: HeldOut, sides: SidesOf = answer_sides) -> Figure | None:
    of = sides(held_out)
    return of and held_out.share(~of.positive, of.denied)


def _predictive_value(held_out: HeldOut, percent: int, side: int) -> Figure | None:
    """Positive (side 0) or negative (1) predictive value of the threshold at a prevalence in percent."""
    sensitivity, specificity = (each(held_out, _threshold_sides) for each in (_sensitivity, _specificity))
    if sensitivity is None or specificity is None:
        return None
    return predictive_values(sensitivity, specificity, percent / 100)[side]


def _brier(held_out: HeldOut) -> Figure:
    return held_out.bootstrap.mean(held_out.squared_errors(), 1.0 if held_out.is_binary else 2.0)


def _uncalibrated_error(held_out: HeldOut) -> Figure | None:
    before = held_out.uncalibrated()
    return None if before is None else held_out.calibration_error(before)


def _mean_over_classes(held_out: HeldOut, of_class: Callable[[HeldOut, int], Figure], together: bool) -> Figure | None:
    """Average a figure over more than two classes; `together` where the classes' figures rest on the same images."""
    if held_out.is_binary:
        return None
    count = len(held_out.classes)
    correlation = np.ones((count, count)) if together else np.eye(count)
    return mean_of([of_class(held_out, k) for k in range(count)], correlation, len(held_out.numbers))


def _recall(held_out: HeldOut, number: int) -> Figure:
    return held_out.share(held_out.answered_as(number), held_out.numbers == number)


def _precision(held_out: HeldOut, number: int) -> Figure:
    return held_out.share(held_out.numbers == number, held_out.answered_as(number))


def _answered_of(held_out: HeldOut, number: int) -> Figure:
    return held_out.share(held_out.answered, held_out.numbers == number)


def _wrong_of(held_out: HeldOut, number: int) -> Figure:
    return held_out.share(held_out.wrong, held_out.numbers == number)


def _specificity_of(held_out: HeldOut, number: int) -> Figure:
    return held_out.share(held_out.answered & (held_out.chosen != number), held_out.numbers != number)


def _npv_of(held_out: HeldOut, number: int) -> Figure:
    return held_out.share(held_out.numbers != number, held_out.answered & (held_out.chosen != number))


def _brier_of(held_out: HeldOut, number: int) -> Figure:
    """Against the rest, 0..1."""
    squares = (held_out.probabilities[:, number] - (held_out.numbers == number)) ** 2
    return held_out.bootstrap.mean(squares, 1.0)


def _of_many(of_class: Callable[[HeldOut, int], Figure]) -> Callable[[HeldOut, int], Figure | None]:
    """A figure that for two classes would only repeat another one."""
    return lambda held_out, number: None if held_out.is_binary else of_class(held_out, number)


def _of_patients(held_out: HeldOut, of_patients: Callable[[HeldOutPatients], Figure]) -> Figure | None:
    return None if held_out.patients is None else of_patients(held_out.patients)


def _called(held_out: HeldOut, reason: str) -> Figure:
    return held_out.share((held_out.reasons == reason).to_numpy(dtype=bool))


_ANSWER, _APART, _AT_THRESHOLD, _TRUST, _MEANS, _PATIENTS = (
    "The answer",
    "Telling classes apart, by probability",
    "The operating threshold alone, if every image were answered",
    "Trust in probabilities",
    "Means over classes, of the answers",
    "Patients, by all slices of each",
)

METRICS: tuple[Metric, ...] = (
    # El-Yaniv and Wiener, 2010, On the foundations of noise-free selective classification.
    Metric("coverage", _ANSWER, lambda h: h.share(h.answered)),
    Metric("accuracy", _ANSWER, lambda h: h.share(h.right)),
    Metric("wrong", _ANSWER, lambda h: h.share(h.wrong)),
    Metric("abstained", _ANSWER, lambda h: h.share(~h.answered)),
    Metric("not_sure", _ANSWER, partial(_called, reason=NOT_SURE)),
    Metric("false_refusal", _ANSWER, partial(_called, reason=NOT_A_CHEST_CT_SLICE)),
    Metric("warned", _ANSWER, lambda h: h.share(h.warnings.notna().to_numpy(dtype=bool))),
    Metric("sensitivity", _ANSWER, _sensitivity),
    Metric("specificity", _ANSWER, _specificity),
    Metric("selective_accuracy", _ANSWER, lambda h: h.share(h.hits, h.answered)),
    Metric("selective_sensitivity", _ANSWER, _selective_sensitivity),
    Metric("selective_specificity", _ANSWER, _selective_specificity),
    Metric("ppv", _ANSWER, _ppv),
    Metric("npv", _ANSWER, _npv),
    Metric("forced_accuracy", _ANSWER, lambda h: h.share(h.hits)),
    Metric("roc_auc", _APART, lambda h: h.areas[0]),
    Metric("average_precision", _APART, lambda h: h.average_precisions[0]),
    Metric("loss", _APART, lambda h: h.bootstrap.mean(h.losses(), h.largest_loss)),
    Metric("threshold_sensitivity", _AT_THRESHOLD, partial(_sensitivity, sides=_threshold_sides)),
    Metric("threshold_specificity", _AT_THRESHOLD, partial(_specificity, sides=_threshold_sides)),
    Metric("threshold_ppv", _AT_THRESHOLD, partial(_ppv, sides=_threshold_sides)),
    Metric("threshold_npv", _AT_THRESHOLD, partial(_npv, sides=_threshold_sides)),
    *(
        Metric(
            f"threshold_{kind}_at_prevalence_{percent}",
            _AT_THRESHOLD,
            partial(_predictive_value, percent=percent, side=side),
        )
        for percent in PREVALENCES
        for side, kind in enumerate(("ppv", "npv"))
    ),
    Metric("brier", _TRUST, _brier),
    Metric("ece", _TRUST, lambda h: h.calibration_error(h.probabilities)),
    Metric("ece_uncalibrated", _TRUST, _uncalibrated_error),
    # Recalls rest on different images, and so do precisions. The others share most of theirs.
    Metric("macro_recall", _MEANS, partial(_mean_over_classes, of_class=_recall, together=False)),
    Metric("macro_precision", _MEANS, partial(_mean_over_classes, of_class=_precision, together=False)),
    Metric("macro_specificity", _MEANS, partial(_mean_over_classes, of_class=_specificity_of, together=True)),
    Metric("macro_npv", _MEANS, partial(_mean_over_classes, of_class=_npv_of, together=True)),
    *(Metric(name, _PATIENTS, partial(_of_patients, of_patients=measured)) for name, measured in PATIENT_METRICS),
)

CLASS_METRICS: tuple[ClassMetric, ...] = (
    ClassMetric("coverage", _answered_of),
    ClassMetric("recall", _recall),
    ClassMetric("wrong", _wrong_of),
    ClassMetric("precision", _precision),
    ClassMetric("specificity", _of_many(_specificity_of)),
    ClassMetric("npv", _of_many(_npv_of)),
    ClassMetric("roc_auc", _of_many(lambda h, k: h.areas[1][k])),
    ClassMetric("average_precision", _of_many(lambda h, k: h.average_precisions[1][k])),
    ClassMetric("brier", _of_many(_brier_of)),
)
