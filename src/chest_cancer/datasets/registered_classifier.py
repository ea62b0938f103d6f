"""The champion of MLflow's model registry as a catalog entry."""

import json
import logging
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.record.champion import Champion
from chest_cancer.storage.recoverable_folder import RecoverableFolder

logger = logging.getLogger(__name__)

_TRAINING_IMAGES = "training_images.json"
_TEST_SCORES = "test_scores.json"
_VERSION = "version.json"


class RegisteredClassifierDataset(AbstractDataset[NoReturn, Classifier]):
    """The classifier that is champion in the registry, kept in a folder until another one is.

    Attributes:
        folder: Where it is kept.
    """

    def __init__(self, *, filepath: str, precision: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.folder = Path(filepath)
        self._recoverable = RecoverableFolder(self.folder)
        self._precision = precision
        self.metadata = metadata

    def load(self) -> Classifier:
        """Fetch the champion, unless it is here already; where its server fails, the one that is here will do.

        Raises:
            DatasetError: There is none, or the registry can't be used.
        """
        from mlflow.exceptions import MlflowException

        try:
            try:
                version = self._fetch()
            except ConnectionError as error:
                if not self._exists():
                    raise
                logger.warning("%s The model in %s is used, which may be champion no more.", error, self.folder)
            else:
                if version is None:
                    raise FileNotFoundError("no version is champion. Make one with `kedro run`.")
            return Classifier.load(self.folder, self._precision)
        except (OSError, ValueError, MlflowException) as error:
            raise DatasetError(f"The champion of the model registry can't be loaded: {error}") from error

    def save(self, data: NoReturn) -> None:
        raise DatasetError("A champion is made by the gate at the end of `kedro run`, not saved.")

    def _fetch(self) -> str | None:
        """Bring the champion's files here and return its version; None where there is no champion."""
        from chest_cancer.record import registered_files, registry
        from chest_cancer.record.tracking import registry_uri, without_credentials

        champion = registry.champion()
        if champion is None:
            return None
        identity = {
            "registry": without_credentials(registry_uri()),
            "version": champion.version,
            "created": champion.creation_timestamp,
        }
        with self._recoverable.locked():
            if not self._holds(identity):
                with self._recoverable.replacement() as folder:
                    registered_files.download(champion.version, folder)
                    (folder / _VERSION).write_text(json.dumps(identity))
        return str(champion.version)

    def _holds(self, identity: dict[str, Any]) -> bool:
        file = self.folder / _VERSION
        return file.is_file() and json.loads(file.read_text()) == identity

    def _exists(self) -> bool:
        return (self.folder / MANIFEST_FILE).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.folder, "precision": self._precision}


class ChampionDataset(RegisteredClassifierDataset):
    """The same, for comparing: there may be none yet, and a registry that does not answer stops no run."""

    def load(self) -> Champion:  # type: ignore[override]  # what a run compares with, where a server wants to serve
        from mlflow.exceptions import MlflowException

        version = None
        try:
            version = self._fetch()
            if version is None:
                return Champion()
            images = json.loads((self.folder / _TRAINING_IMAGES).read_text())
            file = self.folder / _TEST_SCORES  # versions from before it was kept have none
            scores = json.loads(file.read_text()) if file.is_file() else {}
            return Champion(version, Classifier.load(self.folder, self._precision), frozenset(images), scores)
        except (OSError, ValueError, MlflowException) as error:
            return Champion(version, problem=str(error))
