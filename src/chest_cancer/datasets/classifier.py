"""The classifier as a catalog entry."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.classifier import MANIFEST_FILE, Classifier
from chest_cancer.datasets.recoverable_folder import RecoverableFolder


class ClassifierDataset(AbstractDataset[Classifier, Classifier]):
    """A folder with `classifier.onnx`, `manifest.json` and `SHA256SUMS`, replaced as a whole.

    Attributes:
        folder: Where it is.
    """

    def __init__(self, *, filepath: str, precision: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.folder = Path(filepath)
        self._recoverable = RecoverableFolder(self.folder)
        self._precision = precision
        self.metadata = metadata

    def load(self) -> Classifier:
        self._recoverable.recover()
        try:
            return Classifier.load(self.folder, self._precision)
        except (FileNotFoundError, ValueError) as error:
            raise DatasetError(str(error)) from error

    def save(self, data: Classifier) -> None:
        with self._recoverable.locked(), self._recoverable.replacement() as folder:
            data.save(folder)

    def _exists(self) -> bool:
        return (self.folder / MANIFEST_FILE).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.folder, "precision": self._precision}
