"""The served model: the catalog entry `classifier`, and the test figures that belong to it."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypedDict, cast

from flask import Flask
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.io import DataCatalog, DatasetError

from chest_cancer.classifier import MANIFEST_FILE, Classifier


class Figure(TypedDict):
    """A test figure with its interval and the number of images behind it."""

    value: float
    low: float
    high: float
    n: int


class ModelUnavailableError(RuntimeError):
    """There is no model to serve; the message says why and what helps."""


@dataclass(frozen=True)
class Model:
    """What is served, from one run.

    Attributes:
        classifier: The trained artefact.
        figures: Its test figures by name; empty where it was not evaluated.
    """

    classifier: Classifier
    figures: dict[str, Figure]

    @property
    def manifest(self) -> dict[str, Any]:
        """What is known of the classifier."""
        return self.classifier.manifest


class ModelSource:
    """Loads the model once for the process, when it is first asked for.

    A failure is not remembered: after the first `kedro run` the app answers without a restart.
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
        self._model: Model | None = None

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return the one that belongs to an app."""
        return cast(Self, app.extensions["model"])

    def get(self) -> Model:
        """Return the model; the first call loads it, and calls beside it wait for that.

        Raises:
            ModelUnavailableError: There is none, or it can't be read.
        """
        if self._model is None:
            with self._lock:
                if self._model is None:
                    self._model = self._load()
        return self._model

    def _load(self) -> Model:
        try:
            catalog = self._read_catalog()
            entry = self._entry(catalog)
            # Only this entry: others need packages that a server does not have.
            classifier: Classifier = DataCatalog.from_config({"classifier": entry}).load("classifier")
        except (MissingConfigException, DatasetError) as error:
            raise ModelUnavailableError(self._reason(error)) from error
        manifest = Path(entry["filepath"]) / MANIFEST_FILE
        return Model(classifier, _read_figures(self._metrics_file(catalog), manifest))

    def _read_catalog(self) -> dict[str, Any]:
        # The project's settings are not imported: its hooks need MLflow. These two names are Kedro's defaults as well.
        loader = OmegaConfigLoader(
            str(self._project / "conf"), env=self._environment, base_env="base", default_run_env="local"
        )
        catalog: dict[str, Any] = loader["catalog"]
        return catalog

    def _entry(self, catalog: dict[str, Any]) -> dict[str, Any]:
        if "classifier" not in catalog:
            msg = f"No entry `classifier` in the catalog of conf/, environment {self._environment}."
            raise ModelUnavailableError(msg)
        entry: dict[str, Any] = catalog["classifier"]
        return entry | {"filepath": str(self._project / entry["filepath"])}

    def _reason(self, error: Exception) -> str:
        # Kedro puts lines about its own classes before the one that says what helps. Clients see it: no path of ours.
        return str(error).strip().splitlines()[-1].replace(f"{self._project}/", "")

    def _metrics_file(self, catalog: dict[str, Any]) -> Path | None:
        # The entry itself logs to MLflow; the file behind it is plain JSON.
        entry = catalog.get("metrics", {})
        filepath = entry.get("dataset", entry).get("filepath")
        return self._project / filepath if filepath else None


def _read_figures(metrics: Path | None, manifest: Path) -> dict[str, Figure]:
    """Read the test figures, unless they were measured before this model was made and so belong to another."""
    if metrics is None or not metrics.is_file() or metrics.stat().st_mtime < manifest.stat().st_mtime:
        return {}
    try:
        figures: dict[str, Figure] = json.loads(metrics.read_text())
    except json.JSONDecodeError:  # a run is just writing it
        return {}
    return figures
