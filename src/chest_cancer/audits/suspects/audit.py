"""The audit of suspects: a list of images that somebody should look at, none of which is left out."""

from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.sample import Sample
from chest_cancer.audits.suspects.columns import COLUMNS
from chest_cancer.audits.suspects.labels import average_probabilities, find_wrong_labels
from chest_cancer.audits.suspects.oddities import FAR, describe_files, deviate, measure_distances
from chest_cancer.audits.suspects.plot import plot_suspects
from chest_cancer.imaging.pictures import thumbnail_url
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import in_words, share

KINDS = {
    "label": "label may be wrong",
    "outlier": "far from the others",
    "marks": "drawn marks",
    "size": "odd size",
    "file": "odd kind of file",
}
"""What an image may be suspected of, the gravest first."""
_SHOWN = 24


def audit_suspects(
    raw_images: ImageFolder,
    split_table: pd.DataFrame,
    audit_sample: Sample,
    parameters: ModelEvaluationParameters,
    seed: int,  # noqa: ARG001  # one signature for all audits
) -> Finding:
    """List images that somebody should look at, ranked: by the number of reasons, then by the gravest of them.

    Args:
        raw_images: The source's files.
        split_table: A row per image file, for how many each image has.
        audit_sample: The images: the image index, `group` and `split`.
        parameters: The block `model_evaluation`.
        seed: Not used.

    Returns:
        `kinds`, what is suspected of how many of the images (a share); `suspects`, how many there are; `shown`, the
        first of them with thumbnails; `images_left_out` of data that are too large; a plot, and the table `suspects`
        with a row for each. Nothing where a class has a single group.
    """
    if audit_sample.cross_validated is None:
        return NOTHING
    names, files = audit_sample.classes, split_table.groupby("pixel_sha256").size()
    rows, numbers, groups = audit_sample.images, audit_sample.numbers, audit_sample.groups
    probabilities = average_probabilities(audit_sample.cross_validated.scores)
    distances = measure_distances(audit_sample.embeddings, audit_sample.cross_validated.draws[0])
    of_label = probabilities[np.arange(len(rows)), numbers]
    wrong, far = find_wrong_labels(probabilities, numbers), deviate(distances) > FAR
    reasons = pd.DataFrame(
        {
            "label": np.where(wrong, KINDS["label"], ""),
            "outlier": np.where(far, KINDS["outlier"], ""),
            **describe_files(rows),
        },
        index=rows.index,
    )
    looked_at = rows.assign(
        probability=of_label,
        instead=np.where(wrong, np.array(names)[probabilities.argmax(axis=1)], ""),
        distance=distances,
        files=rows["pixel_sha256"].map(files),
        reasons=["; ".join(filter(None, said)) for said in reasons.to_numpy()],
    )
    table = _rank(looked_at, reasons)
    facts: dict[str, Any] = {
        "kinds": {kind: share((reasons[kind] != "").to_numpy(), groups, parameters.confidence) for kind in KINDS},
        "suspects": len(table),
        "shown": [
            row | {"thumbnail": thumbnail_url(raw_images.pixels(row["path"]))}
            for row in table.head(_SHOWN).to_dict("records")
        ],
        "images_left_out": audit_sample.left_out,
    }
    return Finding(
        facts | listed(find_limitations(facts)), {"suspects": plot_suspects(looked_at, wrong, far)}, {"suspects": table}
    )


def _rank(looked_at: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    """Images with a reason: more reasons first, then graver ones, then the less probable label and larger distance."""
    said = reasons[list(KINDS)] != ""
    keys = looked_at.assign(
        count=said.sum(axis=1), gravest=said.to_numpy().argmax(axis=1), sureness=looked_at["probability"]
    )[said.any(axis=1)]
    ranked = keys.sort_values(["count", "gravest", "sureness", "distance"], ascending=[False, True, True, False])
    return ranked.assign(rank=np.arange(1, len(ranked) + 1))[list(COLUMNS)].reset_index(drop=True)


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    labels = facts["kinds"]["label"]
    if not labels["value"]:
        return []
    text = (
        f"{in_words(labels, 3)} of the labels (n {labels['n']}) may be wrong: see suspects.csv. No image was left out "
        "for that, and figures count the labels as they are."
    )
    return [Limitation("Suspects", text)]
