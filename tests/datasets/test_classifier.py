"""The classifier as a catalog entry: replaced as a whole, loaded with errors that say what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import Weights
from manifests import manifest_of

FILES = ["SHA256SUMS", "classifier.onnx", "manifest.json"]
MANIFEST = manifest_of(classes=["größer", "normal"], head_reason="first")
SECOND = manifest_of(classes=["größer", "normal"], head_reason="second")


@pytest.fixture(scope="module")
def graph(narrow_weights: Weights, random_head: Callable[..., Head]) -> bytes:
    return classifier(narrow_weights, random_head(6, 2)).SerializeToString()


@pytest.fixture(scope="module")
def trained(graph: bytes) -> Classifier:
    return Classifier(graph, MANIFEST)


@pytest.fixture
def dataset(tmp_path: Path) -> ClassifierDataset:
    return ClassifierDataset(filepath=str(tmp_path / "models" / "classifier"))


def read(dataset: ClassifierDataset) -> Classifier:
    """Load what is on the disk: the dataset that saved keeps what it saved."""
    return ClassifierDataset(filepath=str(dataset.folder)).load()


def test_a_classifier_comes_back_with_its_manifest(dataset: ClassifierDataset, trained: Classifier) -> None:
    assert not dataset.exists()

    dataset.save(trained)

    loaded = read(dataset)
    assert loaded.graph == trained.graph
    assert loaded.manifest == MANIFEST
    assert dataset.exists()
    assert sorted(path.name for path in dataset.folder.iterdir()) == FILES
    assert "größer" in (dataset.folder / "manifest.json").read_text(encoding="utf-8")


def test_a_save_that_fails_leaves_the_classifier_of_before(
    dataset: ClassifierDataset, trained: Classifier, graph: bytes
) -> None:
    dataset.save(trained)
    broken = Classifier(graph, SECOND)
    broken.manifest = SECOND.model_copy(update={"head_reason": object()})

    with pytest.raises(DatasetError, match="head_reason"):
        dataset.save(broken)

    assert read(dataset).manifest == MANIFEST
    assert [path.name for path in dataset.folder.parent.iterdir() if path.is_dir()] == ["classifier"]


def test_a_second_save_replaces_graph_and_manifest_together(
    dataset: ClassifierDataset, trained: Classifier, graph: bytes
) -> None:
    dataset.save(trained)
    (dataset.folder / "left_over.txt").touch()

    dataset.save(Classifier(graph, SECOND))

    assert read(dataset).manifest.head_reason == "second"
    assert sorted(path.name for path in dataset.folder.iterdir()) == FILES


def test_a_missing_classifier_is_reported_with_the_way_to_make_one(dataset: ClassifierDataset) -> None:
    with pytest.raises(DatasetError, match=r"No classifier in .*models/classifier.*Make one with `kedro run`"):
        dataset.load()


def test_a_manifest_of_another_version_is_a_dataset_error(dataset: ClassifierDataset, graph: bytes) -> None:
    trained = Classifier(graph, MANIFEST)
    trained.manifest = MANIFEST.model_copy(update={"format_version": 99})
    dataset.folder.mkdir(parents=True)
    trained.save(dataset.folder)

    with pytest.raises(DatasetError, match=r"expected format_version 1\. Received: 99"):
        dataset.load()


def test_the_catalog_chooses_the_precision(tmp_path: Path, trained: Classifier) -> None:
    dataset = ClassifierDataset(filepath=str(tmp_path / "classifier"), precision="int3")
    dataset.save(trained)

    with pytest.raises(DatasetError, match=r"expected auto, bf16 or fp32\. Received: int3"):
        dataset.load()


def test_a_classifier_is_loaded_again_only_when_another_process_has_replaced_it(
    dataset: ClassifierDataset, trained: Classifier, graph: bytes
) -> None:
    dataset.save(trained)
    assert dataset.load() is trained

    ClassifierDataset(filepath=str(dataset.folder)).save(Classifier(graph, SECOND))

    loaded = dataset.load()
    assert loaded.manifest.head_reason == "second"
    assert dataset.load() is loaded


def test_a_file_that_was_copied_over_alone_is_noticed(dataset: ClassifierDataset, trained: Classifier) -> None:
    dataset.save(trained)
    (dataset.folder / "classifier.onnx").write_bytes(b"another")

    with pytest.raises(DatasetError, match=r"classifier\.onnx"):
        dataset.load()
