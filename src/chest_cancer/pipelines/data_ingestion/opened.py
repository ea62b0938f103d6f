"""Opening every file: what is known of the readable ones is kept as columns; where CT slices lie, as objects."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.imaging.dicom.attributes import ATTRIBUTES
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.pipelines.data_ingestion.examine import IndexedImage, Scan, examine
from chest_cancer.pipelines.data_ingestion.layout import Layout
from chest_cancer.pipelines.data_ingestion.patients import WhoIsWho
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.table_file import TEXT

INDEX = [each.name for each in fields(IndexedImage) if each.name not in ("attributes", "scan")]
"""Columns of the image index."""
_NUMBERS = {"width": "int64", "height": "int64", "coloured": "float64", "letters": "int64", "bytes": "int64"}
_FILES_AT_ONCE = 4096


@dataclass(frozen=True)
class OpenedImages:
    """All readable images.

    Attributes:
        blocks: A row each, sorted by path: columns of the image index, and what DICOM files say of patient and scanner.
        scans: Of the CT slices that say where they lie, by path.
    """

    blocks: list[pd.DataFrame] = field(default_factory=list)
    scans: dict[str, Scan] = field(default_factory=dict)

    def add(self, images: Sequence[IndexedImage]) -> None:
        """Add a block."""
        self.blocks.append(_tabulate(images))
        self.scans.update((image.path, image.scan) for image in images if image.scan)

    def columns(self, *names: str) -> pd.DataFrame:
        """Some columns of all images; rows are numbered."""
        return pd.concat([block[list(names)] for block in self.blocks], ignore_index=True)

    def take(self, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Put some images into one table, and forget all others.

        Args:
            rows: Their numbers, ascending.

        Returns:
            All columns.
        """
        start = 0
        for number, block in enumerate(self.blocks):
            # One after the other, so that of the large columns there are never two.
            first, last = np.searchsorted(rows, [start, start + len(block)])
            if last - first < len(block):
                self.blocks[number] = block.iloc[rows[first:last] - start]
            start += len(block)
        return pd.concat(self.blocks, ignore_index=True)


def open_all(
    images: ImageFolder, layout: Layout, who: WhoIsWho, limits: SourceLimits
) -> tuple[OpenedImages, list[tuple[str, str]]]:
    """Open every file.

    Args:
        images: The files.
        layout: Which folders are classes.
        who: How the patient of an image is found.
        limits: On the size of an image.

    Returns:
        What can be read, and path and reason of the rest.
    """
    readable = OpenedImages()
    refused: list[tuple[str, str]] = []
    opened = partial(examine, images, layout=layout, who=who, limits=limits)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        LongWork("Opening files", len(images.paths), "files") as work,
    ):
        for start in range(0, max(len(images.paths), 1), _FILES_AT_ONCE):  # a block even where there are no files
            paths, block = images.paths[start : start + _FILES_AT_ONCE], []
            for path, found in zip(paths, pool.map(opened, paths), strict=True):
                if isinstance(found, str):
                    refused.append((path, found))
                else:
                    block.append(found)
                work.update()
            readable.add(block)
    return readable, refused


def _tabulate(images: Sequence[IndexedImage]) -> pd.DataFrame:
    columns = {
        name: pd.Series([getattr(image, name) for image in images], dtype=_NUMBERS.get(name, TEXT)) for name in INDEX
    }
    said = {name: pd.Series([image.attributes.get(name) for image in images], dtype=TEXT) for name in ATTRIBUTES}
    return pd.DataFrame(columns | said)
