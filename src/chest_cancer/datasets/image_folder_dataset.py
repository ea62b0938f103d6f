"""The catalog entry that turns a source of images into a folder of images."""

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError
from numpy.typing import NDArray
from PIL import Image

from chest_cancer.imaging.phantoms.generate import PHANTOM_VERSION, generate_phantoms
from chest_cancer.jobs.long_work import follow
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.archive.account import Account
from chest_cancer.sources.deidentify import Deidentifier
from chest_cancer.sources.download import archive_of, fetch, file_sha256, require_checksum
from chest_cancer.sources.foreign import may_be_image
from chest_cancer.sources.identifiers import hidden
from chest_cancer.sources.image_files import ImageFiles
from chest_cancer.sources.image_folder import LESION_MASKS, RECORD, ImageFolder, SourceRecord
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.intake import FULL, UNREAD, Intake
from chest_cancer.sources.local_folder import Entry, copy_files, fingerprint, list_file, list_folder
from chest_cancer.sources.objects import fetch_objects
from chest_cancer.sources.objects import fingerprint as fingerprint_of_objects
from chest_cancer.sources.unpack import BrokenArchiveError, unpack
from chest_cancer.storage.place import Place
from chest_cancer.storage.recoverable_folder import RecoverableFolder

logger = logging.getLogger(__name__)

_FORMAT = 4  # of the folder; a change makes every folder stale
_DELETED = ".sha256"  # in the place of an archive that was unpacked and deleted


