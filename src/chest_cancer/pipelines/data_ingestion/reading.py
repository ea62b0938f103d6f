"""Reading a source: what its folders and tables say, then every file."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from chest_cancer.jobs.long_work import LongWork
from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.parameters.sources import SourceLimits, SourceParameters, TableParameters
from chest_cancer.pipelines.data_ingestion.ambiguity import refuse_names_of_no_classes
from chest_cancer.pipelines.data_ingestion.examine import IndexedImage, examine
from chest_cancer.pipelines.data_ingestion.expectation import Expectation
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
    exclude_named,
    lost_by_class,
    require_classes,
    require_no_class_is_lost,
)
from chest_cancer.pipelines.data_ingestion.recognise import recognise_classes
from chest_cancer.pipelines.data_ingestion.series import choose_slices, survey_series
from chest_cancer.pipelines.data_ingestion.table_layout import without_masks
from chest_cancer.sources.identifiers import keyed_hash
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
_TYPES = dict.fromkeys(_TEXT_COLUMNS, TEXT)
_FILES_AT_ONCE = 4096


class Read(NamedTuple):
    """What a source holds.

    Attributes:
        images: Those that can be used.
        table: The same, a row each: the image index.
        quarantine: Path and reason of everything else, but for slices that `parameters.volumes` doesn't ask for.
        summary: Counts, and what somebody should know, in sentences.
        metadata: What else is known of each image, in groups: see `describe_images`.
    """

    images: list[IndexedImage]
    table: pd.DataFrame
    quarantine: pd.DataFrame
    summary: dict[str, Any]
    metadata: pd.DataFrame


def source_of(parameters: SourceParameters, seed: int, patient_key: bytes) -> ImageSource:
    """Say where the images of a block come from; see `nodes.describe_source`."""
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
        parameter=f"{parameters.block}.source",
    )


def _summarise(folder: ImageFolder, index: pd.DataFrame, *, readable: int, not_chosen: int) -> dict[str, Any]:
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
        "quarantined": files - len(index) - not_chosen,
        "not_chosen": not_chosen,
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
    readable: list[IndexedImage] = []
    refused: list[tuple[str, str]] = []
    opened = partial(examine, images, layout=layout, who=who, limits=limits)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        LongWork("Opening files", len(images.paths), "files") as work,
    ):
        for start in range(0, len(images.paths), _FILES_AT_ONCE):
            paths = images.paths[start : start + _FILES_AT_ONCE]
            for path, found in zip(paths, pool.map(opened, paths), strict=True):
                if isinstance(found, str):
                    refused.append((path, found))
                else:
                    readable.append(found)
                work.update()
    return readable, refused


def _tabulate(images: Sequence[IndexedImage]) -> pd.DataFrame:
    """Make the image index, column by column: a million rows are never there as objects a second time."""
    names = [each.name for each in fields(IndexedImage) if each.name not in ("attributes", "scan")]
    columns = {name: pd.Series([getattr(image, name) for image in images], dtype=_TYPES.get(name)) for name in names}
    return pd.DataFrame(columns)


def _read_table(images: ImageFolder, parameters: TableParameters, key: bytes) -> ImageTable | None:
    if parameters.path is None:
        return None
    folder_of = partial(keyed_hash, key, "study") if images.source.kind == "dicomweb" else None
    return read_table(parameters, without_masks(images.paths), images.root, folder_of)


def read_source(
    raw_images: ImageFolder,
    parameters: SourceParameters,
    expected: Expectation,
    patient_key: bytes,
    exclude: str | None = None,
) -> Read:
    """Open every file, and sort it into the index or, with a reason, into quarantine.

    Args:
        raw_images: Files in layout `<class>/<file>`, `<split>/<class>/<file>` or `<class>/<split>/<file>`.
        parameters: Class names, patients and limits.
        expected: What the source has to bring.
        patient_key: Of this project, for the hashes of patients.
        exclude: Table of images that are left out; None where none are.

    Returns:
        What it holds.

    Raises:
        ValueError: When it is not certain what the classes are, they are not what is expected, or no patient is found
            in the way that was asked for.
    """
    with _named_after(parameters):
        table = _read_table(raw_images, parameters.table, patient_key)
        layout = recognise_classes(raw_images, parameters, expected, table)
    way = PHANTOM_PATIENTS if raw_images.source.synthetic and parameters.patient == "auto" else parameters.patient
    readable, refused = _open_all(raw_images, layout, WhoIsWho(way, patient_key, named_by(table)), parameters.limits)
    surveyed = survey_series(readable, parameters.volumes)
    wanted, excluded = exclude_named(surveyed.images, exclude, raw_images.paths)
    usable, contradictions = exclude_contradictions(wanted)
    images, choice = choose_slices(usable, surveyed.series, parameters.volumes)
    left_out = sorted([*raw_images.refused, *refused, *surveyed.refused, *contradictions])
    lost = lost_by_class(layout, left_out)
    unused = sorted([*left_out, *excluded, *empty_class_folders(layout, readable)])
    rows = [(path, _of_block(reason, parameters)) for path, reason in unused]
    with _named_after(parameters):
        require_no_class_is_lost(images, lost)
        labels = Counter(image.label for image in images)
        require_classes(labels, rows, "images", expected.fewest_classes)
        if not layout.is_certain:
            refuse_names_of_no_classes(
                sorted(labels), FolderTree(raw_images.files_of_source, raw_images.folders).show()
            )
        index, notes = without_shared_identifiers(_tabulate(images), way)
        if way not in MAY_FIND_NOBODY and index["patient"].isna().all():
            raise finds_nobody(way, f"{parameters.block}.patient", index["path"].iloc[0])
    metadata, metadata_notes = describe_images(index, table, [image.attributes for image in images])
    notes = [*layout.notes, *surveyed.notes, *choice, *notes, *metadata_notes, *suggest_way(index, layout)]
    summary = _summarise(raw_images, index, readable=len(readable), not_chosen=len(usable) - len(images)) | {
        "pattern": layout.pattern,
        "counts": count_images(index),
        "left_out": group_reasons(rows),
        "notes": [_of_block(note, parameters) for note in notes],
        "odd": [*find_odd(index, lost), *say_who_is_known(index)],
    }
    log_overview(summary, lost)
    return Read(images, index, pd.DataFrame(rows, columns=["path", "reason"]).astype(TEXT), summary, metadata)


@contextmanager
def _named_after(parameters: SourceParameters) -> Iterator[None]:
    """Let errors name the parameters of this block."""
    try:
        yield
    except ValueError as error:
        if parameters.block == DataIngestionParameters.block:
            raise
        raise ValueError(_of_block(str(error), parameters)) from error


def _of_block(words: str, parameters: SourceParameters) -> str:
    """Say of this block what is said of `data_ingestion`: what looks at files knows no other."""
    return words.replace(DataIngestionParameters.block, parameters.block)
