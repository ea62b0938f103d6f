"""The champion of MLflow's model registry as a catalog entry."""

import json
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.champion import Champion
from chest_cancer.classifier import MANIFEST_FILE, Classifier
from chest_cancer.datasets.recoverable_folder import RecoverableFolder

_TRAINING_IMAGES = "training_images.json"
_VERSION = "version.json"


class RegisteredClassifierDataset(AbstractDataset[NoReturn, Classifier]):
    """The classifier that is champion in the registry, kept in a folder until another one is."""

    def __init__(self, *, filepath: str, precision: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self._folder = RecoverableFolder(Path(filepath))
        self._precision = precision
        self.metadata = metadata

    def load(self) -> Classifier:
        """Fetch the champion, unless it is here already.

        Raises:
            DatasetError: There is none, or the registry can't be used.
        """
        from mlflow.exceptions import MlflowException

        try:
            if self._fetch() is None:
                raise FileNotFoundError("no version is champion. Make one with `kedro run`.")
            return Classifier.load(self._folder.path, self._precision)
        except (OSError, ValueError, MlflowException) as error:
            raise DatasetError(f"The champion of the model registry can't be loaded: {error}") from error

    def save(self, data: NoReturn) -> None:
        raise DatasetError("A champion is made by the gate at the end of `kedro run`, not saved.")

    def _fetch(self) -> str | None:
        """Bring the champion's files here and return its version; None where there is no champion."""
        from chest_cancer import registry
        from chest_cancer.tracking import registry_uri

        champion = registry.champion()
        if champion is None:
            return None
        identity = {"registry": registry_uri(), "version": champion.version, "created": champion.creation_timestamp}
        with self._folder.locked():
            if not self._holds(identity):
                with self._folder.replacement() as folder:
                    registry.download(champion.version, folder)
                    (folder / _VERSION).write_text(json.dumps(identity))
        return str(champion.version)

    def _holds(self, identity: dict[str, Any]) -> bool:
        file = self._folder.path / _VERSION
        return file.is_file() and json.loads(file.read_text()) == identity

    def _exists(self) -> bool:
        return (self._folder.path / MANIFEST_FILE).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._folder.path, "precision": self._precision}


class ChampionDataset(RegisteredClassifierDataset):
    """The same, for comparing: there may be none yet, and a registry that does not answer stops no run."""

    def load(self) -> Champion:  # type: ignore[override]  # what a run compares with, where a server wants to serve
        from mlflow.exceptions import MlflowException

        try:
            version = self._fetch()
            if version is None:
                return Champion()
            images = json.loads((self._folder.path / _TRAINING_IMAGES).read_text())
            return Champion(version, Classifier.load(self._folder.path, self._precision), frozenset(images))
        except (OSError, ValueError, MlflowException) as error:
            return Champion(problem=str(error))
