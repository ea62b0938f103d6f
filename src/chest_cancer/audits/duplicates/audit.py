"""The audit of copies: files that show the same slice, or nearly, and what they would do to a score."""

from typing import Any

import pandas as pd

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.duplicates.copies import (
    count_duplicates,
    group_duplicates,
    list_files,
    show_duplicates,
    show_shared_pictures,
)
from chest_cancer.audits.duplicates.twins import find_cross_split_twins
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.storage.arrays import Arrays


def audit_duplicates(
    raw_images: ImageFolder,
    split_table: pd.DataFrame,
    features: Arrays,
    quarantine: pd.DataFrame,
    parameters: ModelEvaluationParameters,  # noqa: ARG001  # one signature for all audits
    seed: int,  # noqa: ARG001  # the same
) -> Finding:
    """List copies and near-duplicates, and the source's test images that have a twin in its training folder.

    Args:
        raw_images: The source's files.
        split_table: A row per image file.
        features: `pixel_sha256` and `embedding` of each distinct image.
        quarantine: Files that were not used, with the reason.
        parameters: The block `model_evaluation`.
        seed: Not used.

    Returns:
        `counts`, `twins`, `twins_in_words` (None where no twin was found), and, with thumbnails, the largest `groups`
        and the pictures that are `of_several_patients`. The table `duplicate_groups` has the files of all groups.
    """
    twins = find_cross_split_twins(split_table, features)
    groups = group_duplicates(split_table)
    counts = count_duplicates(split_table, twins, quarantine)
    source_test = counts["source_test"]
    in_words = count_twins(source_test) if source_test and source_test["with_twin"] else None
    facts = {
        "counts": counts,
        "twins": twins.to_dict("records"),
        "twins_in_words": in_words,
        "groups": show_duplicates(groups, split_table, raw_images),
        "of_several_patients": show_shared_pictures(split_table, raw_images),
    }
    return Finding(facts | listed(find_limitations(facts)), {}, {"duplicate_groups": list_files(groups, split_table)})


def count_twins(source_test: dict[str, Any]) -> str:
    """Say how many of the source's test images have a twin in its training folder, and of which kind."""
    kinds = {
        "exact": "the same bytes",
        "same pixels": "the same pixels",
        "near": "nearly the same picture",
        "patient": "another picture of the same patient or study",
    }
    of_kind = ", ".join(f"{source_test[kind]} {words}" for kind, words in kinds.items() if source_test[kind])
    return (
        f"{source_test['with_twin']} of the source's {source_test['images']} test images have a twin in its training "
        f"folder{f' ({of_kind})' if of_kind else ''}."
    )


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    counts, parts = facts["counts"], []
    copies = counts["files"] - counts["distinct_by_pixels"]
    if copies:
        parts.append(f"{copies} of {counts['files']} files are copies; each distinct slice counts once here.")
    if facts["twins_in_words"]:
        parts.append(facts["twins_in_words"])
    if counts["contradicting_files"]:
        parts.append(f"{counts['contradicting_files']} files show a slice that carries another label in another file.")
    return [Limitation("Copies", " ".join(parts))] if parts else []
