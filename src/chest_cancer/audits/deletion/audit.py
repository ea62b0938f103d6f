"""The audit of deletion: a score with and without the near-duplicates of tested images in training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.deletion.deleting import measure_deletions
from chest_cancer.audits.deletion.plot import plot_deletions
from chest_cancer.audits.deletion.words import describe_deletions
from chest_cancer.audits.sample import Sample
from chest_cancer.network.embedding import directions, means_of
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.cross_validation import FOLDS, fewest_groups
from chest_cancer.statistics.least_squares import ForgetfulHead
from chest_cancer.statistics.near_duplicates import ROUNDING


def audit_deletion(audit_sample: Sample, parameters: ModelEvaluationParameters, seed: int) -> Finding:
    """Take near-duplicates of tested images out of training, and as many others for comparison.

    Kapoor and Narayanan, 2023, Leakage and the reproducibility crisis in machine-learning-based science (Patterns), ask
    for what leakage costs. A curve over similarities shows that a score falls; a deletion of the same size of other
    images shows that it falls because of them.

    Args:
        audit_sample: The images, and their files.
        parameters: The block `model_evaluation`.
        seed: Random seed for folds, deletions and draws.

    Returns:
        `rows`, one for each deletion: `unit` (`files`, copies included, or `pictures`, each distinct one once),
        `similarity` (None where copies alone are deleted) and what `measure_deletions` returns; `sentence`, the same in
        plain words; `images_left_out` of data that are too large; and a plot. Nothing where a class has fewer images
        than there are folds.
    """
    pictures = np.arange(len(audit_sample.images))
    if fewest_groups(audit_sample.numbers, pictures) < FOLDS:
        return NOTHING
    rows: list[dict[str, Any]] = []
    for unit, images in (("files", audit_sample.image_of_file), ("pictures", pictures)):
        if unit == "files" and len(images) == len(pictures):
            continue
        embeddings, numbers = audit_sample.embeddings[images], audit_sample.numbers[images]
        groups = audit_sample.groups[images]
        head = ForgetfulHead(embeddings, numbers)
        copies = (None,) if unit == "files" else ()
        for similarity in (*copies, *parameters.deletion_similarities):
            near = _of_others(images[:, None] == images) if similarity is None else _near(embeddings, similarity)
            measured = measure_deletions(head, numbers, groups, near, parameters, seed)
            if measured is not None:
                rows.append({"unit": unit, "similarity": similarity, **measured})
    facts = {
        "rows": rows,
        "sentence": describe_deletions(rows, min(parameters.deletion_similarities)),
        "images_left_out": audit_sample.left_out,
    }
    plots = {"deletion": plot_deletions(rows, parameters.confidence)}
    return Finding(facts | listed(find_limitations(facts)), plots)


def _near(embeddings: NDArray[np.float32], similarity: float) -> NDArray[np.bool_]:
    unit = directions(means_of(embeddings))
    return _of_others(unit @ unit.T >= similarity - ROUNDING)


def _of_others(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    np.fill_diagonal(near, val=False)
    return near


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    if not any(row["beyond_random"]["low"] > 0 and row["beyond_same_classes"]["low"] > 0 for row in facts["rows"]):
        return []
    return [Limitation("What near-duplicates are worth", facts["sentence"])]
