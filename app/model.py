"""The served model: the catalog entry `classifier`, and the test figures that belong to it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from flask import Flask
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.io import DataCatalog, DatasetError

from chest_cancer.jobs.model_files import FileState, ModelFiles, StoredFigure
from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.network.manifest import Manifest

logger = logging.getLogger(__name__)


class ModelUnavailableError(RuntimeError):
    """There is no model to serve; the message says why, and what to do."""


@dataclass(frozen=True)
class Model:
    """The served model, from one run.

    Attributes:
        classifier: The trained artefact.
        figures: Its test figures by name; empty where it was not evaluated.
        self_test: Largest difference between probabilities in its self-test; None where its manifest has no self-test.
        states: The contents of its files when it was read, to notice when they are replaced.
    """

    classifier: Classifier
    figures: dict[str, StoredFigure]
    self_test: float | None
    states: tuple[FileState, FileState]

    @property
    def manifest(self) -> Manifest:
        """What is known of the classifier."""
        return self.classifier.manifest


class ModelSource:
    """Loads the model once for the process, when it is first needed, and again when its folder has been replaced.

    A failure of the first load is not remembered: after the first `kedro run` the app answers without a restart. A new
    model is loaded beside the old one, which answers until the new one has passed its self-test.
    """

    def __init__(self, project: Path, environment: str, is_held: Callable[[], bool] = lambda: False) -> None:
        """Remember where to look.

        Args:
            project: The folder with `conf/` and `data/`.
            environment: Name of the Kedro environment, a folder of `conf/`.
            is_held: Tells whether the model in the folder may not be served yet.
        """
        self._project = project
        self._environment = environment
        self._is_held = is_held
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._model: Model | None = None
        self._files: ModelFiles | None = None
        self._refused: FileState = None

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return the source of an app's model."""
        return cast(Self, app.extensions["model"])

    @property
    def current(self) -> Model | None:
        """The model if it is loaded, else None."""
        return self._model

    def get(self) -> Model:
        """Return the model; the first call loads it, and other calls wait for that.

        Raises:
            ModelUnavailableError: There is no model, or it can't be read.
        """
        if self._model is None:
            with self._lock:
                if self._model is None:
                    self._model = self._load()
        elif self._is_outdated(self._model) and self._reloading.acquire(blocking=False):
            threading.Thread(target=self._reload, args=[self._model], name="model-reload", daemon=True).start()
        return self._model

    def files(self) -> ModelFiles:
        """Read from the catalog which files the model has.

        Raises:
            ModelUnavailableError: The catalog has no entry for it.
        """
        return self._read_catalog()[1]

    def _is_outdated(self, model: Model) -> bool:
        if self._files is None:
            return False
        states = self._files.states()
        # Without a manifest the folder is just changing places.
        return (
            states not in (model.states, (self._refused, states[1])) and states[0] is not None and not self._is_held()
        )

    def _reload(self, old: Model) -> None:
        try:
            states = self._files.states() if self._files else old.states
            if states[0] == old.states[0] and self._files:
                self._model = replace(old, figures=self._files.figures(), states=states)
            else:
                self._model = self._load()
                logger.info("A new model is served: run %s.", self._model.manifest.provenance.mlflow_run_id)
        except ModelUnavailableError as error:
            self._refused = states[0]
            logger.error("The new model can't be served; the former one is still served. %s", error)
        finally:
            self._reloading.release()

    def _load(self) -> Model:
        entry, files = self._read_catalog()
        try:
            while True:
                states = files.states()
                # Only this entry: others need packages that a server does not have.
                classifier: Classifier = DataCatalog.from_config({"classifier": entry}).load("classifier")
                self_test = classifier.self_test()
                classifier.release_graph()
                if states == files.states():  # else the folder was replaced while it was read
                    break
        except (DatasetError, ValueError) as error:
            raise ModelUnavailableError(self._reason(error)) from error
        self._files = files
        return Model(classifier, files.figures(), self_test, states)

    def _read_catalog(self) -> tuple[dict[str, Any], ModelFiles]:
        """Return the entry of the classifier, and the files behind it."""
        # The project's settings are not imported: its hooks need MLflow. These two names are Kedro's defaults as well.
        loader = OmegaConfigLoader(
            str(self._project / "conf"), env=self._environment, base_env="base", default_run_env="local"
        )
        try:
            catalog: dict[str, Any] = loader["catalog"]
        except MissingConfigException as error:
            raise ModelUnavailableError(self._reason(error)) from error
        if "classifier" not in catalog:
            msg = f"No entry `classifier` in the catalog of conf/, environment {self._environment}."
            raise ModelUnavailableError(msg)
        entry: dict[str, Any] = dict(catalog["classifier"])
        folder = self._project / entry["filepath"] if "filepath" in entry else None
        if folder:
            entry["filepath"] = str(folder)
        # The entry of the figures itself logs to MLflow; the file behind it is plain JSON.
        metrics = catalog.get("metrics", {})
        filepath = metrics.get("dataset", metrics).get("filepath")
        return entry, ModelFiles(folder and folder / MANIFEST_FILE, self._project / filepath if filepath else None)

    def _reason(self, error: Exception) -> str:
        # Kedro puts lines about its own classes before the one that says what helps. Clients see it: no path of ours.
        return str(error).strip().splitlines()[-1].replace(f"{self._project}/", "")
