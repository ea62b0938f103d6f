"""The files of a registered model: the classifier as MLflow serves it, and what a later run compares with."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chest_cancer
from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.record.registry import MODEL, digest_of, find_version, require_version
from chest_cancer.record.tracking import MODEL_FOLDER, connect, reaching_server, registry_uri, tracking_uri

if TYPE_CHECKING:
    import pandas as pd

# Rooms of this package that classify nothing.
_NOT_SERVED = ("audits", "datasets", "jobs", "pipelines", "record", "reporting", "sources", "statistics")


def download(version: str, folder: Path) -> None:
    """Copy a version's classifier, and what it has learnt from, into a folder.

    Args:
        version: Number of the version.
        folder: Made if it is missing; receives the classifier's files and what `record` put beside them.
    """
    from mlflow.artifacts import download_artifacts

    with reaching_server(), tempfile.TemporaryDirectory() as temporary:
        source = f"{connect(registry_uri()).get_model_version_download_uri(MODEL, version)}/artifacts"
        found = Path(download_artifacts(artifact_uri=source, dst_path=temporary, tracking_uri=registry_uri()))
        shutil.copytree(found / "classifier", folder, dirs_exist_ok=True)
        for path in found.glob("*.json"):
            shutil.copy(path, folder)


def require_loadable(version: str) -> None:
    """Fetch a version and load it, before anything says that it is to be served.

    Raises:
        ConnectionError: The server can't be used.
        ValueError: There is no such version, or this version of the project can't load it.
    """
    require_version(version)
    with tempfile.TemporaryDirectory() as folder:
        download(version, Path(folder))
        try:
            Classifier.load(folder)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(
                f"{MODEL}, version {version}, can't be served, and nothing was changed: "
                f"{str(error).replace(f'{folder}/', '')}"
            ) from error


def record(
    run_id: str,
    classifier: Path,
    split_table: "pd.DataFrame",
    test_predictions: "pd.DataFrame",
    metrics: dict[str, Any],
) -> None:
    """Store the classifier with a run's artifacts, as a model that MLflow serves, unless it is registered already.

    Args:
        run_id: Id of the run here.
        classifier: Folder of the classifier.
        split_table: A row per image, with `path`, `pixel_sha256` and `split`: what the model has learnt from.
        test_predictions: A row per test image, with `path` and `probability_<class>`.
        metrics: What `metrics.json` holds: test figures of the classifier, and whether patients are known.
    """
    import mlflow
    from mlflow.utils import requirements_utils

    from chest_cancer.network.features import learnt_images
    from chest_cancer.record import registered_model

    if _is_registered((classifier / MANIFEST_FILE).read_bytes()):
        return
    # MLflow reads the files of every installed package for a map that serves those whose requirements it has to guess.
    vars(requirements_utils)["_MODULES_TO_PACKAGES"] = {}
    classes = json.loads((classifier / MANIFEST_FILE).read_text())["classes"]
    said = test_predictions[probability_columns(classes)].to_numpy().tolist()
    key_of = split_table.set_index("path")["pixel_sha256"]
    scores = dict(zip(key_of.loc[test_predictions["path"]], said, strict=True))
    with tempfile.TemporaryDirectory() as temporary:
        beside = {"training_images": sorted(learnt_images(split_table)), "test_scores": scores, "metrics": metrics}
        for name, content in beside.items():
            (Path(temporary) / f"{name}.json").write_text(json.dumps(content))
        package = Path(chest_cancer.__file__).parent
        code = Path(temporary) / package.name
        shutil.copytree(package, code, ignore=shutil.ignore_patterns("__pycache__", *_NOT_SERVED))
        # MLflow files it under the name of its folder.
        shutil.copytree(classifier, Path(temporary) / "classifier")
        mlflow.pyfunc.save_model(
            Path(temporary) / MODEL_FOLDER,
            python_model=registered_model.__file__,
            artifacts={"classifier": f"{temporary}/classifier"} | {name: f"{temporary}/{name}.json" for name in beside},
            code_paths=[str(code)],
            # Given, because inferring them would load the model once more, in a process of its own.
            pip_requirements=list(registered_model.REQUIREMENTS),
            signature=registered_model.signature(tuple(classes)),
            input_example=registered_model.example(),
        )
        connect(tracking_uri()).log_artifacts(run_id, str(Path(temporary) / MODEL_FOLDER), MODEL_FOLDER)


def _is_registered(manifest: bytes) -> bool:
    try:
        with reaching_server():
            return find_version(digest_of(manifest)) is not None
    except ConnectionError:  # it will be said when the record is sent
        return False
