"""Nodes of batch_inference."""

import pandas as pd
from tqdm import tqdm

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource


def describe_inference_source(parameters: BatchInferenceParameters, patient_key: bytes) -> ImageSource:
    """Name the images to predict; the catalog fetches them.

    Args:
        parameters: The block `batch_inference`.
        patient_key: Of this project, for what stands in copied files in the place of identifiers.

    Returns:
        The source, for the catalog to bring here.

    Raises:
        ValueError: `batch_inference.source` is nothing that images can be taken from.
    """
    return ImageSource(location=parameters.source, parameter="batch_inference.source", key=patient_key)


def predict_images(images: ImageFolder, classifier: Classifier) -> pd.DataFrame:
    """Predict every image of a folder; what can't be read gets a row with the reason.

    Args:
        images: The source's files.
        classifier: The trained classifier.

    Returns:
        A row per file: `path`; the answer's `label` and `probability`, empty where there is none, and then a `reason`;
        and a `probability_<class>` of each class, empty where the file can't be read.
    """
    by_class = probability_columns(classifier.classes)
    rows: list[dict[str, str | float | None]] = [{"path": path, "reason": reason} for path, reason in images.refused]
    for path in tqdm(images.paths, desc="Predicting", unit="image", mininterval=0.5):
        try:
            prediction = classifier.predict([classifier.pixels_of(decode_image(images.read(path)))])[0]
        except UnreadableImageError as error:
            rows.append({"path": path, "reason": str(error)})
            continue
        probabilities = dict(zip(by_class, prediction.probabilities.values(), strict=True))
        answer = {name: getattr(prediction, name) for name in ("label", "probability", "reason")}
        rows.append({"path": path, **answer, **probabilities})
    columns = ["path", "label", "probability", *by_class, "reason"]
    return pd.DataFrame(rows, columns=columns)
