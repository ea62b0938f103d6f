"""All heads, by the names that `model_training.head` knows them by."""

from chest_cancer.network.heads.cells import CellsHead
from chest_cancer.network.heads.dense import DenseHead, LinearHead
from chest_cancer.network.heads.head import Head
from chest_cancer.network.heads.kernel import KernelHead

HEADS: dict[str, type[Head]] = {
    "linear": LinearHead,
    "dense": DenseHead,
    "kernel": KernelHead,
    "cells": CellsHead,
}
