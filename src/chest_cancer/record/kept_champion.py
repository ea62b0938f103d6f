"""The champion's files, kept in a folder until another version is champion."""

import json
import logging
from pathlib import Path
from typing import Any

from chest_cancer.jobs.model_files import VERSION_FILE
from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.network.manifest import Manifest
from chest_cancer.record import registered_files, registry
from chest_cancer.record.champion import Champion, Line, Served
from chest_cancer.record.tracking import registry_uri, without_credentials
from chest_cancer.storage.recoverable_folder import RecoverableFolder

logger = logging.getLogger(__name__)

TRAINING_IMAGES = "training_images.json"
_TEST_SCORES = "test_scores.json"


class KeptChampion:
    """A folder with the files of the version that was champion when the registry was last asked.

    The served place is one: what lies there was registered and made champion, by the gate or by hand.

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
            version = self.fetch()
        except ConnectionError as error:
            if not self.exists():
                raise
            logger.warning("%s The model in %s is used; another one may be champion by now.", error, self.folder)
        else:
            if version is None:
                raise FileNotFoundError("no version is champion. Make one with `kedro run`.")
        return Classifier.load(self.folder, precision)

    def to_compare_with(self, line: Line, precision: str | None) -> Champion:
        """Load the champion of a line, if it has one; whatever is wrong is its `problem`, so that it stops no run.

        Args:
            line: Of champions.
            precision: See `Classifier.load`.

        Returns:
            The champion with what it has learnt from and what it said of its test images, and what is served.
        """
        from mlflow.exceptions import MlflowException

        served = version = None
        try:
            if current := registry.champion():
                served = Served(str(current.version), Line.read(current.tags))
            version = registry.number_of(registry.champion(line.alias))
            if self.fetch(line.alias) is None:
                return Champion(served=served)
            images = json.loads((self.folder / TRAINING_IMAGES).read_text())
            file = self.folder / _TEST_SCORES  # versions from before it was kept have none
            scores = json.loads(file.read_text()) if file.is_file() else {}
            return Champion(version, Classifier.load(self.folder, precision), frozenset(images), scores, served)
        except (OSError, ValueError, MlflowException) as error:
            return Champion(version, served=served, problem=str(error))

    def serve(self, submitted: registry.Submitted, manifest: Manifest) -> registry.Submitted:
        """Bring here what became champion, and what is champion where nothing is here.

        Args:
            submitted: What the registry made of a model.
            manifest: Of the model.

        Returns:
            The same; as not served where what is here, from another registry, is nothing that it may follow.

        Raises:
            ConnectionError: The server can't be used.
            OSError: See `bring`.
        """
        here, line = self._line(), Line.of(manifest)
        may_follow = here is None or line.may_follow(here) or submitted.is_asked_for
        if submitted.is_champion and not may_follow:
            reason = (
                f"Not served: it is the champion of this registry, but what is served is a model of {here} from "
                f"another one, and this is one of {line}. To serve it all the same: "
                f"`kedro record promote {submitted.version}`."
            )
            return submitted._replace(is_champion=False, reason=reason)
        if submitted.is_champion or here is None:
            self.bring()
        return submitted

    def bring(self) -> None:
        """Bring the champion here, to be served: the registry has its name already.

        Raises:
            ConnectionError: The server can't be used.
            OSError: It can't be brought: what is served instead, and the command that brings it.
        """
        from mlflow.exceptions import MlflowException

        try:
            self.fetch()
        except ConnectionError:
            raise
        except (OSError, ValueError, MlflowException) as error:
            version = registry.number_of(registry.champion())
            raise OSError(
                f"Version {version} of {registry.MODEL} is champion now, but could not be brought to {self.folder}: "
                f"{error}. The former model is still served. Mend the cause, then type: "
                f"`kedro record promote {version}`."
            ) from error

    def _line(self) -> Line | None:
        """The line of what is here; None where nothing is that can be read."""
        try:
            return Line.of(Manifest.read((self.folder / MANIFEST_FILE).read_bytes()))
        except (FileNotFoundError, ValueError):
            return None

    def fetch(self, alias: str = registry.CHAMPION) -> str | None:
        """Bring the champion's files here, all of them or none, unless they are here.

        Args:
            alias: Of which line; by default the one to serve, whatever its line.

        Returns:
            Its version; None where there is no champion.

        Raises:
            ConnectionError: The server can't be used.
            ValueError: What was registered can't be loaded by this version of the project.
        """
        # Under the lock, so that of two who bring one the later has asked last.
        with self._recoverable.locked():
            champion = registry.champion(alias)
            if champion is None:
                return None
            identity = {
                "registry": without_credentials(registry_uri()),
                "version": str(champion.version),
                "created": champion.creation_timestamp,
                "promoted": champion.tags.get(registry.PROMOTED_TAG),
                "former": champion.tags.get(registry.FORMER_TAG),
            }
            if not self._holds(identity):
                with self._recoverable.replacement() as folder:
                    registered_files.download(champion.version, folder)
                    (folder / VERSION_FILE).write_text(json.dumps(identity, indent=2) + "\n")
                    Classifier.load(folder)
        return str(champion.version)

    def _holds(self, identity: dict[str, Any]) -> bool:
        file = self.folder / VERSION_FILE
        return file.is_file() and json.loads(file.read_text()) == identity
