"""Files to a network's input, in a process beside it: what is known of an image without the classifier."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname
from typing import Any

from chest_cancer.imaging.decoding import decode_image, heading_of
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import Heading, Identifiers, UnreadableImageError
from chest_cancer.imaging.signatures import begins_like_an_image, kind_of_volume
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.mapping import Loaded
from chest_cancer.network.preparation import Preparation
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.deidentify import slice_path
from chest_cancer.sources.identity import Identity, patient_in_path
from chest_cancer.sources.image_files import SourceFile, blocks_of, images_in
from chest_cancer.sources.intake import UNREAD, RefusedError

IS_CT = "is_ct"
"""Whether an image has Hounsfield units and shows lung; not kept in tables."""
PROCESS_ENDED = "the process that read it ended: out of memory, or a fault in a decoder"

_WITHOUT_PATHS = ("auto", "dicom", "unknown")
"""Ways to find patients that look at no path."""
_NOT_INSTALLED = "install chest_cancer["
_BEGINNING, _MORE = 65_536, 2**24
"""Bytes that nearly always hold the identifiers of a DICOM file, and that do where a long sequence comes before."""

_LIMITS = SourceLimits()

Row = dict[str, Any]


def may_pass(reason: str) -> bool:
    """Whether a file may be read another time: its disk, this machine's memory or its packages are the reason."""
    return reason.startswith((UNREAD, PROCESS_ENDED)) or _NOT_INSTALLED in reason


@dataclass(frozen=True)
class FileReader:
    """Reads the images of a file.

    Attributes:
        key: Of this project, for the hashes of patients.
        way: How patients are found.
        preparation: What images go through.
        folder: Holds the files; None where no folder does.
        nobody: Hashes of PatientIDs that stand for no patient.
        limits: On the size of an image.
    """

    key: bytes = field(repr=False)
    way: str
    preparation: Preparation
    folder: Path | None = None
    nobody: frozenset[str] = frozenset()
    limits: SourceLimits = _LIMITS

    def __call__(self, file: SourceFile) -> list[Loaded[Row]]:
        """Read a file, and what lies beside it as values of its volume.

        Returns:
            Its images, none of which may be readable: each has `path`, `patient`, `study`, `series`, and either a
            `reason` or `pixel_sha256` and `is_ct`.

        Raises:
            ConnectionError: It can't be read, and its folder isn't there: that says nothing of the file.
        """
        used: set[str] = set()
        rows = self._read(file, file.beside, used)
        for values in file.beside:
            if values.name not in used:
                rows += self._read(values, (), used)
        return rows

    def lost(self, file: SourceFile) -> list[Loaded[Row]]:
        """Say of a file that the process ended which read it."""
        return [self._without_image(file, PROCESS_ENDED)]

    def _read(self, file: SourceFile, beside: tuple[SourceFile, ...], used: set[str]) -> list[Loaded[Row]]:
        if file.problem is not None:
            return [self._without_image(file, file.problem)]
        try:
            return [self._decode(name, data) for name, data in images_in(file, self.key, beside, used, self.limits)]
        except RefusedError as reason:
            if self.folder is not None and not os.path.isdir(self.folder):  # noqa: PTH112  # `is_dir` may raise
                raise ConnectionError(
                    f"The folder of the images can't be reached from {gethostname()}: expected {self.folder}. "
                    "Received: no such folder. Mount it there under the same path, and run again."
                ) from reason
            return [self._without_image(file, str(reason))]

    def _decode(self, name: str, data: bytes) -> Loaded[Row]:
        try:
            limits = self.limits
            image = decode_image(data, max_pixels=limits.max_pixels, min_side=limits.min_side, with_identifiers=True)
            pixels = self.preparation.pixels_of(image)
        except UnreadableImageError as error:
            return Loaded(self._who(name, None) | {"reason": str(error)}, None)
        known = self._who(name, image.identifiers) | {"pixel_sha256": image.digest}
        seen = self.preparation.look_at(image)
        if not seen.is_asked:
            return Loaded(known | {"reason": NO_LUNG}, None)
        network_input = standardise(pixels, self.preparation.standardisation).pixels
        return Loaded(known | {IS_CT: seen.chest}, network_input)

    def _without_image(self, file: SourceFile, reason: str) -> Loaded[Row]:
        """Say of a whole file that it has no image; its patient is the one that it was put into a part by."""
        path = IdentityReader(self.key, self.way).path_of(file) if self.way not in _WITHOUT_PATHS else file.name
        return Loaded(self._who(path, None) | {"path": file.name, "reason": reason}, None)

    def _who(self, name: str, identifiers: Identifiers | None) -> Row:
        found = identify(name, identifiers, self.way, self.key).unless(self.nobody)
        return {"path": name, **found._asdict()}


@dataclass(frozen=True)
class IdentityReader:
    """Reads whom a file shows, and no pixels.

    Attributes:
        key, way: As those of `FileReader`.
    """

    key: bytes = field(repr=False)
    way: str

    def __call__(self, file: SourceFile) -> Identity:
        """Read a file's beginning, and more where that does not say it. Who is not known is None."""
        name, identifiers = self._look_at(file)
        return identify(name, identifiers, self.way, self.key)

    def path_of(self, file: SourceFile) -> str:
        """Say by which path a file's patient is known: that of its first slice where it has several, else its own."""
        return self._look_at(file)[0]

    def _look_at(self, file: SourceFile) -> tuple[str, Identifiers | None]:
        """Take the path by which its patient is known, and what it says itself."""
        if file.problem is not None:
            return file.name, None
        try:
            start = next(blocks_of(file, _BEGINNING), b"")
            if kind_of_volume(start):
                return slice_path(file.name, 1), None
            found = _heading_of(start)
            is_cut = found is not None and not (found.identifiers.study and found.frames)
            if is_cut and len(start) == _BEGINNING:
                found = _heading_of(next(blocks_of(file, _MORE), b""))
        except RefusedError:
            return file.name, None
        if found is None:
            return file.name, None
        return slice_path(file.name, 1) if (found.frames or 1) > 1 else file.name, found.identifiers


def _heading_of(start: bytes) -> Heading | None:
    """Read what a DICOM file says, empty where it is cut short within what comes before; None for all else."""
    try:
        return heading_of(start)
    except UnreadableImageError:
        return Heading(Identifiers("", "", ""), None) if begins_like_an_image(start) else None


def identify(path: str, identifiers: Identifiers | None, way: str, key: bytes) -> Identity:
    """Say whom a file shows.

    Args:
        path: Of the file.
        identifiers: What it says itself, if it is DICOM that can be read.
        way: The parameter `batch_inference.patient`.
        key: Of this project.

    Returns:
        Keyed hashes.
    """
    in_file = Identity.in_file(key, identifiers)
    if way in ("auto", "dicom"):
        return in_file
    name = None if way in _WITHOUT_PATHS else patient_in_path(path, way)
    return in_file._replace(patient=Identity.of(key, patient=name).patient)
