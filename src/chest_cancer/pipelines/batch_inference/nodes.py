"""Nodes of batch_inference: from a source and a classifier to a row for every image."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from chest_cancer.jobs import progress
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.mapping import map_images
from chest_cancer.network.placement import place_classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.network.preparation import Preparation
from chest_cancer.network.processes import Processes
from chest_cancer.network.studies import reason_of_chest
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.pipelines.batch_inference.parts import (
    Part,
    images_about,
    look_whom,
    name_of_source,
    plan_parts,
    share_of,
)
from chest_cancer.sources import file_reader
from chest_cancer.sources.file_reader import IS_CT, FileReader, Row, may_pass
from chest_cancer.sources.image_files import ImageFiles
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.table_file import TEXT
from chest_cancer.storage.table_parts import PlannedTable

logger = logging.getLogger(__name__)

_TRIAL = "phantom"
"""What is predicted where no source was named: anybody can make it again."""
_BATCH, _READ_AHEAD = 2, 64  # on the processor more images at once take more memory, and no less time


def describe_inference_source(parameters: BatchInferenceParameters, patient_key: bytes) -> ImageSource:
    """Name the images to predict; the catalog fetches them.

    Args:
        parameters: The block `batch_inference`.
        patient_key: Of this project, for what stands in copied files in the place of identifiers.

    Returns:
        The source, for the catalog to bring here.

    Raises:
        ValueError: `batch_inference.source` is nothing that images can be taken from.
    """
    return ImageSource.of(parameters, "batch_inference", patient_key)


def predict_images(
    images: ImageFiles, classifier: Classifier, parameters: BatchInferenceParameters, patient_key: bytes
) -> tuple[PlannedTable, dict[str, Any], Classifier]:
    """Plan to predict every image of a source; the catalog asks for the parts that are not there yet.

    Args:
        images: The source's files.
        classifier: The trained classifier.
        parameters: The block `batch_inference`.
        patient_key: Of this project, for the hashes of patients.

    Returns:
        The table, with a row per image, sorted by path within a part, and for what can't be read with the reason:
        `path`; `patient`, `study` and `series`, keyed hashes, empty where they are not known; the answer's `label` and
        `probability`, empty where there is none, and then a `reason`; a `warning` where only the probability is empty,
        because it would say nothing; a `probability_<class>` of each class, empty where the file can't be read or shows
        no lung; the digest `pixel_sha256`, empty where it can't be read. What is known of the work: `source`,
        `synthetic`, whether its images are drawn, `model_synthetic`, whether those of the model are, `files` and
        `parts`, how many there are to be. And the classifier, for what follows: by then another one may be served.

    Raises:
        ValueError: There is no file, or no patient is found in the way that was asked for.
    """
    classifier = place_classifier(classifier, parameters)
    whom = look_whom(images, parameters.patient, patient_key)
    parts = plan_parts(images, whom, patient_key, classifier.identity, parameters.limits)
    preparation = Preparation.of(classifier.manifest)
    reader = FileReader(patient_key, whom.way, preparation, images.folder, whom.nobody, parameters.limits)
    planned = PlannedTable(
        name_of_source(images.source, parameters.source, patient_key),
        {part.name: part.made_from for part in parts},
        tuple(part.name for part in share_of(parts, parameters.part)),
        partial(_predict_parts, {part.name: part for part in parts}, classifier, reader, parameters),
        _is_final,
        (_TRIAL,),
    )
    facts = {
        "source": images.source.location,
        "synthetic": images.source.synthetic,
        "model_synthetic": classifier.manifest.data.synthetic,
        "files": len(images.files),
        "parts": len(parts),
    }
    return planned, facts, classifier


def _predict_parts(
    parts: dict[str, Part],
    classifier: Classifier,
    reader: FileReader,
    parameters: BatchInferenceParameters,
    missing: list[str],
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Predict the files of some parts, and give each part as soon as it is whole."""
    remaining = [parts[name] for name in missing]
    total = sum(len(part.files) for part in remaining)
    files = sum(len(part.files) for part in parts.values())
    logger.info("Predicting %d of %d files (%s, %s).", total, files, classifier.device, classifier.precision)
    ends = iter(_ends(remaining))
    part, end = next(ends)
    rows: list[Row] = []
    with LongWork("Predicting", total, "files") as work:
        mapped = map_images(
            [part.files for part in remaining],
            reader,
            classifier.stream_batches,
            partial(Processes, preload=file_reader.__name__),
            batch=_BATCH if classifier.device == "cpu" else classifier.batch,
            read_ahead=_READ_AHEAD,
            weight=images_about,
            engine=parameters,
        )
        for done, (_, images) in enumerate(mapped, start=1):
            rows += [_answered(facts, prediction) for facts, prediction in images]
            work.update()
            if done % _BATCH == 0 or done == total:
                progress.report("images", done=done, of=total)
            if done == end:
                yield part.name, _as_table(rows, classifier.classes)
                rows = []
                part, end = next(ends, (part, 0))


def _ends(parts: list[Part]) -> Iterator[tuple[Part, int]]:
    """Each part, and how many files are done when it is."""
    done = 0
    for part in parts:
        done += len(part.files)
        yield part, done


def _answered(facts: Row, prediction: Prediction | None) -> Row:
    """Join what is known of an image with what the classifier says of it."""
    if prediction is None:
        return facts
    reason = reason_of_chest(prediction.reason) if facts[IS_CT] else prediction.reason
    answer = {"label": prediction.label, "probability": prediction.probability, "warning": prediction.warning}
    names = probability_columns(prediction.probabilities)
    return facts | answer | {"reason": reason} | dict(zip(names, prediction.probabilities.values(), strict=True))


def _is_final(rows: pd.DataFrame) -> bool:
    return not rows["reason"].dropna().map(may_pass).any()


def _as_table(rows: list[Row], classes: tuple[str, ...]) -> pd.DataFrame:
    by_class = probability_columns(classes)
    columns = ["path", "patient", "study", "series", "label", "probability", *by_class]
    columns += ["reason", "warning", "pixel_sha256"]
    numbers = {"probability", *by_class}
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype="float64" if name in numbers else TEXT)
            for name in columns
        }
    )
