"""An ONNX graph in one file."""

from pathlib import Path

import onnx
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets.onnx_model import OnnxModelDataset


@pytest.fixture
def dataset(tmp_path: Path) -> OnnxModelDataset:
    return OnnxModelDataset(filepath=str(tmp_path / "models" / "graph.onnx"))


def test_a_graph_comes_back_as_it_was(dataset: OnnxModelDataset) -> None:
    graph = onnx.parser.parse_graph("small (float[N] x) => (float[N] y) { y = Relu (x) }")
    model = onnx.helper.make_model(graph)

    dataset.save(model)

    assert dataset.load() == model
    assert dataset.exists()
    assert "graph.onnx" in str(dataset)


def test_a_missing_graph_is_a_dataset_error(dataset: OnnxModelDataset) -> None:
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="No such file"):
        dataset.load()
