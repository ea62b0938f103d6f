"""The catalog entry for images that are only looked at: folders and objects stay where they are, others come here."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.image_files import ImageFiles
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.storage.recoverable_folder import RecoverableFolder


class ImageFilesDataset(AbstractDataset[ImageSource, ImageFiles]):
    """Images, unread. Saving a source fetches, unpacks or draws them; of folders and objects it notes the place."""

    def __init__(
        self,
        *,
        filepath: str,
        credentials: dict[str, Any] | None = None,
        object_store: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the folder; see `ImageFolderDataset`."""
        self._filepath = Path(filepath)
        self._copies = ImageFolderDataset(filepath=filepath, credentials=credentials, object_store=object_store)
        self.metadata = metadata
        self._saved: ImageSource | None = None

    def load(self) -> ImageFiles:
        folder = self._copies.load()
        limits = self._saved.limits if self._saved else SourceLimits()
        with self._saved.named_in_errors() if self._saved else nullcontext():
            match folder.source.kind:
                case "folder":
                    return ImageFiles.of_folder(folder.source, limits)
                case "object_store":
                    return self._copies.objects_at(folder.source.location, limits)
                case _:
                    return ImageFiles.of_copies(folder)

    def save(self, data: ImageSource) -> None:
        self._saved = data
        if data.kind not in ("folder", "object_store"):
            self._copies.save(data)
            return
        location = str(data.path.resolve()) if data.kind == "folder" else data.location
        record = SourceRecord.in_place(data.kind, location)
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
