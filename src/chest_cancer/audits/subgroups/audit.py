"""The audit of subgroups: whether the figures hold for patients of each sex and age, each scanner and site."""

from typing import Any

import pandas as pd

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.subgroups.figures import figures_of, measure_subgroups
from chest_cancer.audits.subgroups.plot import plot_subgroups
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.features import known_patients
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.metadata import FEWEST_PATIENTS, groups_of
from chest_cancer.statistics.held_out import HeldOut
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.sampling import sample_groups


def audit_subgroups(
    test_predictions: pd.DataFrame,
    image_metadata: pd.DataFrame,
    classifier: Classifier,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Measure the answers for each group of test patients, and test whether they differ from those for the others.

    CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence) asks who the patients are and where a model fails,
    TRIPOD+AI (item 23a) for performance in subgroups. DeGrave, Janizek and Lee (2021, AI for radiographic COVID-19
    detection selects shortcuts over signal, Nature Machine Intelligence) show how a good score can hide that a model
    fails elsewhere.

    Args:
        test_predictions: A row per distinct test image.
        image_metadata: `path`, and a column of groups for each thing that is known.
        classifier: The trained classifier.
        parameters: The block `model_evaluation`.
        seed: Random seed for permutations and draws.

    Returns:
        `columns` (see `measure_subgroups`), `questions`, `figures` of all test images, `images`, `patients`,
        `are_patients` (whether these are known, or groups of near-duplicates stand in for them), `smallest_p`, at and
        below which a corrected p is called a difference, and `images_left_out`; and a plot. Nothing where nothing is
        known of the images.
    """
    if image_metadata.columns.equals(pd.Index(["path"])):
        return NOTHING
    rows, left_out = sample_groups(test_predictions, seed)
    rows = rows.reset_index(drop=True)
    held_out = HeldOut.served(rows, classifier.manifest, parameters, seed)
    patients = known_patients(rows)
    who = rows["group"] if patients is None else pd.Series(patients)
    stated = groups_of(image_metadata, rows["path"])
    columns, questions = measure_subgroups(stated, who, held_out, seed)
    facts: dict[str, Any] = {
        "columns": columns,
        "questions": questions,
        "figures": {name: how.of(how.among) for name, how in figures_of(held_out).items()},
        "images": len(rows),
        "patients": int(who.nunique()),
        "are_patients": patients is not None,
        "smallest_p": round(1 - parameters.confidence, 6),
        "images_left_out": left_out,
    }
    return Finding(facts | listed(find_limitations(facts)), {"subgroups": plot_subgroups(facts, parameters.confidence)})


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    people = "patients" if facts["are_patients"] else "groups of near-duplicates"
    if facts["columns"] and not facts["questions"]:
        text = (
            "Whether the answers are as good in every group of patients is not known: the test split has "
            f"{facts['patients']} {people}, and no group could be compared with the others, because that takes "
            f"{FEWEST_PATIENTS} on either side."
        )
        return [Limitation("Subgroups are too small", text)]
    said = []
    for column in facts["columns"]:
        for row in column["groups"]:
            worse = {name: each for name, each in row["figures"].items() if _is_worse(each, facts["smallest_p"])}
            if worse:
                said.append(_in_words(column["name"], row["group"], worse))
    if not said:
        return []
    how = f"These are from {facts['questions']} comparisons; p by permutation of {people}, after Holm's correction."
    return [Limitation("Subgroups that differ", " ".join([*said, how]))]


def _is_worse(figure: dict[str, Any], smallest_p: float) -> bool:
    return figure["p_holm"] is not None and figure["p_holm"] <= smallest_p and figure["difference"]["value"] < 0


def _in_words(column: str, group: str, worse: dict[str, dict[str, Any]]) -> str:
    first, *others = (name.replace("roc_auc", "AUC") for name in worse)
    figure = next(iter(worse.values()))
    also = f" So are: {', '.join(others)}." if others else ""
    return (
        f"Where `{column}` is `{group}`, figures are worse than for the others. {first[0].upper()}{first[1:]}: "
        f"{in_words(figure['measured'])} (n {figure['measured']['n']}), for the others {in_words(figure['others'])}, p "
        f"{figure['p_holm']:.2g}.{also}"
    )
