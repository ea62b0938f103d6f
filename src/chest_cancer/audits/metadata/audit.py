"""The audit of metadata: how much what is known beside the picture says of the class."""

from typing import Any

import pandas as pd

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.metadata.baseline import score_metadata
from chest_cancer.audits.sample import Sample
from chest_cancer.network.features import known_patients
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.metadata import groups_of, in_order
from chest_cancer.statistics.association import cramers_v
from chest_cancer.statistics.intervals import in_words

_SUSPECT = 0.6
"""Area above which metadata alone are called a shortcut, as other baselines are."""


def audit_metadata(
    audit_sample: Sample, image_metadata: pd.DataFrame, parameters: ModelEvaluationParameters, seed: int
) -> Finding:
    """Measure how each column of metadata goes with the class, and score what sees metadata alone.

    DeGrave, Janizek and Lee, 2021, AI for radiographic COVID-19 detection selects shortcuts over signal (Nature Machine
    Intelligence): where classes come from other sites or patients of another age, a model may tell these apart.

    Args:
        audit_sample: The images, with `path` and, where known, `patient`.
        image_metadata: `path`, and a column of groups for each thing that is known.
        parameters: The block `model_evaluation`.
        seed: Random seed for draws.

    Returns:
        `columns`, each with `name`, `association` with the class (Cramér's V) and `groups`; `baseline` (see
        `score_metadata`), None where a class has a single group; `images`, `patients` (None where unknown), and
        `images_left_out` of data that are too large. `columns` alone, empty, where nothing is known.
    """
    if image_metadata.columns.equals(pd.Index(["path"])):
        return Finding({"columns": []} | listed([]), {})
    rows, names, numbers, groups = (
        audit_sample.images,
        audit_sample.classes,
        audit_sample.numbers,
        audit_sample.groups,
    )
    stated, patients = groups_of(image_metadata, rows["path"]), known_patients(rows)
    who = pd.Series(groups if patients is None else patients)
    facts: dict[str, Any] = {
        "columns": [
            {
                "name": column,
                "association": cramers_v(pd.factorize(stated[column])[0], numbers, groups, parameters.confidence),
                "groups": _count(stated[column], who, rows["label"].reset_index(drop=True), names),
            }
            for column in stated
        ],
        "baseline": score_metadata(stated, audit_sample, parameters, seed),
        "images": len(rows),
        "patients": None if patients is None else len(set(patients)),
        "images_left_out": audit_sample.left_out,
    }
    return Finding(facts | listed(find_limitations(facts)), {})


def _count(
    column: "pd.Series[str]", who: "pd.Series[Any]", labels: "pd.Series[str]", names: list[str]
) -> list[dict[str, Any]]:
    found = []
    for group in in_order(column):
        inside = (column == group).to_numpy()
        classes = {name: int((labels[inside] == name).sum()) for name in names}
        patients = int(who[inside].nunique())
        found.append({"group": group, "images": int(inside.sum()), "patients": patients, "classes": classes})
    return found


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    baseline = facts.get("baseline")
    if not baseline or baseline["metadata"]["roc_auc"]["low"] <= 1 / 2:
        return []
    area = baseline["metadata"]["roc_auc"]
    if area["value"] <= _SUSPECT:
        return []
    most = max(facts["columns"], key=lambda column: column["association"]["low"])
    text = (
        "Without any image, metadata alone tell the classes apart with an area under the ROC curve of "
        f"{in_words(area)} (n {area['n']}), where chance gives 0.50. `{most['name']}` goes most surely with the class "
        f"(Cramér's V {in_words(most['association'])}). Unless such a column states the class in other words, a model "
        "that recognises these groups in pictures scores without seeing disease."
    )
    return [Limitation("Classes that differ in metadata", text)]
