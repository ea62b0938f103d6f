"""The precision that features are computed in by default costs no accuracy."""

import numpy as np
import pytest

from chest_cancer.graph import frozen_base
from chest_cancer.imaging.decoding import grey_to_rgb
from chest_cancer.imaging.phantoms import generate_phantoms
from chest_cancer.imaging.standardise import standardise
from chest_cancer.parameters import FeatureExtractionParameters, ModelTrainingParameters
from chest_cancer.pipelines.model_training.selection import compare_heads
from chest_cancer.runtime import Network, resolve_precision
from chest_cancer.vgg16 import Weights

DEFAULT = FeatureExtractionParameters()


@pytest.mark.skipif(resolve_precision(DEFAULT.precision) == "fp32", reason="this processor has nothing below fp32")
def test_the_default_precision_is_no_worse_than_fp32_on_groups_that_were_not_trained_on(
    imagenet_weights: Weights,
) -> None:
    phantoms = list(generate_phantoms(["adenocarcinoma", "normal"], 40, seed=3))
    pixels = np.stack([standardise(grey_to_rgb(phantom.image), DEFAULT.standardisation) for phantom in phantoms])
    numbers = np.array([phantom.label == "normal" for phantom in phantoms], dtype=np.int64)
    groups = np.arange(len(phantoms))
    graph = frozen_base(imagenet_weights, None).SerializeToString()

    accuracy = {
        precision: compare_heads(
            Network(graph, precision)(pixels)["embedding"], numbers, groups, ModelTrainingParameters(), seed=3
        )["accuracy"]
        for precision in ("fp32", DEFAULT.precision)
    }

    assert max(accuracy["fp32"].values()) > 0.6  # there is something to lose
    for head, exact in accuracy["fp32"].items():
        assert accuracy[DEFAULT.precision][head] >= exact
