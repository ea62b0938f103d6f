"""Put a model of MLflow's registry where the app looks for it; a running app takes it up by itself.

MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python deploy/fetch_model.py models:/VGG16Model@champion
"""

import argparse
import tempfile
from pathlib import Path

import mlflow.artifacts

from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.network.classifier import Classifier


def main() -> None:
    """Fetch, check, replace as a whole."""
    parser = argparse.ArgumentParser(description="Put a model of MLflow's registry where the app looks for it.")
    parser.add_argument("uri", help="models:/<name>/<version>, or models:/<name>@<alias>")
    parser.add_argument("--folder", default="data/06_models/classifier", help="where it goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(mlflow.artifacts.download_artifacts(arguments.uri, dst_path=folder))
        classifier = Classifier.load(model / "artifacts" / "classifier")
        classifier.self_test()
        ClassifierDataset(filepath=arguments.folder).save(classifier)
    print(f"{arguments.uri} is in {arguments.folder}.")  # noqa: T201  # what a command says


if __name__ == "__main__":
    main()
