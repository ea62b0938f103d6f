import io
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from app import create_app
from chest_cancer.classifier import Classifier
from chest_cancer.datasets.classifier import ClassifierDataset
from conftest import PROJECT

# The contract of the real graph without its 58 MB: the brighter the image, the more it is "adenocarcinoma".
_GRAPH = """
tiny (uint8[N, 224, 224, 3] image) => (float[N, 2] probabilities, float[N, 3] embedding, float[N, 2, 7, 7] evidence) {
  pixels = Cast <to = 1> (image)
  channels_first = Transpose <perm = [0, 3, 1, 2]> (pixels)
  scaled = Div (channels_first, full)
  cells = AveragePool <kernel_shape = [32, 32], strides = [32, 32]> (scaled)
  embedding = ReduceMean <keepdims = 0> (scaled, spatial)
  score = Gemm (embedding, kernel, bias)
  probabilities = Softmax <axis = 1> (score)
  evidence = Conv (cells, filters)
}
"""
_KERNEL = np.array([[4 / 3, 0]] * 3, dtype=np.float32)


def _tiny_classifier() -> Classifier:
    graph = onnx.parser.parse_graph(_GRAPH)
    constants = {
        "full": np.array(255, dtype=np.float32),
        "spatial": np.array([2, 3], dtype=np.int64),
        "kernel": _KERNEL,
        "bias": np.array([-2, 0], dtype=np.float32),
        "filters": np.ascontiguousarray(_KERNEL.T.reshape(2, 3, 1, 1)),
    }
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    return Classifier(model.SerializeToString(), _manifest())


def _manifest() -> dict[str, Any]:
    return {
        "format_version": 1,
        "classes": ["adenocarcinoma", "normal"],
        "normal_class": "normal",
        "head": "linear",
        "operating_point": {"threshold": 0.42, "target_sensitivity": 0.95},
        "precision": "fp32",
        "splits": {"test": 48, "train": 144, "validation": 48},
        "data": {"location": "phantom", "kind": "phantom", "synthetic": True, "digest": "38169b7d" * 8, "images": 240},
        "provenance": {
            "created": "2026-11-23T06:33:34+00:00",
            "code_version": "1.2.3",
            "git_commit": "0123456789abcdef",
            "git_clean": True,
            "mlflow_run_id": "5fa5a1e684634dff",
        },
    }


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder after a run: the real catalog, a tiny classifier, figures. Not to be changed by tests."""
    project = tmp_path_factory.mktemp("project")
    (project / "conf" / "local").mkdir(parents=True)
    shutil.copytree(PROJECT / "conf" / "base", project / "conf" / "base")
    ClassifierDataset(filepath=str(project / "data/06_models/classifier")).save(_tiny_classifier())
    figures = {
        "loss": {"value": 0.682, "low": 0.643, "high": 0.718, "n": 48},
        "sensitivity": {"value": 0.917, "low": 0.742, "high": 0.977, "n": 24},
    }
    (project / "data/08_reporting").mkdir()
    (project / "data/08_reporting/metrics.json").write_text(json.dumps(figures))
    return project


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained project that a test may change."""
    return Path(shutil.copytree(trained_project, tmp_path / "project"))


@pytest.fixture
def make_app() -> Callable[..., Flask]:
    """Makes the app of a project, with settings."""

    def make(project: Path, **settings: Any) -> Flask:
        return create_app({"PROJECT": str(project), "ENV": "local", "TESTING": True, **settings})

    return make


@pytest.fixture(scope="session")
def client(trained_project: Path) -> FlaskClient:
    return create_app({"PROJECT": str(trained_project), "ENV": "local", "TESTING": True}).test_client()


@pytest.fixture(scope="session")
def tumour_probability() -> Callable[[float], float]:
    """What the tiny classifier says of a flat image of a brightness 0..255."""
    return lambda brightness: 1 / (1 + math.exp(2 - 4 * brightness / 255))


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Encodes pixels, or a flat image of one brightness, as a file."""

    def encode(pixels: NDArray[np.uint8] | int, file_format: str = "PNG") -> bytes:
        file = io.BytesIO()
        flat = np.full((64, 64, 3), pixels, np.uint8) if isinstance(pixels, int) else pixels
        Image.fromarray(flat).save(file, file_format)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def noise_png(encode: Callable[..., bytes]) -> bytes:
    """A PNG of more than 500 kB, from where on Werkzeug writes uploads to disk if it is let."""
    data = encode(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    assert len(data) > 500_000
    return data
