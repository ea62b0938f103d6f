"""The trained artefact: loading, order, precision, and what its import drags in."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.pixels import DecodedImage, UnreadableImageError
from chest_cancer.imaging.standardise import standardise
from chest_cancer.imaging.windows import see
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import StandardisationParameters
from conftest import Pixels
from dicom_files import dicom
from manifests import manifest_of

CLASSES = ["adenocarcinoma", "großzellig", "normal"]
MANIFEST = manifest_of(classes=CLASSES, precision="fp32")


@pytest.fixture(scope="module")
def graph(narrow_weights: Weights, random_head: Callable[..., Head]) -> bytes:
    return classifier(narrow_weights, random_head(3)).SerializeToString()


@pytest.fixture(scope="module")
def folder(graph: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    Classifier(graph, MANIFEST).save(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Classifier:
    return Classifier.load(folder)


def test_loaded_classifier_knows_its_classes_and_precision(loaded: Classifier) -> None:
    assert loaded.classes == tuple(CLASSES)
    assert loaded.precision == "fp32"
    assert loaded.manifest == MANIFEST


def test_missing_folder_is_reported_with_the_way_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"No classifier in .*nowhere: expected classifier\.onnx\. Make one with"
    ):
        Classifier.load(tmp_path / "nowhere")


def test_folder_without_manifest_is_reported(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "classifier.onnx").write_bytes(b"")

    with pytest.raises(FileNotFoundError, match=r"expected manifest\.json"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "changed"), [("classifier.onnx", b"another graph"), ("manifest.json", b'{"format_version": 1}')]
)
def test_a_tampered_file_is_refused_by_name_with_both_digests(tmp_path: Path, name: str, changed: bytes) -> None:
    Classifier(b"a graph", MANIFEST).save(tmp_path)
    before = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    (tmp_path / name).write_bytes(changed)
    after = hashlib.sha256(changed).hexdigest()

    with pytest.raises(
        ValueError, match=rf"{name} is not the file .*: expected SHA-256 {before}\. Received: {after}\. Restore the"
    ):
        Classifier.load(tmp_path)


def test_digests_are_in_the_form_that_sha256sum_checks(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)


def test_a_server_predicts_without_the_graph_that_was_compiled(folder: Path) -> None:
    classifier, image = Classifier.load(folder, "fp32"), np.zeros((30, 40, 3), dtype=np.uint8)
    (before,) = classifier.predict([image])

    classifier.release_graph()

    (after,) = classifier.predict([image])
    assert after.probabilities == before.probabilities
    assert classifier.graph == b""


def test_a_file_without_a_digest_is_refused(tmp_path: Path) -> None:
    Classifier(b"a graph", MANIFEST).save(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("")

    with pytest.raises(ValueError, match=r"manifest\.json is not the file .*: expected SHA-256 none"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("version", [0, 3])
def test_manifest_of_unknown_pixels_is_refused_before_the_graph_is_read(version: int) -> None:
    with pytest.raises(
        ValueError,
        match=rf"expected preprocessing_version 1 to 2\. Received: {version}\. Train the model again .*, or serve it",
    ):
        Classifier(b"no graph", manifest_of(preprocessing_version=version))


def test_an_older_classifier_reads_what_is_decoded_as_it_was_then(picture: Callable[..., Pixels]) -> None:
    older, today = (Classifier(b"no graph", manifest_of(preprocessing_version=version)) for version in (1, 2))
    png, ct = DecodedImage(picture(1, 60, 90), "PNG", "L", 90, 60, "8 bits"), decode_image(dicom())

    assert older.pixels_of(png) is png.pixels
    assert today.pixels_of(ct) is ct.pixels
    with pytest.raises(UnreadableImageError, match=r"DICOM image in grey of more than 8 bits, .* train the model"):
        older.pixels_of(ct)


def test_hounsfield_units_are_seen_through_the_window_that_it_was_trained_with() -> None:
    ct = decode_image(dicom())
    for window in ("mediastinum", "three", (-100.0, 900.0)):
        classifier = Classifier(b"no graph", manifest_of(standardisation={"window": window}))
        np.testing.assert_array_equal(classifier.pixels_of(ct), see(ct, classifier.standardisation.window))


def test_a_missing_package_is_told_when_the_classifier_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chest_cancer.imaging.standardise.find_spec", lambda name: None)

    with pytest.raises(ValueError, match="Install scikit-image"):
        Classifier(b"no graph", manifest_of(standardisation={"brightness": "clahe", "crop": "none"}))


def test_images_go_through_what_the_training_images_went_through(graph: bytes, picture: Callable[..., Pixels]) -> None:
    chosen = StandardisationParameters(brightness="equalise", crop="body")
    standardising = Classifier(graph, manifest_of(classes=CLASSES, standardisation=chosen))
    pixels = picture(1, 60, 90)

    ((plain,), (prepared,)) = (
        standardising.predict([pixels]),
        standardising.predict_standardised([standardise(pixels, chosen).pixels]),
    )

    np.testing.assert_array_equal(plain.embedding, prepared.embedding)
    (unprepared,) = Classifier(graph, MANIFEST).predict([pixels])
    assert not np.allclose(plain.embedding, unprepared.embedding, rtol=1e-2)


def test_predictions_keep_the_order_of_the_images_over_several_batches(
    loaded: Classifier, picture: Callable[..., Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded, "batch", 2)
    images = [picture(number, height=60 + 10 * number, width=90) for number in range(3)]

    together = loaded.predict(images)

    singly = [loaded.predict([image])[0] for image in images]
    assert len({prediction.probability for prediction in singly}) == 3
    for one, other in zip(together, singly, strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, rtol=1e-4)
        np.testing.assert_allclose([*one.probabilities.values()], [*other.probabilities.values()], atol=1e-5)


def test_a_prediction_names_the_most_probable_class(loaded: Classifier, picture: Callable[..., Pixels]) -> None:
    (prediction,) = loaded.predict([picture(2)])

    assert list(prediction.probabilities) == CLASSES
    assert prediction.probability == max(prediction.probabilities.values())
    assert prediction.probabilities[prediction.label] == prediction.probability
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert prediction.embedding.shape == (1024,)
    assert prediction.evidence.shape == (3, 7, 7)


def test_a_prediction_is_answered_by_the_rule_of_the_manifest(graph: bytes, picture: Callable[..., Pixels]) -> None:
    (plain,) = Classifier(graph, MANIFEST).predict([picture(2)])
    disease = 1 - plain.probabilities["normal"]

    def answer(threshold: float) -> str | None:
        point = {"threshold": threshold, "target_sensitivity": 0.95}
        manifest = manifest_of(classes=CLASSES, answer_rule="operating threshold", operating_point=point)
        return Classifier(graph, manifest).predict([picture(2)])[0].label

    assert answer(disease + 1e-3) == "normal"
    assert answer(disease - 1e-3) == max(CLASSES[:2], key=plain.probabilities.__getitem__)


def test_no_images_give_no_predictions(loaded: Classifier) -> None:
    assert loaded.predict([]) == []


@pytest.mark.parametrize(("trained_in", "asked", "expected"), [("bf16", None, "fp32"), ("bf16", "fp32", "fp32")])
def test_classifier_runs_where_the_processor_lacks_the_precision_of_training(
    graph: bytes, monkeypatch: pytest.MonkeyPatch, trained_in: str, asked: str | None, expected: str
) -> None:
    monkeypatch.setattr("openvino.Core.get_property", lambda self, device, name: ["FP32"])

    assert Classifier(graph, manifest_of(classes=CLASSES, precision=trained_in), asked).precision == expected


def test_importing_the_classifier_loads_no_training_library() -> None:
    forbidden = ["keras", "kedro", "kedro_mlflow", "mlflow", "onnx", "onnxruntime", "pandas", "sklearn", "tensorflow"]
    code = f"import sys, chest_cancer.network.classifier; print([name for name in {forbidden} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
