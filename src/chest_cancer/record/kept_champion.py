"""The champion's files, kept here until another version becomes champion."""

import json
import logging
from pathlib import Path
from typing import Any

from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.record import registered_files, registry
from chest_cancer.record.champion import Champion
from chest_cancer.record.tracking import registry_uri, without_credentials
from chest_cancer.storage.recoverable_folder import RecoverableFolder

logger = logging.getLogger(__name__)

_TRAINING_IMAGES = "training_images.json"
_TEST_SCORES = "test_scores.json"
_VERSION = "version.json"


class KeptChampion:
    """A folder with the files of the version that was champion when the registry was last asked.

    Attributes:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        """Note the folder; the registry is not asked yet."""
        self.folder = folder
        self._recoverable = RecoverableFolder(folder)

    def exists(self) -> bool:
        """Say whether a classifier is in the folder."""
        return (self.folder / MANIFEST_FILE).is_file()

    def to_serve(self, precision: str | None) -> Classifier:
        """Load the champion, fetched unless it is here already. If the server fails, the one that is here is used.

        Args:
            precision: See `Classifier.load`.

        Returns:
            The classifier.

        Raises:
            FileNotFoundError: There is no champion.
            ConnectionError: The server can't be used, and no champion is here.
            ValueError: The files here differ from those that were registered.
        """
        try:
            version = self._fetch()
        except ConnectionError as error:
            if not self.exists():
                raise
            logger.warning("%s The model in %s is used; another one may be champion by now.", error, self.folder)
        else:
            if version is None:
                raise FileNotFoundError("no version is champion. Make one with `kedro run`.")
        return Classifier.load(self.folder, precision)

    def to_compare_with(self, precision: str | None) -> Champion:
        """Load the champion, if there is one. Errors become its `problem`, so that they stop no run.

        Args:
            precision: See `Classifier.load`.

        Returns:
            The champion, the images that it has learnt from, and what it said of its test images.
        """
        from mlflow.exceptions import MlflowException

        version = None
        try:
            version = self._fetch()
            if version is None:
                return Champion()
            images = json.loads((self.folder / _TRAINING_IMAGES).read_text())
            file = self.folder / _TEST_SCORES  # versions from before it was kept have none
            scores = json.loads(file.read_text()) if file.is_file() else {}
            return Champion(version, Classifier.load(self.folder, precision), frozenset(images), scores)
        except (OSError, ValueError, MlflowException) as error:
            return Champion(version, problem=str(error))

    def _fetch(self) -> str | None:
        """Fetch the champion's files and return its version; None where there is no champion."""
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
