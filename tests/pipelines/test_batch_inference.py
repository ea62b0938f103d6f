"""batch_inference: a row for every file, and a reason where there is no prediction."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from chest_cancer.network.classifier import NOT_SURE, Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.manifest import Limits
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.pipelines.batch_inference import create_pipeline
from chest_cancer.pipelines.batch_inference.nodes import describe_inference_source, predict_images
from chest_cancer.sources.image_folder import ImageFolder
from conftest import Pixels
from dicom_files import dicom
from manifests import manifest_of

CLASSES = ["adenocarcinoma", "normal"]


@pytest.fixture(scope="module")
def trained(vgg16_weights: Weights, random_head: Callable[..., Head]) -> Classifier:
    graph = classifier(vgg16_weights, random_head(9, 2)).SerializeToString()
    return Classifier(graph, manifest_of(classes=CLASSES))


def png(pixels: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_every_file_has_a_row(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    folder = image_folder(
        {
            "b.png": png(picture(1, 50, 60)),
            "a.png": png(picture(0, 40, 48)),
            "deep/er/c.png": png(picture(2, 33, 44)),
            "broken.png": b"not an image",
        }
    )
    folder = ImageFolder(folder.root, folder.source, refused=(("huge.png", "too large"),))

    table = predict_images(folder, trained)

    assert table.columns.tolist() == [
        "path", "label", "probability", "probability_adenocarcinoma", "probability_normal", "reason"
    ]  # fmt: skip
    table = table.set_index("path")
    assert sorted(table.index) == ["a.png", "b.png", "broken.png", "deep/er/c.png", "huge.png"]
    for path, pixels in {
        "a.png": picture(0, 40, 48),
        "b.png": picture(1, 50, 60),
        "deep/er/c.png": picture(2, 33, 44),
    }.items():
        (expected,) = trained.predict([pixels])
        assert table.loc[path, "label"] == expected.label
        assert table.loc[path, "probability"] == pytest.approx(expected.probability, abs=1e-5)
        assert table.loc[path, "probability_normal"] == pytest.approx(expected.probabilities["normal"], abs=1e-5)
        assert not isinstance(table.loc[path, "reason"], str)
    assert table.loc["huge.png", "reason"] == "too large"
    assert "DICOM" in table.loc["broken.png", "reason"]
    assert np.isnan(table.loc[["broken.png", "huge.png"], "probability"]).all()


def test_what_is_declined_has_a_reason_and_the_probabilities_but_no_label(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    limits = Limits(
        distance_limit=1e9, confidence_limit=1.1, validation_images=9, validation_refused=0.0, validation_unsure=0.0
    )
    never_sure = Classifier(trained.graph, trained.manifest.model_copy(update={"abstention": limits}))

    row = predict_images(image_folder({"a.png": png(picture(0, 40, 48))}), never_sure).iloc[0]

    assert row["reason"] == NOT_SURE
    assert row[["label", "probability"]].isna().all()
    assert row["probability_adenocarcinoma"] + row["probability_normal"] == pytest.approx(1)


def test_an_older_classifier_answers_what_is_decoded_as_it_was_then(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    older = Classifier(trained.graph, trained.manifest.model_copy(update={"preprocessing_version": 1}))

    table = predict_images(image_folder({"a.png": png(picture(0, 40, 48)), "b.dcm": dicom()}), older)

    assert table["path"].tolist() == ["a.png", "b.dcm"]
    assert table["label"].notna().tolist() == [True, False]
    assert "read in another way since this classifier was trained" in table["reason"][1]


def test_an_empty_folder_gives_an_empty_table(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder]
) -> None:
    folder = image_folder({"a.png": b""})
    (folder.root / "a.png").unlink()

    table = predict_images(folder, trained)

    assert table.empty
    assert "probability_normal" in table.columns


def test_a_source_that_is_none_is_refused_under_its_own_name() -> None:
    with pytest.raises(ValueError, match=r"`batch_inference\.source`.*Received: '/no/such/folder'"):
        describe_inference_source(BatchInferenceParameters(source="/no/such/folder"), bytes(32))


def test_the_pipeline_goes_from_a_source_and_the_classifier_to_predictions() -> None:
    pipeline = create_pipeline()

    assert pipeline.inputs() == {"params:batch_inference", "patient_key", "classifier"}
    assert "predictions" in pipeline.all_outputs()
