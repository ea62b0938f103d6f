"""A source whose files were opened already: what ingestion costs apart from reading and decoding them."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest.mock import patch

import numpy as np

from chest_cancer.imaging.perceptual_hash import SIDE
from chest_cancer.imaging.pixels import Identifiers
from chest_cancer.imaging.volumes.series import Slice
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.pipelines.data_ingestion import opened
from chest_cancer.pipelines.data_ingestion.examine import IndexedImage, Scan
from chest_cancer.pipelines.data_ingestion.layout import Layout
from chest_cancer.pipelines.data_ingestion.patients import WhoIsWho
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord

CLASSES = ("adenocarcinoma", "benign", "normal")
_SLICES = 20
"""Of a patient."""
_LUNG = range(3, 17)
"""Slices that show any."""


@dataclass(frozen=True)
class DrawnSource(ImageFolder):
    """Names of files that there are not.

    Attributes:
        count: How many.
        suffix: `png` or `dcm`.
    """

    count: int = 0
    suffix: str = "png"

    @classmethod
    def of(cls, count: int, suffix: str) -> "DrawnSource":
        """Name so many files."""
        return cls(Path("nowhere"), SourceRecord.in_place("folder", "nowhere"), count=count, suffix=suffix)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Of twenty slices of each patient, in a folder of theirs."""
        numbers = (divmod(number, _SLICES) for number in range(self.count))
        names = (
            f"{CLASSES[patient % 3]}/patient_{patient:07d}/slice_{slice_:03d}.{self.suffix}"
            for patient, slice_ in numbers
        )
        return tuple(sorted(names))

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Of classes and patients."""
        folders = {path.rpartition("/")[0] for path in self.paths}
        return tuple(sorted({*CLASSES, *folders}))


@contextmanager
def already_opened() -> Iterator[None]:
    """Let ingestion draw what is known of an image, and open no file."""
    with patch.object(opened, "examine", _draw):
        yield


def _draw(_: ImageFolder, path: str, layout: Layout, who: WhoIsWho, limits: SourceLimits) -> IndexedImage:  # noqa: ARG001  # called by name
    folder = layout.find(path)
    if folder is None:
        raise ValueError(f"{path} lies in no class folder.")
    patient, slice_ = path.split("/")[1], int(path[-7:-4])
    generator = np.random.default_rng([int(patient[-7:]), slice_])
    content, pixels, picture = (generator.bytes(size) for size in (32, 32, SIDE * SIDE))
    identifiers = Identifiers(patient, f"1.2.826.0.1.3680043.8.498.{patient[-7:]}", f"1.2.826.0.1.{patient[-7:]}.1")
    is_scan = path.endswith("dcm")
    return IndexedImage(
        path=path,
        label=folder.label,
        **who.identify(path, folder, identifiers if is_scan else None)._asdict(),
        source_split=folder.source_split,
        content_sha256=content.hex(),
        pixel_sha256=pixels.hex(),
        perceptual_hash=base64.b64encode(picture).decode(),
        format="DICOM" if is_scan else "PNG",
        mode="MONOCHROME2" if is_scan else "L",
        scaling="HU" if is_scan else "8 bits",
        width=512,
        height=512,
        coloured=generator.random(),
        letters=int(generator.integers(1000)),
        bytes=int(generator.integers(100_000, 600_000)),
        attributes=_draw_attributes(generator) if is_scan else {},
        scan=_draw_scan(path, identifiers, slice_, pixels) if is_scan else None,
    )


def _draw_attributes(generator: np.random.Generator) -> dict[str, str]:
    age, scanner, kernel, site = (int(number) for number in generator.integers([90, 5, 4, 8]))
    return {
        "sex": "FM"[age % 2],
        "age": f"{age:03d}Y",
        "scanner": f"Maker Model {scanner}",
        "kernel": f"kernel {kernel}",
        "slice thickness (mm)": f"{1.25 * (1 + kernel):g}",
        "site": f"Hospital {site}",
    }


def _draw_scan(path: str, identifiers: Identifiers, number: int, pixels: bytes) -> Scan:
    place = Slice(
        file=path,
        frame=0,
        identifiers=identifiers,
        acquisition=str(number // _SLICES + 1),
        rows=512,
        columns=512,
        spacing=(float("0.7"), float("0.7")),
        orientation=tuple(map(float, "100010")),
        corner=(-180.0, -180.0, 2.5 * number),
        digest=pixels,
        own_window=(float("-600"), float("1500")),
    )
    return Scan(place, number in _LUNG)
