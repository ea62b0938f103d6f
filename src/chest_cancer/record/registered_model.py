"""The classifier as MLflow serves it. MLflow runs this file when it loads the model."""

from io import BytesIO
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import DecodedImage
from chest_cancer.network.classifier import Classifier, Prediction, self_test_image
from chest_cancer.network.manifest import Manifest
from chest_cancer.network.predictions import probability_columns
from chest_cancer.network.studies import reason_for

REQUIREMENTS = ("numpy", "openvino", "pandas", "pillow", "pydantic", "pydicom")


class RegisteredClassifier(PythonModel):
    """Encoded images in, a class and its probabilities out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the classifier from the model's artifacts."""
        self._classifier = Classifier.load(context.artifacts["classifier"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify images.

        Args:
            context: Not used.
            model_input: A column `image` with encoded images (PNG, JPEG, DICOM …).
            params: Not used.

        Returns:
            A row per image, which says what the web app says: the answer's `label`, None where there is none;
            `abstained`, whether there is none, and the `reason` for that, None where there is one; a `warning`
            where the answer's probability says nothing, else None; and a `probability_<class>` for each class, 0..1,
            missing for a CT slice without lung.
        """
        images = [decode_image(data) for data in model_input["image"]]
        predictions = self._classifier.predict([self._classifier.pixels_of(image) for image in images])
        # As objects: as text or numbers, what is missing would be NaN, which is no JSON.
        return pd.DataFrame(
            [_row(*pair, self._classifier.manifest) for pair in zip(images, predictions, strict=True)], dtype=object
        )


def _row(image: DecodedImage, prediction: Prediction, manifest: Manifest) -> dict[str, Any]:
    reason = reason_for(image, prediction, manifest)
    columns = probability_columns(prediction.probabilities)
    stated = dict(zip(columns, prediction.probabilities.values(), strict=True)) if reason != NO_LUNG else {}
    return {
        "label": prediction.leaning if reason is None else None,
        "abstained": reason is not None,
        "reason": reason,
        "warning": prediction.warning if reason is None else None,
        **dict.fromkeys(columns),
        **stated,
    }


def signature(classes: tuple[str, ...]) -> ModelSignature:
    """Describe the columns of requests and answers.

    Args:
        classes: Class names of the classifier.

    Returns:
        The signature that MLflow checks requests against.
    """
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "label", required=False),
        ColSpec(DataType.boolean, "abstained"),
        ColSpec(DataType.string, "reason", required=False),
        ColSpec(DataType.string, "warning", required=False),
        *(ColSpec(DataType.double, name, required=False) for name in probability_columns(classes)),
    ]
    return ModelSignature(inputs=Schema([ColSpec(DataType.binary, "image")]), outputs=Schema(outputs))


def example() -> pd.DataFrame:
    """Make an example of a request: a small PNG file, not of a chest."""
    buffer = BytesIO()
    Image.fromarray(self_test_image()).save(buffer, format="PNG")
    return pd.DataFrame({"image": [buffer.getvalue()]})


mlflow.models.set_model(RegisteredClassifier())
