"""Nodes of batch_inference."""

import logging
from functools import partial
from typing import Any

import pandas as pd
from tqdm import tqdm

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.network.studies import reason_of_chest, shows_lung
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.pipelines.batch_inference.patients import identify
from chest_cancer.sources.identity import (
    MAY_FIND_NOBODY,
    PHANTOM_PATIENTS,
    finds_nobody,
    patient_in_path,
    without_shared_identifiers,
)
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.table_file import TEXT

logger = logging.getLogger(__name__)

_TEXT_COLUMNS = ["path", "patient", "study", "series", "label", "reason", "warning", "pixel_sha256"]


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
    return ImageSource(location=parameters.source, parameter="batch_inference.source", key=patient_key)


def predict_images(
    images: ImageFolder, classifier: Classifier, parameters: BatchInferenceParameters, patient_key: bytes
) -> pd.DataFrame:
    """Predict every image of a folder; what can't be read gets a row with the reason.

    Args:
        images: The source's files.
        classifier: The trained classifier.
        parameters: The block `batch_inference`.
        patient_key: Of this project, for the hashes of patients.

    Returns:
        A row per file: `path`; `patient`, `study` and `series`, keyed hashes, empty where they are not known; the
        answer's `label` and `probability`, empty where there is none, and then a `reason`; a `warning` where only the
        probability is empty, because it would say nothing; a `probability_<class>` of each class, empty where the file
        can't be read or shows no lung; the digest `pixel_sha256`, empty where it can't be read.

    Raises:
        ValueError: No patient is found in the way that was asked for.
    """
    way = PHANTOM_PATIENTS if images.source.synthetic and parameters.patient == "auto" else parameters.patient
    _require_some_patients(images, way)
    who = partial(identify, way=way, key=patient_key)
    by_class = probability_columns(classifier.classes)
    rows: list[dict[str, Any]] = [
        {"path": path, **who(path, None)._asdict(), "reason": reason} for path, reason in images.refused
    ]
    for path in tqdm(images.paths, desc="Predicting", unit="image", mininterval=0.5):
        try:
            image = decode_image(images.read(path), with_identifiers=True)
            pixels = classifier.pixels_of(image)
        except UnreadableImageError as error:
            rows.append({"path": path, **who(path, None)._asdict(), "reason": str(error)})
            continue
        shown = {**who(path, image.identifiers)._asdict(), "pixel_sha256": image.digest}
        if not shows_lung(image):
            rows.append({"path": path, **shown, "reason": NO_LUNG})
            continue
        prediction = classifier.predict([pixels])[0]
        reason = prediction.reason if image.hounsfield is None else reason_of_chest(prediction.reason)
        answer = {"label": prediction.label, "probability": prediction.probability, "reason": reason}
        answer["warning"] = prediction.warning
        probabilities = dict(zip(by_class, prediction.probabilities.values(), strict=True))
        rows.append({"path": path, **shown, **answer, **probabilities})
    columns = ["path", "patient", "study", "series", "label", "probability", *by_class]
    columns += ["reason", "warning", "pixel_sha256"]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(_TEXT_COLUMNS, TEXT))
    table, notes = without_shared_identifiers(table, way)
    for note in notes:
        logger.warning(note)
    return table


def _require_some_patients(images: ImageFolder, way: str) -> None:
    """Raise where the way finds nobody, before anything is predicted; files are opened until the first one is found."""
    if way in MAY_FIND_NOBODY or not images.paths:
        return
    names = (_named_in_file(images, path) if way == "dicom" else patient_in_path(path, way) for path in images.paths)
    if not any(names):
        raise finds_nobody(way, "batch_inference.patient", images.paths[0])


def _named_in_file(images: ImageFolder, path: str) -> bool:
    try:
        identifiers = decode_image(images.read(path), with_identifiers=True).identifiers
    except UnreadableImageError:
        return False
    return identifiers is not None and identifiers.patient != ""
