"""Nodes of data_ingestion."""

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pandas as pd
from tqdm import tqdm

from chest_cancer.parameters import DataIngestionParameters, SourceLimits
from chest_cancer.pipelines.data_ingestion.class_checks import check_enough_images
from chest_cancer.pipelines.data_ingestion.examine import IndexedImage, examine
from chest_cancer.pipelines.data_ingestion.layout import Layout
from chest_cancer.pipelines.data_ingestion.overview import count_images, find_odd, group_reasons, log_overview
from chest_cancer.pipelines.data_ingestion.quarantine import (
    empty_class_folders,
    exclude_contradictions,
    lost_by_class,
    require_no_class_is_lost,
    require_two_classes,
)
from chest_cancer.pipelines.data_ingestion.recognise import recognise_classes
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource

# Missing values stay missing under pandas 2 as well.
_TEXT = pd.StringDtype(na_value=float("nan"))
_TEXT_COLUMNS = ["path", "label", "source_split", "content_sha256", "pixel_sha256", "perceptual_hash"]
_TEXT_COLUMNS += ["format", "mode", "scaling"]


def describe_source(parameters: DataIngestionParameters, seed: int) -> ImageSource:
    """Say where the images come from; saving that brings them.

    Args:
        parameters: Source, limits, and what the phantoms are like.
        seed: Random seed for the phantoms.

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
        "classes": {str(label): {name: int(count) for name, count in row.items()} for label, row in classes.iterrows()},
    }


def _open_all(
    images: ImageFolder, layout: Layout, limits: SourceLimits
) -> tuple[list[IndexedImage], list[tuple[str, str]]]:
    """Open every file: what can be read, and path and reason of the rest."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: examine(images, path, layout, limits), images.paths)
        examined = list(tqdm(results, total=len(images.paths), desc="Opening", unit="file", disable=None))
    refused = [(path, reason) for path, reason in zip(images.paths, examined, strict=True) if isinstance(reason, str)]
    return [image for image in examined if isinstance(image, IndexedImage)], refused


def index_images(
    raw_images: ImageFolder, parameters: DataIngestionParameters, normal_class: str | int | None
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Open every file, and sort it into the index or, with a reason, into quarantine.

    Args:
        raw_images: Files in layout `<class>/<file>`, `<split>/<class>/<file>` or `<class>/<split>/<file>`.
        parameters: Class names and limits.
        normal_class: The class without disease, of which a number is a name too; None where there is none.

    Returns:
        The index (one row an image: path, label, source_split or missing, content_sha256, pixel_sha256,
        perceptual_hash, format, mode, scaling, width, height, bytes), the quarantine table (path, reason), both
        sorted by path, and the summary.

    Raises:
        ValueError: When it is not certain what the classes are, fewer than two have a readable image, one lost all of
            its images or has too few for every split, or `normal_class` is none of them.
    """
    layout = recognise_classes(raw_images, parameters, None if normal_class is None else str(normal_class))
    readable, refused = _open_all(raw_images, layout, parameters.limits)
    images, contradictions = exclude_contradictions(readable)
    left_out = sorted([*raw_images.refused, *refused, *contradictions])
    lost = lost_by_class(layout, left_out)
    rows = sorted([*left_out, *empty_class_folders(layout, readable)])
    require_no_class_is_lost(images, lost)
    require_two_classes(Counter(image.label for image in images), rows)

    index = pd.DataFrame([asdict(image) for image in images]).astype(dict.fromkeys(_TEXT_COLUMNS, _TEXT))
    quarantine = pd.DataFrame(rows, columns=["path", "reason"]).astype(_TEXT)
    summary = _summarise(raw_images, index, readable=len(readable)) | {
        "patient_count": parameters.patient_count,
        "pattern": layout.pattern,
        "counts": count_images(index),
        "left_out": group_reasons(rows),
        "notes": list(layout.notes),
        "odd": find_odd(index, lost),
    }
    log_overview(summary, lost)
    check_enough_images(images)
    return index, quarantine, summary
