"""Nodes of data_ingestion."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pandas as pd
from tqdm import tqdm

from chest_cancer.parameters.blocks import DataIngestionParameters, SourceLimits, TableParameters
from chest_cancer.pipelines.data_ingestion.ambiguity import refuse_names_of_no_classes
from chest_cancer.pipelines.data_ingestion.class_checks import check_enough_images
from chest_cancer.pipelines.data_ingestion.examine import IndexedImage, examine
from chest_cancer.pipelines.data_ingestion.folder_tree import FolderTree
from chest_cancer.pipelines.data_ingestion.layout import Layout
from chest_cancer.pipelines.data_ingestion.metadata import describe_images
from chest_cancer.pipelines.data_ingestion.overview import count_images, find_odd, group_reasons, log_overview
from chest_cancer.pipelines.data_ingestion.patients import (
    WhoIsWho,
    count_patients,
    named_by,
    say_who_is_known,
    suggest_way,
)
from chest_cancer.pipelines.data_ingestion.quarantine import (
    empty_class_folders,
    exclude_contradictions,
    lost_by_class,
    require_no_class_is_lost,
    require_two_classes,
)
from chest_cancer.pipelines.data_ingestion.recognise import recognise_classes
from chest_cancer.pipelines.data_ingestion.table_layout import without_masks
from chest_cancer.sources.identity import (
    MAY_FIND_NOBODY,
    PHANTOM_PATIENTS,
    Identity,
    finds_nobody,
    without_shared_identifiers,
)
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.table import ImageTable, read_table
from chest_cancer.sources.table_file import TEXT

_TEXT_COLUMNS = ["path", "label", "source_split", "content_sha256", "pixel_sha256", "perceptual_hash"]
_TEXT_COLUMNS += ["format", "mode", "scaling", *Identity._fields]


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
    return ImageSource(
        location=parameters.source,
        sha256=parameters.sha256,
        timeout_seconds=parameters.timeout_seconds,
        retries=parameters.retries,
        limits=parameters.limits,
        phantom=parameters.phantom,
        table=parameters.table,
        key=patient_key,
        seed=seed,
    )


def _summarise(folder: ImageFolder, index: pd.DataFrame, *, readable: int) -> dict[str, Any]:
    files = len(folder.paths) + len(folder.refused)
    classes = index.groupby("label")["content_sha256"].agg(images="size", distinct="nunique")
    keys = index[["content_sha256", "label", "source_split"]].fillna("")
    return {
        "location": folder.source.location,
        "kind": folder.source.kind,
        "synthetic": folder.source.synthetic,
        "archive_sha256": folder.source.sha256,
        "digest": hashlib.sha256(repr(sorted(keys.itertuples(index=False, name=None))).encode()).hexdigest(),
        "files": files,
        "readable": readable,
        "quarantined": files - len(index),
        "images": len(index),
        "distinct_by_content": int(index["content_sha256"].nunique()),
        "distinct_by_pixels": int(index["pixel_sha256"].nunique()),
        "patients": count_patients(index),
        "classes": {str(label): {name: int(count) for name, count in row.items()} for label, row in classes.iterrows()},
    }


def _open_all(
    images: ImageFolder, layout: Layout, who: WhoIsWho, limits: SourceLimits
) -> tuple[list[IndexedImage], list[tuple[str, str]]]:
    """Open every file: what can be read, and path and reason of the rest."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: examine(images, path, layout, who, limits), images.paths)
        examined = list(tqdm(results, total=len(images.paths), desc="Opening", unit="file", disable=None))
    refused = [(path, reason) for path, reason in zip(images.paths, examined, strict=True) if isinstance(reason, str)]
    return [image for image in examined if isinstance(image, IndexedImage)], refused


def _read_table(images: ImageFolder, parameters: TableParameters) -> ImageTable | None:
    return read_table(parameters, without_masks(images.paths), images.root) if parameters.path else None


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
        pixel_sha256, perceptual_hash, format, mode, scaling, width, height, bytes), the quarantine table (path,
        reason), both sorted by path, the summary, and the metadata of each image of the index in groups (path, and a
        column for each thing that is known).

    Raises:
        ValueError: When it is not certain what the classes are, fewer than two have a readable image, one lost all of
            its images or has too few for every split, `normal_class` or `positive_classes` are none of them, or no
            patient is found in the way that was asked for.
    """
    normal = None if normal_class is None else str(normal_class)
    positive = None if positive_classes is None else [str(name) for name in positive_classes]
    table = _read_table(raw_images, parameters.table)
    layout = recognise_classes(raw_images, parameters, normal, positive, table)
    way = PHANTOM_PATIENTS if raw_images.source.synthetic and parameters.patient == "auto" else parameters.patient
    who = WhoIsWho(way, patient_key, named_by(table))
    readable, refused = _open_all(raw_images, layout, who, parameters.limits)
    images, contradictions = exclude_contradictions(readable)
    left_out = sorted([*raw_images.refused, *refused, *contradictions])
    lost = lost_by_class(layout, left_out)
    rows = sorted([*left_out, *empty_class_folders(layout, readable)])
    require_no_class_is_lost(images, lost)
    labels = Counter(image.label for image in images)
    require_two_classes(labels, rows)
    if not layout.is_certain:
        refuse_names_of_no_classes(sorted(labels), FolderTree(raw_images.paths, raw_images.folders).show())

    rows_of_index = pd.DataFrame([asdict(image) for image in images]).drop(columns="attributes")
    index = rows_of_index.astype(dict.fromkeys(_TEXT_COLUMNS, TEXT))
    index, notes = without_shared_identifiers(index, way)
    if way not in MAY_FIND_NOBODY and index["patient"].isna().all():
        raise finds_nobody(way, "data_ingestion.patient", index["path"].iloc[0])
    metadata, metadata_notes = describe_images(index, table, [image.attributes for image in images])
    quarantine = pd.DataFrame(rows, columns=["path", "reason"]).astype(TEXT)
    summary = _summarise(raw_images, index, readable=len(readable)) | {
        "patient_count": parameters.patient_count,
        "pattern": layout.pattern,
        "counts": count_images(index),
        "left_out": group_reasons(rows),
        "notes": [*layout.notes, *notes, *metadata_notes, *suggest_way(index, layout)],
        "odd": [*find_odd(index, lost), *say_who_is_known(index)],
    }
    log_overview(summary, lost)
    check_enough_images(images)
    return index, quarantine, summary, metadata