class ImageFolderDataset(AbstractDataset[ImageSource, ImageFolder]):
    """Images on disk. Saving a source fetches, copies or generates them; loading gives the folder, unread.

    The folder is replaced only when the new one is whole, and left alone when the source has not changed.

    Example:
        >>> dataset = ImageFolderDataset(filepath="data/01_raw/images")
        >>> dataset.save(ImageSource(location="phantom"))
        >>> dataset.load().paths[0]
        'adenocarcinoma/patient_0001_slice_0.png'
    """

    def __init__(
        self,
        *,
        filepath: str,
        downloads: str | None = None,
        credentials: dict[str, Any] | None = None,
        object_store: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the folder.

        Args:
            filepath: The folder of images.
            downloads: Where archives are kept; by default `downloads` beside `filepath`.
            credentials: For a source of the kind `dicomweb`: `username` and `password`, or `token`, or nothing.
            object_store: For a source of the kind `object_store`: `credentials` and `fs_args`, as Kedro's own datasets
                take them.
            metadata: For other tools; not used here.
        """
        self._filepath = Path(filepath)
        self._downloads = Path(downloads) if downloads else self._filepath.with_name("downloads")
        self._credentials = credentials
        self._object_store = object_store or {}
        self._folder = RecoverableFolder(self._filepath)
        self.metadata = metadata

    def load(self) -> ImageFolder:
        """Open the folder.

        Returns:
            Its files, unread.

        Raises:
            DatasetError: No source has been saved into it yet.
        """
        self._folder.recover()
        try:
            return ImageFolder.open(self._filepath)
        except FileNotFoundError as error:
            raise DatasetError(
                f"No images in {self._filepath}: expected a folder with `{RECORD}`, which data_ingestion writes. "
                "Run `kedro run --pipelines data_ingestion` first."
            ) from error

    def save(self, data: ImageSource) -> None:
        """Bring the images here, unless they already are.

        Args:
            data: Where they come from.

        Raises:
            DatasetError: When the source can't be reached, is broken or hostile, or does not fit on the disk. The
                former images are unchanged then.
        """
        try:
            with self._folder.locked(), data.named_in_errors():
                self.require_own_folder(data)
                self._bring(data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DatasetError(
                f"The disk is full: {error}. Free some space, or move the data folder to a larger disk. "
                f"The former images in {self._filepath} are unchanged."
            ) from error

    def _bring(self, source: ImageSource) -> None:
        match source.kind:
            case "phantom":
                identity = f"{PHANTOM_VERSION} {source.phantom.model_dump_json()} {source.seed}"
                if not self._is_current(source, identity):
                    self._fill(source, identity, partial(_generate, source))
            case "folder":
                self._bring_files(source, list_folder(source.path, source.limits))
            case "dicomweb":
                self._bring_studies(source)
            case "object_store":
                self._bring_objects(source)
            case "zip" if _is_single_image(source.path):
                self._bring_files(source, list_file(source.path))
            case "zip":
                self._bring_archive(source, source.path)
            case _:
                deleted = archive_of(source, self._downloads).with_suffix(_DELETED)
                known = source.sha256 or (deleted.read_text() if deleted.exists() else None)
                if known is None or not self._is_current(source, known):
                    self._bring_archive(source, fetch(source, self._downloads))

    def _bring_files(self, source: ImageSource, entries: list[Entry]) -> None:
        identity = fingerprint(entries)
        if not self._is_current(source, identity):
            self._fill(source, identity, partial(copy_files, entries))

    def _bring_studies(self, source: ImageSource) -> None:
        from chest_cancer.sources.archive import studies  # here, because requests takes its time to import
        from chest_cancer.sources.archive.connection import Archive

        if source.key is None:
            raise DatasetError(
                f"Studies of {source.address} need the project's key, for the hashes in the place of identifiers. "
                "Expected `ImageSource(key=…)`. Received: None."
            )
        account = Account.of(self._credentials)
        with Archive(
            source.archive,
            account,
            timeout_seconds=source.timeout_seconds,
            retries=source.retries,
            parameter=source.parameter,
        ) as archive:
            listed = studies.list_studies(source, source.key, archive)
            identity = studies.fingerprint(listed)
            if not self._is_current(source, identity):
                bring = partial(studies.fetch_studies, listed, source, source.key, archive, self._downloads)
                self._fill(source, identity, bring)

    def _bring_objects(self, source: ImageSource) -> None:
        objects = self.objects_at(source.location, source.limits)
        identity = fingerprint_of_objects(objects)
        if not self._is_current(source, identity):
            kept = self._downloads / _fingerprint(source, "kept")[:16]
            self._fill(source, identity, partial(fetch_objects, objects, kept))

    def objects_at(self, address: str, limits: SourceLimits) -> ImageFiles:
        """List what an object store has at an address, unread."""
        place = Place.of(address, **self._object_store)
        return ImageFiles.of_objects(SourceRecord.in_place("object_store", address), place, limits)

    def _bring_archive(self, source: ImageSource, archive: Path) -> None:
        sha256 = file_sha256(archive)
        require_checksum(archive, expected=source.sha256, received=sha256)
        if self._is_current(source, sha256):
            return
        ratio = source.limits.max_compression_ratio
        try:
            may_name = self._fill(source, sha256, partial(unpack, archive, max_compression_ratio=ratio), sha256=sha256)
        except BrokenArchiveError:
            if source.kind != "zip":  # so that the next run fetches it again
                archive.unlink()
            raise
        if may_name and source.kind != "zip":
            archive.with_suffix(_DELETED).write_text(sha256)
            archive.unlink()
            logger.info("Deleted %s after unpacking: DICOM files, volumes and tables in it may name patients.", archive)

    def _is_current(self, source: ImageSource, identity: str) -> bool:
        try:
            folder = ImageFolder.open(self._filepath)
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # none, or a record of another version
            return False
        if any(reason.startswith(UNREAD) for _, reason in folder.refused):
            return False  # it says nothing of a file's rights, nor of a disk that failed for a moment
        same = folder.source.fingerprint == _fingerprint(source, identity)
        if current := same and len(folder.paths) == folder.source.files:
            logger.info("The images of %s in %s are up to date: nothing to do.", source.address, self._filepath)
        return current

    def _fill(
        self, source: ImageSource, identity: str, bring: Callable[[Intake], None], *, sha256: str | None = None
    ) -> bool:
        """Make the folder anew, and say whether files of the source may name patients."""
        with self._folder.replacement() as staging:
            deidentifier = Deidentifier(source.key, source.table_inside, source.limits.max_pixels)
            intake = Intake(staging, source.limits, deidentifier.clean)
            bring(intake)
            record = SourceRecord(
                kind=source.kind,
                location=source.address,
                sha256=sha256,
                synthetic=source.kind == "phantom",
                fingerprint=_fingerprint(source, identity),
                files=intake.files,
                bytes=intake.bytes,
            )
            ImageFolder(staging, record, tuple(intake.refused), tuple(intake.volumes)).write_record()
        logger.info("%s: took %d files, refused %d.", source.address, intake.files, len(intake.refused))
        return deidentifier.may_name_patients

    def require_own_folder(self, source: ImageSource) -> None:
        """Raise rather than delete what somebody else put there."""
        target = self._filepath.resolve()
        if source.kind in {"zip", "folder"}:
            origin = source.path.resolve()
            if origin == target or target in origin.parents or origin in target.parents:
                raise DatasetError(
                    f"Invalid value received for `{source.parameter}`. Expected an archive or folder apart from "
                    f"{target}, which is replaced. Received: {origin}. Move the images elsewhere first."
                )
        is_foreign = target.is_dir() and not (target / RECORD).exists() and any(target.iterdir())
        if is_foreign or target.is_file():
            raise DatasetError(
                f"{target} exists and was not made by data_ingestion. Expected a folder with `{RECORD}`, or none. "
                f"Move it elsewhere, and pass {source.parameter}=<its new path> to use its images."
            )

    def _exists(self) -> bool:
        return (self._filepath / RECORD).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "downloads": self._downloads}


def _fingerprint(source: ImageSource, identity: str) -> str:
    limits, table = source.limits.model_dump_json(), source.table_inside.model_dump_json()
    key = hidden(source.key, "key", "of these copies")
    parts = (str(_FORMAT), source.kind, source.address, identity, limits, table, key)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _is_single_image(path: Path) -> bool:
    with path.open("rb") as file:
        return may_be_image(path.name, file.read(512))


def _generate(source: ImageSource, intake: Intake) -> None:
    wanted = source.phantom
    phantoms = generate_phantoms(
        wanted.classes,
        wanted.images,
        source.seed,
        slices_per_patient=wanted.slices_per_patient,
        patient_signature=wanted.patient_signature,
        scanner=wanted.scanner,
    )
    # As many digits as keep names in the order of patients and slices.
    patient_digits, slice_digits = max(4, len(str(wanted.images))), len(str(wanted.slices_per_patient[1]))
    for phantom in follow(phantoms, "Drawing phantoms", wanted.images):
        patient, number = f"{phantom.patient:0{patient_digits}d}", f"{phantom.slice:0{slice_digits}d}"
        name = f"{phantom.label}/patient_{patient}_slice_{number}.png"
        mask = intake.root / LESION_MASKS / name
        intake.add(name, [_png(phantom.image)])
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.write_bytes(_png(phantom.lesion_mask))


def _png(pixels: NDArray[np.uint8] | NDArray[np.bool_]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
