"""Heads: one class each, known by the names that parameters allow."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from chest_cancer.network.heads.kernel import KernelHead
from chest_cancer.network.heads.registry import HEADS, quick_head
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.parameters.values import HeadName
from manifests import manifest_of


def test_parameters_allow_the_heads_that_there_are() -> None:
    assert get_args(HeadName) == tuple(HEADS)
    asked = [ModelTrainingParameters(head=name).head for name in HEADS]
    assert asked == list(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_every_head_has_a_quick_one_that_learns_from_embeddings(name: str) -> None:
    generator = np.random.default_rng(0)
    numbers = np.arange(40) % 2
    embeddings = generator.standard_normal((40, 1024)) + numbers[:, None]

    model = quick_head(manifest_of(head=name, kernel={"width": 1.0, "landmarks": 30}), seed=0)

    assert (model.fit(embeddings, numbers).predict(embeddings) == numbers).mean() > 0.9


def test_a_quick_kernel_head_asks_for_its_kernel() -> None:
    with pytest.raises(ValueError, match=r"`kernel`: expected width and landmarks of a kernel head\. Received: None"):
        KernelHead.quick(None, 0)


def test_importing_the_heads_loads_no_training_library() -> None:
    forbidden = ["keras", "onnx", "sklearn", "tensorflow"]
    code = f"import sys, chest_cancer.network.heads.registry; print([n for n in {forbidden} if n in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
