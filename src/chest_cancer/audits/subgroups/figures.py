"""Figures of groups of test patients, and how they differ from those of the others."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.sources.metadata import FEWEST_PATIENTS, in_order
from chest_cancer.statistics.cross_validation import measure_scores
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.statistics.intervals import difference_of, share
from chest_cancer.statistics.metrics import answer_sides
from chest_cancer.statistics.permutation import Statistic, area_of_units, holm, p_of_difference, share_of_units
from chest_cancer.storage.figures import Figure

Mask = NDArray[np.bool_]


class Measured(NamedTuple):
    """A figure that can be measured of any of the images.

    Attributes:
        among: The images that it is about, [n].
        of: From some of the images, [n], to the figure.
        statistic: The same of those images, to be tested.
    """

    among: Mask
    of: Callable[[Mask], Figure]
    statistic: Statistic


def figures_of(held_out: HeldOut) -> dict[str, Measured]:
    """Say how each figure is measured: those of the answers that are served, and the area under the ROC curve.

    Args:
        held_out: The test images.

    Returns:
        By name, as in `metrics.json`; sensitivity and specificity only where it is known which classes are positive.
    """
    everything = np.ones(len(held_out.numbers), dtype=bool)
    found = {"accuracy": _share(held_out, held_out.right, everything)}
    if of := answer_sides(held_out):
        found["sensitivity"] = _share(held_out, of.said, of.positive)
        found["specificity"] = _share(held_out, of.denied, ~of.positive)
    scores = held_out.probabilities[None]

    def area(chosen: Mask) -> Figure:
        groups = held_out.groups[chosen]
        return measure_scores(held_out.numbers[chosen], scores[:, chosen], groups, held_out.confidence)["roc_auc"]

    return found | {"roc_auc": Measured(everything, area, area_of_units(held_out.numbers, held_out.probabilities))}


def _share(held_out: HeldOut, hits: Mask, among: Mask) -> Measured:
    def of(chosen: Mask) -> Figure:
        counted = chosen & among
        return share(hits[counted], held_out.groups[counted], held_out.confidence)

    return Measured(among, of, share_of_units(hits[among]))


def measure_subgroups(
    stated: pd.DataFrame, who: "pd.Series[Any]", held_out: HeldOut, seed: int
) -> tuple[list[dict[str, Any]], int]:
    """Measure each group of each column, and compare it with the rest.

    Args:
        stated: Columns of groups, n rows.
        who: Patient of each image, [n].
        held_out: The test images.
        seed: Random seed for the permutations.

    Returns:
        For each column its `name` and `groups`, each with `group`, `images`, `patients`, and `figures` by name, which
        are none of a group of fewer than ten patients. A figure has `measured`, of the group; `others`, of the rest;
        `difference`, the former less the latter; `p`, and `p_holm` after Holm's correction for all questions. The last
        four are None where the rest has too few patients, or one side has no image that the figure is about. And the
        number of questions: the two groups of a column that has no more ask the same one.
    """
    figures = figures_of(held_out)
    asked: dict[tuple[str, ...], float] = {}
    columns: list[dict[str, Any]] = []
    for column in stated:
        names = in_order(stated[column])
        rows: list[dict[str, Any]] = []
        for group in names:
            inside = (stated[column] == group).to_numpy()
            patients, others = int(who[inside].nunique()), int(who[~inside].nunique())
            measured: dict[str, dict[str, Any]] = {}
            rows.append({"group": group, "images": int(inside.sum()), "patients": patients, "figures": measured})
            for figure, how in figures.items() if patients >= FEWEST_PATIENTS else ():
                question = (str(column), figure) if len(names) == 2 else (str(column), figure, group)
                measured[figure] = {"measured": how.of(inside), "question": question, **_NOTHING}
                if others < FEWEST_PATIENTS:
                    continue
                if compared := _compare(how, inside, held_out, seed, asked.get(question)):
                    measured[figure] |= compared
                    asked[question] = compared["p"]
        columns.append({"name": str(column), "groups": rows})
    corrected = dict(zip(asked, holm(list(asked.values())), strict=True))
    for each in (each for column in columns for row in column["groups"] for each in row["figures"].values()):
        each["p_holm"] = corrected.get(each.pop("question"))
    return columns, len(asked)


_NOTHING = {"others": None, "difference": None, "p": None}


def _compare(how: Measured, inside: Mask, held_out: HeldOut, seed: int, p: float | None) -> dict[str, Any] | None:
    """Compare a group with the rest; `p` where it was asked before, of the other one of two groups."""
    measured, others = how.of(inside), how.of(~inside)
    if p is None:
        p = p_of_difference(how.statistic, inside[how.among], held_out.groups[how.among], seed)
    return None if p is None else {"others": others, "difference": difference_of(measured, others), "p": p}
