"""What a batch comes to: counts, the rows as CSV where they are few, and a page with a sample."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.reporting.gallery import Shown, render_gallery
from chest_cancer.sources.image_files import ImageFiles, SourceFile, images_in
from chest_cancer.sources.intake import RefusedError
from chest_cancer.storage.table_parts import TableParts

_MOST_ROWS_OF_A_LIST = 100_000
_SHOWN_OF_AN_ANSWER = 6
_MOST_REASONS = 20


def sum_up_batch(
    predictions: TableParts,
    patient_predictions: pd.DataFrame,
    study_predictions: pd.DataFrame,
    inference_work: dict[str, Any],
) -> dict[str, Any]:
    """Count what a batch comes to.

    Args:
        predictions: The parts that there are.
        patient_predictions: A row per patient.
        study_predictions: A row per series.
        inference_work: What `predict_images` knows of the work.

    Returns:
        What is known of the work; `parts_done`; `rows`; `answers`, how many images have each label; `warned`, how many
        of these have no probability; `without_answer`, how many have each reason, in short, the most frequent first;
        `without_answer_in_all`; `unreadable`, how many of these could not be read; `patients` and `series`, how many
        there are, are read, and read positive.
    """
    answers: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    rows = unreadable = warned = done = 0
    for part in predictions:
        done += 1
        rows += len(part)
        unreadable += int(part["pixel_sha256"].isna().sum())
        warned += int(part["warning"].notna().sum())
        answers.update(part["label"].dropna())
        reasons.update(part["reason"].dropna().map(_in_short))
    return inference_work | {
        "parts_done": done,
        "rows": rows,
        "answers": dict(sorted(answers.items())),
        "warned": warned,
        "without_answer": dict(reasons.most_common(_MOST_REASONS)),
        "without_answer_in_all": sum(reasons.values()),
        "unreadable": unreadable,
        "patients": _count_readings(patient_predictions),
        "series": _count_readings(study_predictions),
    }


def list_predictions(predictions: TableParts) -> pd.DataFrame:
    """Put the rows into one table, sorted by path, where they are at most 100,000; else none of them.

    There are no parts after a share that had none to make, if it is the first.
    """
    parts = list(predictions) if predictions.count_rows() <= _MOST_ROWS_OF_A_LIST else []
    return pd.concat(parts).sort_values("path", ignore_index=True) if parts else pd.DataFrame()


def draw_gallery(
    images: ImageFiles,
    predictions: TableParts,
    classifier: Classifier,
    batch_summary: dict[str, Any],
    parameters: BatchInferenceParameters,
    key: bytes,
) -> str:
    """Write a page with some images of each answer, under their evidence maps.

    Args:
        images: The source's files.
        predictions: The parts that there are.
        classifier: The trained classifier; the images that are shown go through it once more.
        batch_summary: What `sum_up_batch` returned.
        parameters: The block `batch_inference`.
        key: Of this project.

    Returns:
        HTML that needs no network.
    """
    chosen = _choose(predictions, probability_columns(classifier.classes))
    return render_gallery(
        batch_summary, _look_again(images, chosen, classifier, key, parameters.limits), classifier.manifest
    )


def _in_short(reason: str) -> str:
    """Leave out what a reason says of its file alone: values, and the cure."""
    return re.split(r"[:;]|, ", reason, maxsplit=1)[0]


def _count_readings(table: pd.DataFrame) -> dict[str, int]:
    reads = table["reads_positive"]
    return {"all": len(table), "read": int(reads.notna().sum()), "positive": int(reads.sum())}


def _choose(predictions: Iterable[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Take a few images of each answer, and of each reason for none, by a hash of their paths: always the same ones."""
    chosen = pd.DataFrame()
    for part in predictions:
        seen = part[part[columns[0]].notna()]
        answer = seen["label"].combine_first(seen["reason"])
        order = [hashlib.sha256(path.encode()).hexdigest() for path in seen["path"]]
        both = pd.concat([chosen, seen.assign(answer=answer, order=order)])
        chosen = both.sort_values("order").groupby("answer", sort=True).head(_SHOWN_OF_AN_ANSWER)
    return chosen.sort_values(["answer", "order"], ignore_index=True) if len(chosen) else chosen


def _look_again(
    images: ImageFiles, chosen: pd.DataFrame, classifier: Classifier, key: bytes, limits: SourceLimits
) -> Iterator[Shown]:
    """Predict the chosen images once more, for their pixels and evidence; those that changed are left out."""
    rows = {str(row["path"]): row for row in chosen.to_dict("records")}
    named = {*rows, *(str(PurePosixPath(path).parent) for path in rows)}  # a slice is in the file of its volume
    for file in images.files:
        if file.name not in named or file.problem is not None:
            continue
        for path, data in _read(file, key, limits):
            if path not in rows:
                continue
            try:
                image = decode_image(data, max_pixels=limits.max_pixels, min_side=limits.min_side)
                pixels = classifier.pixels_of(image)
            except UnreadableImageError:
                continue
            if image.digest == rows[path]["pixel_sha256"]:
                frame = standardise(pixels, classifier.standardisation).frame
                yield Shown(rows[path], pixels, classifier.predict([pixels])[0], frame)


def _read(file: SourceFile, key: bytes, limits: SourceLimits) -> Iterator[tuple[str, bytes]]:
    try:
        yield from images_in(file, key, file.beside, set(), limits)
    except RefusedError:  # gone, or another file since
        return
