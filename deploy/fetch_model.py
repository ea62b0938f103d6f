"""Put a model of MLflow's registry where the app looks for it; a running app takes it up by itself.

MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python deploy/fetch_model.py models:/VGG16Model@champion
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import mlflow.artifacts

from chest_cancer.jobs.model_files import METRICS_FILE
from chest_cancer.network.classifier import Classifier
from chest_cancer.storage.recoverable_folder import RecoverableFolder


def main() -> None:
    """Fetch, check, replace as a whole."""
    parser = argparse.ArgumentParser(description="Put a model of MLflow's registry where the app looks for it.")
    parser.add_argument("uri", help="models:/<name>/<version>, or models:/<name>@<alias>")
    parser.add_argument("--folder", default="data/06_models/classifier", help="where it goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(mlflow.artifacts.download_artifacts(arguments.uri, dst_path=folder))
        served = RecoverableFolder(Path(arguments.folder))
        with served.locked(), served.replacement() as place:
            shutil.copytree(model / "artifacts" / "classifier", place, dirs_exist_ok=True)
            shutil.copy(model / "artifacts" / METRICS_FILE, place)
            Classifier.load(place).self_test()
    print(f"{arguments.uri} is in {arguments.folder}.")  # noqa: T201  # what a command says


if __name__ == "__main__":
    main()
