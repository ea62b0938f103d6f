"""The catalog entry for images that are only looked at: a folder stays where it is, other sources are brought here."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.sources.image_files import ImageFiles
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.storage.recoverable_folder import RecoverableFolder


class ImageFilesDataset(AbstractDataset[ImageSource, ImageFiles]):
    """Images on disk, unread. Saving a source fetches, unpacks or draws them; of a folder only its place is noted."""

    def __init__(
        self,
        *,
        filepath: str,
        downloads: str | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the folder; see `ImageFolderDataset`."""
        self._filepath = Path(filepath)
        self._copies = ImageFolderDataset(filepath=filepath, downloads=downloads, credentials=credentials)
        self.metadata = metadata

    def load(self) -> ImageFiles:
        folder = self._copies.load()
        return ImageFiles.of_folder(folder.source) if folder.source.kind == "folder" else ImageFiles.of_copies(folder)

    def save(self, data: ImageSource) -> None:
        if data.kind != "folder":
            self._copies.save(data)
            return
        record = SourceRecord(
            kind="folder",
            location=str(data.path.resolve()),
            sha256=None,
            synthetic=False,
            fingerprint="",
            files=0,
            bytes=0,
        )
        folder = RecoverableFolder(self._filepath)
        with folder.locked():
            self._copies.require_own_folder(data)
            if self._exists() and self._copies.load().source == record:
                return
            with folder.replacement() as staging:
                ImageFolder(staging, record).write_record()

    def _exists(self) -> bool:
        return self._copies.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
