"""Nodes of data_ingestion."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from chest_cancer.parameters.blocks import DataIngestionParameters, ExternalValidationParameters
from chest_cancer.pipelines.data_ingestion.class_checks import check_enough_images
from chest_cancer.pipelines.data_ingestion.expectation import ToMeasure, ToTrain
from chest_cancer.pipelines.data_ingestion.reading import read_source, source_of
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource


def describe_source(parameters: DataIngestionParameters, seed: int, patient_key: bytes) -> ImageSource:
    """Say where the images come from; saving that brings them.

    Args:
        parameters: Source, limits, and what the phantoms are like.
        seed: Random seed for the phantoms.
        patient_key: Of this project, for what stands in copied files in the place of identifiers.

    Returns:
        The source.

    Raises:
        ValueError: When `source` is nothing that images can be taken from.
    """
    return source_of(parameters, seed, patient_key)


def describe_external_source(parameters: ExternalValidationParameters, seed: int, patient_key: bytes) -> ImageSource:
    """Say where another site's images come from; as `describe_source`, for the block `external_validation`."""
    return source_of(parameters, seed, patient_key)


def index_images(
    raw_images: ImageFolder,
    parameters: DataIngestionParameters,
    normal_class: str | int | None,
    patient_key: bytes,
    positive_classes: Sequence[str | int] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Open every file, and sort it into the index or, with a reason, into quarantine.

    Args:
        raw_images: Files in layout `<class>/<file>`, `<split>/<class>/<file>` or `<class>/<split>/<file>`.
        parameters: Class names and limits.
        normal_class: The class without disease, of which a number is a name too; None where there is none.
        patient_key: Of this project, for the hashes of patients.
        positive_classes: What sensitivity is about, likewise; None for all but the normal class.

    Returns:
        The index (one row an image: path, label, patient, study, series and source_split or missing, content_sha256,
        pixel_sha256, perceptual_hash, format, mode, scaling, width, height, coloured and letters (see `find_marks`),
        bytes), the quarantine table (path, reason), both sorted by path, the summary, and the metadata of each image of
        the index in groups (path, and a column for each thing that is known).

    Raises:
        ValueError: When it is not certain what the classes are, fewer than two have a readable image, one lost all of
            its images or has too few for every split, `normal_class` or `positive_classes` are none of them, no
            patient is found in the way that was asked for, or `exclude` is no table of images of the source.
    """
    normal = None if normal_class is None else str(normal_class)
    positive = None if positive_classes is None else [str(name) for name in positive_classes]
    read = read_source(raw_images, parameters, ToTrain(normal, positive), patient_key, parameters.exclude)
    check_enough_images(read.table)
    summary = read.summary | {"patient_count": parameters.patient_count}
    return read.table, read.quarantine, summary, read.metadata


def index_external_images(
    images: ImageFolder, parameters: ExternalValidationParameters, classes: Sequence[str], patient_key: bytes
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Open every file of another site, and sort it into the index or, with a reason, into quarantine.

    Args:
        images: Files in layout `<class>/<file>`; splits, if there are any, are of no account.
        parameters: Class names and limits.
        classes: Names of the classes that the model knows.
        patient_key: Of this project, for the hashes of patients.

    Returns:
        Index, quarantine and summary, as `index_images` gives them.

    Raises:
        ValueError: When it is not certain what the classes are, the model does not know one, no image can be read, or
            no patient is found in the way that was asked for.
    """
    read = read_source(images, parameters, ToMeasure(classes), patient_key)
    return read.table, read.quarantine, read.summary
