"""Put a model of MLflow's registry where the app looks for it; a running app takes it up by itself.

MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python deploy/fetch_model.py models:/VGG16Model@champion
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.artifacts
from mlflow import MlflowClient

from chest_cancer.jobs.model_files import METRICS_FILE, VERSION_FILE
from chest_cancer.network.classifier import Classifier
from chest_cancer.record.registry import PROMOTED_TAG
from chest_cancer.storage.recoverable_folder import RecoverableFolder

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def main() -> None:
    """Fetch, check, replace as a whole."""
    parser = argparse.ArgumentParser(description="Put a model of MLflow's registry where the app looks for it.")
    parser.add_argument("uri", help="models:/<name>/<version>, or models:/<name>@<alias>")
    parser.add_argument("--folder", default="data/06_models/classifier", help="where it goes")
    arguments = parser.parse_args()
    version = find(arguments.uri)
    source = f"models:/{version.name}/{version.version}"
    facts = {"version": str(version.version), "promoted": version.tags.get(PROMOTED_TAG)}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(mlflow.artifacts.download_artifacts(source, dst_path=folder))
        served = RecoverableFolder(Path(arguments.folder))
        with served.locked(), served.replacement() as place:
            shutil.copytree(model / "artifacts" / "classifier", place, dirs_exist_ok=True)
            shutil.copy(model / "artifacts" / METRICS_FILE, place)
            (place / VERSION_FILE).write_text(json.dumps(facts) + "\n")
            Classifier.load(place).self_test()
    print(f"{source} is in {arguments.folder}.")  # noqa: T201  # what a command says


def find(uri: str) -> "ModelVersion":
    """Find the version that a URI names."""
    client, named = MlflowClient(), uri.removeprefix("models:/")
    if "@" in named:
        return client.get_model_version_by_alias(*named.rsplit("@", 1))
    return client.get_model_version(*named.rsplit("/", 1))


if __name__ == "__main__":
    main()
