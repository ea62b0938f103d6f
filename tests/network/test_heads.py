"""Heads: one class each, known by the names that parameters allow."""

import subprocess
import sys
from typing import get_args

from chest_cancer.network.heads.registry import HEADS
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.parameters.values import HeadName, PooledHeadName


def test_parameters_allow_the_heads_that_there_are() -> None:
    assert get_args(HeadName) == tuple(HEADS)
    assert get_args(PooledHeadName) == tuple(name for name, head in HEADS.items() if head.reads is None)
    asked = [ModelTrainingParameters(head=name).head for name in HEADS]
    assert asked == list(HEADS)


def test_importing_the_heads_loads_no_training_library() -> None:
    forbidden = ["keras", "onnx", "sklearn", "tensorflow"]
    code = f"import sys, chest_cancer.network.heads.registry; print([n for n in {forbidden} if n in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
