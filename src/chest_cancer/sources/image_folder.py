"""A folder of images on disk, read file by file, and where they came from."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import DecodedImage
from chest_cancer.imaging.standardise import Standardised, standardise
from chest_cancer.imaging.windows import see
from chest_cancer.parameters.blocks import StandardisationParameters
from chest_cancer.parameters.values import SourceKind, Window

RECORD = ".source.json"
LESION_MASKS = ".lesion_masks"


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """Where a folder's images came from.

    Attributes:
        kind: Kind of source.
        location: Its address, without credentials.
        sha256: SHA-256 of the archive; None for folders and phantoms.
        synthetic: Whether the images were generated here.
        fingerprint: Changes when fetching the source again would give other files.
        files: Number of files taken.
        bytes: Their size.
    """

    kind: SourceKind
    location: str
    sha256: str | None
    synthetic: bool
    fingerprint: str
    files: int
    bytes: int

    @classmethod
    def in_place(cls, kind: SourceKind, location: str) -> "SourceRecord":
        """Name a source whose files stay where they are."""
        return cls(kind=kind, location=location, sha256=None, synthetic=False, fingerprint="", files=0, bytes=0)


@dataclass(frozen=True)
class ImageFolder:
    """Files of any kind below a folder; nothing is read before it is asked for.

    Attributes:
        root: The folder.
        source: Where the files came from.
        refused: Path and reason of each file of the source that was not taken.
        volumes: Files of the source that were taken apart: here folders, with a file for each slice.
    """

    root: Path
    source: SourceRecord
    refused: tuple[tuple[str, str], ...] = ()
    volumes: tuple[str, ...] = ()

    @classmethod
    def open(cls, root: Path) -> "ImageFolder":
        """Open a folder that has its record.

        Raises:
            FileNotFoundError: When there is no record, so that the folder is not known to be whole.
        """
        record = json.loads((root / RECORD).read_text(encoding="utf-8"))
        refused = tuple((path, reason) for path, reason in record.pop("refused"))
        volumes = tuple(record.pop("volumes", ()))
        return cls(root, SourceRecord(**record), refused, volumes)

    def write_record(self) -> None:
        """Store where the files came from beside them: the last step of making such a folder."""
        record = json.dumps({**asdict(self.source), "refused": self.refused, "volumes": self.volumes}, indent=1)
        (self.root / RECORD).write_text(record, encoding="utf-8")

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All files outside hidden folders: relative, with `/`, sorted."""
        return tuple(sorted(f"{prefix}{name}" for prefix, _, files in self._walk() for name in files))

    @cached_property
    def files_of_source(self) -> tuple[str, ...]:
        """The same as the source has them: a file of a volume in the place of its slices."""
        volumes = {*self.volumes}
        found = {folder if (folder := path.rpartition("/")[0]) in volumes else path for path in self.paths}
        return tuple(sorted(found))

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """All folders of the source that are not hidden, empty ones too: relative, with `/`, sorted."""
        found = {f"{prefix}{name}" for prefix, folders, _ in self._walk() for name in folders}
        return tuple(sorted(found.difference(self.volumes)))

    def read(self, path: str) -> bytes:
        """Read one file.

        Args:
            path: One of `paths`.

        Returns:
            Its content.

        Raises:
            ValueError: When the path leads out of the folder.
            FileNotFoundError: When there is no such file.
        """
        return self._inside(path).read_bytes()

    def decoded(self, path: str, pixel_sha256: str | None = None) -> DecodedImage:
        """Decode an image that the index holds. Its size was checked when it was indexed, and is not checked again.

        Args:
            path: One of `paths`.
            pixel_sha256: Digest that the index has of its pixels: given where a result is kept under it.

        Returns:
            The slice, and what its file said about it.

        Raises:
            UnreadableImageError: The file is no image.
            ValueError: It is not the image that was indexed.
        """
        image = decode_image(self.read(path), max_pixels=sys.maxsize, min_side=1)
        if pixel_sha256 is not None and (received := image.digest) != pixel_sha256:
            raise ValueError(
                f"{path} is not the image that was indexed: expected pixels with SHA-256 {pixel_sha256[:12]}. "
                f"Received: {received[:12]}. The images changed since: run `kedro run --pipelines data_ingestion`."
            )
        return image

    def pixels(self, path: str, pixel_sha256: str | None = None, window: Window = "lung") -> NDArray[np.uint8]:
        """Decode an image that the index holds, and see it through a window.

        Args:
            path: As for `decoded`, which says what is raised as well.
            pixel_sha256: As there.
            window: Through which Hounsfield units are seen.

        Returns:
            RGB, uint8 [H, W, 3].
        """
        return see(self.decoded(path, pixel_sha256), window)

    def standardised(
        self, path: str, parameters: StandardisationParameters, pixel_sha256: str | None = None
    ) -> Standardised:
        """Make an image that the index holds the network's input.

        Args:
            path: One of `paths`.
            parameters: How.
            pixel_sha256: As for `decoded`, which says what is raised as well.

        Returns:
            The input, and where in the image it lies.
        """
        return standardise(self.pixels(path, pixel_sha256, parameters.window), parameters)

    def lesion_mask(self, path: str) -> NDArray[np.bool_] | None:
        """Read where a phantom's lesion is.

        Args:
            path: One of `paths`.

        Returns:
            True inside of the lesion, bool [H, W], all False where there is none; None when nobody knows.
        """
        mask = self._inside(path)
        mask = self.root / LESION_MASKS / mask.relative_to(self.root).with_suffix(".png")
        if not mask.is_file():
            return None
        with Image.open(BytesIO(mask.read_bytes())) as image:
            return np.asarray(image.convert("1"))

    def _inside(self, path: str) -> Path:
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise ValueError(
                f"Invalid value received for argument `path`. Expected a path below {self.root}. Received: {path!r}"
            )
        return self.root / parts

    def _walk(self) -> Iterator[tuple[str, list[str], list[str]]]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            relative = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if relative == "." else f"{relative}/"
            yield prefix, folders, [name for name in files if not name.startswith(".")]
