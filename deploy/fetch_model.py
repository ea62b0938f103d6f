"""Put a model of MLflow's registry where the app looks for it; a running app takes it up by itself.

MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python deploy/fetch_model.py models:/VGG16Model@champion
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from chest_cancer.jobs.model_files import METRICS_FILE, VERSION_FILE
from chest_cancer.network.classifier import Classifier
from chest_cancer.record.registry import PROMOTED_TAG
from chest_cancer.record.tracking import briefly, prepare_mlflow, reaching_server, registry_uri, without_credentials
from chest_cancer.storage.project import require_writable
from chest_cancer.storage.recoverable_folder import RecoverableFolder

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def main() -> None:
    """Fetch, check, replace as a whole."""
    parser = argparse.ArgumentParser(description="Put a model of MLflow's registry where the app looks for it.")
    parser.add_argument("uri", help="models:/<name>/<version>, or models:/<name>@<alias>")
    parser.add_argument("--folder", default="data/06_models/classifier", help="where it goes")
    arguments = parser.parse_args()
    prepare_mlflow()
    try:
        with reaching_server():
            print(f"{fetch(arguments.uri, Path(arguments.folder))} is in {arguments.folder}.")  # noqa: T201  # what it says
    except (OSError, ValueError) as error:
        sys.exit(f"fetch_model: {error}")


def fetch(uri: str, folder: Path) -> str:
    """Put the version that a URI names into a folder; return its URI by number.

    Raises:
        OSError: The folder can't be written, or the version has not the files of this project's models.
        ValueError: There is no such version, or its model can't be loaded.
    """
    from mlflow.artifacts import download_artifacts  # here, as it reads its settings when it is imported

    require_writable(folder, "models that are served")
    version = find(uri)
    source = f"models:/{version.name}/{version.version}"
    facts = {"version": str(version.version), "promoted": version.tags.get(PROMOTED_TAG)}
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(download_artifacts(source, dst_path=temporary))
        served = RecoverableFolder(folder)
        with served.locked(), served.replacement() as place:
            shutil.copytree(model / "artifacts" / "classifier", place, dirs_exist_ok=True)
            shutil.copy(model / "artifacts" / METRICS_FILE, place)
            (place / VERSION_FILE).write_text(json.dumps(facts) + "\n")
            Classifier.load(place).self_test()
    return source


def find(uri: str) -> "ModelVersion":
    """Find the version that a URI names.

    Raises:
        ValueError: It is no such URI, or names no version.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    parts = re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@(.+))", uri)
    if parts is None:
        raise ValueError(f"Expected models:/<name>/<version>, or models:/<name>@<alias>. Received: {uri}")
    client, (name, version, alias) = MlflowClient(), parts.groups()
    try:
        with briefly():
            if alias:
                return client.get_model_version_by_alias(name, alias)
            return client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        raise ValueError(
            f"{without_credentials(registry_uri())} has no {uri}. The first run that is recorded there registers a "
            "model; MLflow's page shows names, versions and aliases."
        ) from error


if __name__ == "__main__":
    main()
