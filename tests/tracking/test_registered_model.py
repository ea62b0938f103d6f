"""What MLflow's model says, without its server: the same as the web app."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from chest_cancer.record.registered_model import RegisteredClassifier
from dicom_files import dicom
from serving import tiny_classifier, with_changes
from volume_files import phantom


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_an_image_without_an_answer_has_no_label_and_says_why(tmp_path) -> None:
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    abdomen = np.where((rows / 0.6) ** 2 + (columns / 0.8) ** 2 < 1, 40, -1000).astype(np.int16)
    images = [png(255), png(135), dicom(phantom(3)), dicom(abdomen)]

    def said(distance_limit: float, **manifest: bool) -> list[dict]:
        limits = {"distance_limit": distance_limit, "confidence_limit": 0.65, "validation_images": 48}
        shares = {"validation_refused": 0.0, "validation_unsure": 0.0}
        with_changes(tiny_classifier(), abstention=limits | shares, **manifest).save(tmp_path)
        model = RegisteredClassifier()
        model.load_context(SimpleNamespace(artifacts={"classifier": str(tmp_path)}))
        return model.predict(None, pd.DataFrame({"image": images})).to_dict(orient="records")

    answered, unsure, _, without = said(1.3)
    assert (answered["label"], answered["abstained"], answered["reason"]) == ("adenocarcinoma", False, None)
    assert (unsure["label"], unsure["abstained"], unsure["reason"]) == (None, True, "not sure")
    assert (without["label"], without["reason"]) == (None, "no lung in this slice")
    assert (without["probability_normal"], unsure["probability_normal"] > 0) == (None, True)
    refused = said(-1.0)
    assert [row["reason"] for row in refused] == [
        "not a chest CT slice",
        "not a chest CT slice",
        "unlike the training images",
        "no lung in this slice",
    ]
    assert "NaN" not in json.dumps(refused)
    of_all_slices = said(1.3, slices_without_lung=True)[3]
    assert of_all_slices["reason"] != "no lung in this slice"
    assert of_all_slices["probability_normal"] > 0
