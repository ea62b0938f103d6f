"""The classifier as a catalog entry."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.jobs.model_files import FolderState, ModelFolder
from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.storage.recoverable_folder import RecoverableFolder

if TYPE_CHECKING:
    from kedro_datasets._typing import JSONPreview  # type: ignore[import-untyped]  # kedro-datasets ships no types


class ClassifierDataset(AbstractDataset[Classifier, Classifier]):
    """A folder with `classifier.onnx`, `manifest.json`, int8 files if any, and `SHA256SUMS`; replaced as a whole.

    What was loaded or saved is kept in memory, compiled or not, and returned again as long as the folder is the same.

    Attributes:
        folder: Where it is.
    """

    def __init__(self, *, filepath: str, precision: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.folder = Path(filepath)
        self._recoverable = RecoverableFolder(self.folder)
        self._precision = precision
        self._content = ModelFolder(self.folder)
        self._kept: tuple[FolderState, Classifier] | None = None
        self.metadata = metadata

    def load(self) -> Classifier:
        self._recoverable.recover()
        try:
            if self._kept is None or self._kept[0] != self._content.state():
                self._kept = (self._content.state(), Classifier.load(self.folder, self._precision))
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error
        return self._kept[1]

    def save(self, data: Classifier) -> None:
        with self._recoverable.locked(), self._recoverable.replacement() as folder:
            data.save(folder)
        self._kept = (self._content.state(), data) if self._precision is None else None

    def preview(self) -> "JSONPreview":
        """Return the manifest, which kedro-viz shows."""
        return (self.folder / MANIFEST_FILE).read_text()

    def _release(self) -> None:
        self._kept = None

    def _exists(self) -> bool:
        return (self.folder / MANIFEST_FILE).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.folder, "precision": self._precision}
