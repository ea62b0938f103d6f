"""Nodes of data_ingestion."""

import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pandas as pd
from tqdm import tqdm

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.pixels import UnreadableImageError, pixel_digest
from chest_cancer.parameters import DataIngestionParameters, SourceLimits
from chest_cancer.pipelines.data_ingestion.layout import Layout, read_layout
from chest_cancer.pipelines.data_ingestion.quarantine import (
    IndexedImage,
    empty_class_folders,
    exclude_contradictions,
    require_two_classes,
)
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource

logger = logging.getLogger(__name__)

# Missing values stay missing under pandas 2 as well.
_TEXT = pd.StringDtype(na_value=float("nan"))
_TEXT_COLUMNS = ["path", "label", "source_split", "content_sha256", "pixel_sha256", "perceptual_hash"]
_TEXT_COLUMNS += ["format", "mode"]


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


def _examine(images: ImageFolder, path: str, layout: Layout, limits: SourceLimits) -> IndexedImage | str:
    """Open one file; the text is why it can't be used."""
    folder = layout.find(path)
    if folder is None:
        return "not in a class folder"
    data = images.read(path)
    try:
        decoded = decode_image(data, max_pixels=limits.max_pixels, min_side=limits.min_side)
    except UnreadableImageError as error:
        return str(error)
    return IndexedImage(
        path=path,
        label=folder.label,
        source_split=folder.source_split,
        content_sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=pixel_digest(decoded.pixels),
        perceptual_hash=perceptual_hash(decoded.pixels),
        format=decoded.format,
        mode=decoded.mode,
        width=decoded.width,
        height=decoded.height,
        bytes=len(data),
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


def index_images(
    raw_images: ImageFolder, parameters: DataIngestionParameters
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Open every file, and sort it into the index or, with a reason, into quarantine.

    Args:
        raw_images: Files in layout `<class>/<file>` or `<split>/<class>/<file>`.
        parameters: Class names and limits.

    Returns:
        The index (one row an image: path, label, source_split or missing, content_sha256, pixel_sha256,
        perceptual_hash, format, mode, width, height, bytes), the quarantine table (path, reason), both
        sorted by path, and the summary.

    Raises:
        ValueError: When fewer than two classes have a readable image.
    """
    paths = raw_images.paths
    layout = read_layout(paths, raw_images.folders, parameters.class_names)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: _examine(raw_images, path, layout, parameters.limits), paths)
        examined = list(tqdm(results, total=len(paths), desc="Opening", unit="file", disable=None))
    readable = [image for image in examined if isinstance(image, IndexedImage)]
    refused = [(path, reason) for path, reason in zip(paths, examined, strict=True) if isinstance(reason, str)]
    images, contradictions = exclude_contradictions(readable)
    rows = sorted([*raw_images.refused, *refused, *contradictions, *empty_class_folders(layout, readable)])
    require_two_classes(images, rows)

    index = pd.DataFrame([asdict(image) for image in images]).astype(dict.fromkeys(_TEXT_COLUMNS, _TEXT))
    quarantine = pd.DataFrame(rows, columns=["path", "reason"]).astype(_TEXT)
    summary = _summarise(raw_images, index, readable=len(readable))
    logger.info(
        "%d files: %d images, %d distinct, %d in quarantine.",
        *(summary[name] for name in ("files", "images", "distinct_by_content", "quarantined")),
    )
    return index, quarantine, summary
