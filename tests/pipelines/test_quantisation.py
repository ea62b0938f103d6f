"""int8: made from training images, kept where validation images allow it, saved and loaded again."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.network import graph
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.heads.dense import LinearHead
from chest_cancer.network.vgg16 import LAYERS
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.pipelines.model_training.quantisation import quantise, quantise_classifier
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from manifests import manifest_of

MANIFEST = manifest_of(classes=["bright", "dark"])
ASKED = ModelTrainingParameters(int8={"enabled": True, "calibration_images": 6})


def classifier(red: float, threshold: float) -> Classifier:
    """Tells dark from bright by the green plane; the red one, times `red`, widens the range that is rounded."""
    body = """classifier (uint8[N, 224, 224, 3] image)
        => (float[N, 2] probabilities, float[N, 2] embedding, float[N, 2, 7, 7] evidence) {
        rgb = Cast <to = 1> (image)
        planes = Transpose <perm = [0, 3, 1, 2]> (rgb)
        small = MaxPool <kernel_shape = [32, 32], strides = [32, 32]> (planes)
        first = Conv (small, kernel_1)
        positive = Relu (first)
        evidence = Conv (positive, kernel_2, bias_2)
        embedding = ReduceMean <keepdims = 0> (evidence, spatial)
        probabilities = Softmax <axis = 1> (embedding)
    }"""
    graph = onnx.parser.parse_graph(body)
    constants: dict[str, NDArray[Any]] = {
        "kernel_1": np.array([[red, 0, 0], [0, 1, 0]], np.float32).reshape(2, 3, 1, 1),
        "kernel_2": np.array([[0, 1], [0, -1]], np.float32).reshape(2, 2, 1, 1),
        "bias_2": np.array([-threshold, threshold], np.float32),
        "spatial": np.array([2, 3]),
    }
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    return Classifier(model.SerializeToString(), MANIFEST)


@pytest.fixture
def images(tmp_path: Path) -> tuple[ImageFolder, pd.DataFrame]:
    rows = []
    for number in range(12):
        green, label = (96, "dark") if number % 2 else (104, "bright")
        pixels = np.zeros((224, 224, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = 200 + number, green
        pixels[:64, :, 1] = 200
        path = f"{label}/{number}.png"
        (tmp_path / "images" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / path)
        rows.append(
            {"path": path, "label": label, "split": "train" if number < 6 else "validation", "group": number // 2}
        )
    record = SourceRecord(kind="folder", location="", sha256=None, synthetic=False, fingerprint="", files=12, bytes=0)
    return ImageFolder(tmp_path / "images", record), pd.DataFrame(rows)


def test_int8_is_kept_saved_and_served_where_it_is_no_worse(images, tmp_path: Path) -> None:
    quantised = quantise_classifier(classifier(red=0.1, threshold=128.5), *images, ASKED, seed=0)

    dataset = ClassifierDataset(filepath=str(tmp_path / "classifier"))
    dataset.save(quantised)
    served = ClassifierDataset(filepath=str(tmp_path / "classifier")).load()
    assert served.precision == "int8"
    assert served.self_test() == pytest.approx(0, abs=1e-6)
    decision = served.manifest.int8
    assert decision.kept
    assert [(each.precision, each.accuracy) for each in decision.compared] == [("fp32", 1.0), ("int8", 1.0)]
    assert decision.calibration_images == 6
    exact = ClassifierDataset(filepath=str(tmp_path / "classifier"), precision="fp32").load()
    assert exact.precision == "fp32"


def test_int8_is_refused_with_the_reason_where_it_is_worse(images) -> None:
    original = classifier(red=100.0, threshold=128.5)

    refused = quantise_classifier(original, *images, ASKED, seed=0)

    assert refused.quantised is None
    assert refused.precision == "fp32"
    assert refused.graph == original.graph
    decision = refused.manifest.int8
    assert not decision.kept
    assert decision.reason == "accuracy on 6 validation images, 3 groups: int8 0.500, fp32 1.000"


def test_int8_keeps_the_evidence_of_a_real_graph() -> None:
    generator = np.random.default_rng(0)
    weights, channels = {}, 3
    for layer in LAYERS:  # VGG16 in all but the number of filters
        filters = 512 if layer == LAYERS[-1] else 8
        kernel = generator.standard_normal((3, 3, channels, filters), dtype=np.float32)
        weights |= {f"{layer}/kernel": kernel * np.sqrt(2 / (9 * channels), dtype=np.float32)}
        weights |= {f"{layer}/bias": np.zeros(filters, np.float32)}
        channels = filters
    layer = generator.standard_normal((1024, 2)).astype(np.float32) / 100, np.zeros(2, np.float32)
    head = LinearHead((layer,), np.zeros(1024, np.float32), 1.0)
    pixels = [
        np.asarray(Image.fromarray(generator.integers(0, 256, (14, 14, 3), dtype=np.uint8)).resize((224, 224)))
        for _ in range(6)
    ]
    exact = Classifier(graph.classifier(weights, head).SerializeToString(), MANIFEST)

    rounded = Classifier(exact.graph, MANIFEST, quantised=quantise(exact.graph, iter(pixels), len(pixels)))

    for one, other in zip(rounded.predict(pixels), exact.predict(pixels), strict=True):
        assert np.corrcoef(one.evidence.ravel(), other.evidence.ravel())[0, 1] > 0.75


def test_without_being_asked_for_nothing_is_done(images) -> None:
    original = classifier(red=1.0, threshold=128.5)

    assert quantise_classifier(original, *images, ModelTrainingParameters(), seed=0) is original
