"""The served model: the catalog entry `classifier`, and the test figures and the version that lie beside it."""

import logging
import os
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from flask import Flask
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.io import DataCatalog, DatasetError

from chest_cancer.jobs.model_files import FolderState, ModelFolder, StoredFigure, Version
from chest_cancer.network.answers import AnswerRule
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.manifest import Manifest

logger = logging.getLogger(__name__)


class ModelUnavailableError(RuntimeError):
    """There is no model to serve; the message says why, and what to do."""


@dataclass(frozen=True)
class Model:
    """The served model, from one run.

    Attributes:
        classifier: The trained artefact.
        figures: Its test figures by name; empty where nobody put them beside it.
        confidence: Level of their intervals, 0..1; None where nobody wrote it down.
        patients: Whether it is `known` or `unknown` which of its images are of one patient.
        version: Which one it is in the registry, and since when it is served.
        self_test: Largest difference of a probability in its self-test; None where its manifest has no self-test.
        state: Which content of its folder it was read from.
    """

    classifier: Classifier
    figures: dict[str, StoredFigure]
    confidence: float | None
    patients: str
    version: Version
    self_test: float | None
    state: FolderState

    @property
    def manifest(self) -> Manifest:
        """What is known of the classifier."""
        return self.classifier.manifest

    @property
    def rule(self) -> AnswerRule:
        """Which class is its answer."""
        return AnswerRule.of(self.manifest)


def model_record(manifest: Manifest) -> dict[str, Any]:
    """Write for programs which model gave an answer, as a JSON object."""
    provenance = manifest.provenance
    return {
        "version": provenance.code_version,
        "run_id": provenance.mlflow_run_id,
        "synthetic": manifest.data.synthetic,
    }


def _read_model(entry: dict[str, Any], folder: ModelFolder) -> Model:
    # Only this entry: others need packages that a server does not have.
    classifier: Classifier = DataCatalog.from_config({"classifier": entry}).load("classifier")
    classifier.batch = 1
    self_test = classifier.self_test()
    classifier.release_graph()
    return Model(
        classifier,
        folder.figures(),
        folder.confidence(),
        folder.patients(),
        folder.version(),
        self_test,
        folder.state(),
    )


class ModelSource:
    """Loads the model once for the process, when it is first needed, and again when its folder has been replaced.

    A failure of the first load is not remembered: after the first `kedro run` the app answers without a restart. A new
    model is loaded beside the old one, which answers until the new one has passed its self-test.
    """

    def __init__(self, project: Path, environment: str) -> None:
        """Remember where to look.

        Args:
            project: The folder with `conf/` and `data/`.
            environment: Name of the Kedro environment, a folder of `conf/`.
        """
        self._project = project
        self._environment = environment
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._model: Model | None = None
        self._folder: ModelFolder | None = None
        self._refused: FolderState = None

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
            threading.Thread(target=self._reload, name="model-reload", daemon=True).start()
        return self._model

    def _is_outdated(self, model: Model) -> bool:
        # Without a state the folder is just changing places.
        state = self._folder.state() if self._folder else None
        return state is not None and state not in (model.state, self._refused)

    def _reload(self) -> None:
        state = self._folder.state() if self._folder else None
        try:
            self._model = self._load()
            logger.info("A new model is served: run %s.", self._model.manifest.provenance.mlflow_run_id)
        except ModelUnavailableError as error:
            self._refused = state
            logger.error("The new model can't be served; the former one is still served. %s", error)
        finally:
            self._reloading.release()

    def _load(self) -> Model:
        entry, folder = self._read_catalog()
        try:
            model = folder.read_as_one(partial(_read_model, entry, folder))
        except (DatasetError, OSError, ValueError) as error:
            raise ModelUnavailableError(self._reason(error, folder)) from error
        self._folder = folder
        return model

    def _read_catalog(self) -> tuple[dict[str, Any], ModelFolder]:
        """Return the entry of the classifier, and the folder behind it."""
        # The project's settings are not imported: its hooks need MLflow. These two names are Kedro's defaults as well.
        loader = OmegaConfigLoader(
            str(self._project / "conf"), env=self._environment, base_env="base", default_run_env="local"
        )
        try:
            catalog: dict[str, Any] = loader["catalog"]
        except MissingConfigException as error:
            raise ModelUnavailableError(self._last_line(error)) from error
        if "filepath" not in catalog.get("classifier", {}):
            msg = f"No entry `classifier` in the catalog of conf/, environment {self._environment}, with a `filepath`."
            raise ModelUnavailableError(msg)
        entry: dict[str, Any] = dict(catalog["classifier"])
        folder = self._project / entry["filepath"]
        return entry | {"filepath": str(folder)}, ModelFolder(folder)

    def _reason(self, error: Exception, folder: ModelFolder) -> str:
        """Say why there is no model, and what to do."""
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, PermissionError):
            return (
                f"This user, {os.getuid()}:{os.getgid()}, may not read {self._inside(str(cause.filename))}. Let it, by "
                "`chmod -R a+rX`; in a container the folder behind the volume."
            )
        if isinstance(cause, ModuleNotFoundError):
            return (
                f"The environment {self._environment} needs the package {cause.name}, which is not installed here. "
                "Install it, or choose another CHEST_CANCER_ENV."
            )
        there = " It is there when a run was evaluated and promoted." if folder.state() is None else ""
        return self._last_line(error) + there

    def _last_line(self, error: Exception) -> str:
        # Kedro puts lines about its own classes before the one that says what helps.
        return self._inside(str(error).strip().splitlines()[-1])

    def _inside(self, text: str) -> str:
        # Clients see it: no path of ours.
        return text.replace(f"{self._project}/", "")
