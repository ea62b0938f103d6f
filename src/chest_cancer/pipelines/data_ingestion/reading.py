"""Reading a source: what its folders and tables say, then every file."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from chest_cancer.imaging.dicom.attributes import ATTRIBUTES
from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.parameters.sources import SourceParameters, TableParameters, VolumeParameters
from chest_cancer.pipelines.data_ingestion.ambiguity import refuse_names_of_no_classes
from chest_cancer.pipelines.data_ingestion.expectation import Expectation
from chest_cancer.pipelines.data_ingestion.folder_tree import FolderTree
from chest_cancer.pipelines.data_ingestion.metadata import describe_images
from chest_cancer.pipelines.data_ingestion.opened import INDEX, open_all
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
    finds_nobody,
    without_names_of_nobody,
)
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.table import ImageTable, read_table
from chest_cancer.sources.table_file import TEXT

_KNOWN = ("path", "label", "source_split", "content_sha256", "pixel_sha256")
"""Columns by which images are left out: the others are large."""
_ROWS_AT_ONCE = 4096
_BLOCK = re.compile(rf"(?m)^{DataIngestionParameters.block}(?=:)|(?<![\w./\\-]){DataIngestionParameters.block}(?=\.\w)")
"""The block's name, before a parameter or above YAML; files and classes of people may hold the same word."""
_THE_TABLE = "the table that `data_ingestion.table.path` names, no image"


class Read(NamedTuple):
    """What a source holds.

    Attributes:
        table: Images that can be used, a row each: the image index.
        quarantine: Path and reason of everything else, but for slices that `parameters.volumes` doesn't ask for.
        summary: Counts, and what somebody should know, in sentences.
        metadata: What else is known of each image, in groups: see `describe_images`.
    """

    table: pd.DataFrame
    quarantine: pd.DataFrame
    summary: dict[str, Any]
    metadata: pd.DataFrame


def source_of(parameters: SourceParameters, seed: int, patient_key: bytes) -> ImageSource:
    """Say where the images of a block come from; see `nodes.describe_source`."""
    fetched = ImageSource.of(parameters, parameters.block, patient_key)
    return replace(fetched, phantom=parameters.phantom, table=parameters.table, seed=seed)


def _summarise(
    folder: ImageFolder, index: pd.DataFrame, volumes: VolumeParameters, readable: int, not_chosen: int
) -> dict[str, Any]:
    files = len(folder.paths) + len(folder.refused)
    classes = index.groupby("label")["content_sha256"].agg(images="size", distinct="nunique")
    return {
        "location": folder.source.location,
        "kind": folder.source.kind,
        "synthetic": folder.source.synthetic,
        "archive_sha256": folder.source.sha256,
        "digest": _digest(index[["content_sha256", "label", "source_split"]].fillna("")),
        "files": files,
        "readable": readable,
        "quarantined": files - len(index) - not_chosen,
        "not_chosen": not_chosen,
        "images": len(index),
        "distinct_by_content": int(index["content_sha256"].nunique()),
        "distinct_by_pixels": int(index["pixel_sha256"].nunique()),
        "patients": count_patients(index),
        "slices_without_lung": volumes.lungs is None,
        "classes": {str(label): {name: int(count) for name, count in row.items()} for label, row in classes.iterrows()},
    }


def _digest(keys: pd.DataFrame) -> str:
    """SHA-256 over the list of all rows, sorted, as Python writes it: a part after the other."""
    ordered, digest = keys.sort_values([*keys]), hashlib.sha256(b"[")
    for start in range(0, len(ordered), _ROWS_AT_ONCE):
        rows = ordered.iloc[start : start + _ROWS_AT_ONCE].itertuples(index=False, name=None)
        digest.update(((", " if start else "") + ", ".join(map(repr, rows))).encode())
    digest.update(b"]")
    return digest.hexdigest()


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
    opened, refused = open_all(raw_images, layout, WhoIsWho(way, patient_key, named_by(table)), parameters.limits)
    readable = opened.columns(*_KNOWN)
    surveyed = survey_series(readable, opened.scans, parameters.volumes)
    wanted, excluded = exclude_named(surveyed.images, exclude, raw_images.paths)
    usable, contradictions = exclude_contradictions(wanted)
    images, choice = choose_slices(usable, surveyed.series, parameters.volumes)
    left_out = sorted([*raw_images.refused, *refused, *surveyed.refused, *contradictions])
    lost = lost_by_class(layout, left_out)
    unused = sorted([*left_out, *excluded, *empty_class_folders(layout, readable["path"])])
    rows = [(path, _of_block(_tell(path, reason, table), parameters)) for path, reason in unused]
    with _named_after(parameters):
        labels = Counter(images["label"])
        require_no_class_is_lost(labels, lost)
        require_classes(labels, rows, "images", expected.fewest_classes)
        if not layout.is_certain:
            refuse_names_of_no_classes(
                sorted(labels), FolderTree(raw_images.files_of_source, raw_images.folders).show()
            )
        known = opened.take(images.index.to_numpy())
        index, notes = without_names_of_nobody(known[INDEX], way, patient_key)
        if way not in MAY_FIND_NOBODY and index["patient"].isna().all():
            raise finds_nobody(way, f"{parameters.block}.patient", index["path"].iloc[0])
    metadata, metadata_notes = describe_images(index, table, known[list(ATTRIBUTES)])
    notes = [*layout.notes, *surveyed.notes, *choice, *notes, *metadata_notes, *suggest_way(index, layout)]
    summary = _summarise(raw_images, index, parameters.volumes, len(readable), len(usable) - len(images)) | {
        "pattern": layout.pattern,
        "counts": count_images(index),
        "left_out": group_reasons(rows),
        "notes": [_of_block(note, parameters) for note in notes],
        "odd": [*find_odd(index, lost), *say_who_is_known(index)],
    }
    log_overview(summary, lost)
    return Read(index, pd.DataFrame(rows, columns=["path", "reason"]).astype(TEXT), summary, metadata)


def _tell(path: str, reason: str, table: ImageTable | None) -> str:
    """Why a file is not used; the table was, as what it is."""
    return _THE_TABLE if table is not None and table.file.as_posix().endswith(f"/{path}") else reason


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
    return _BLOCK.sub(parameters.block, words)
