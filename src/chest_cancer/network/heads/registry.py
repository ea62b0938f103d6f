"""All heads, by the names that `model_training.head` knows them by."""

from typing import TYPE_CHECKING

from chest_cancer.network.heads.dense import DenseHead, LinearHead
from chest_cancer.network.heads.head import Head
from chest_cancer.network.heads.kernel import KernelHead
from chest_cancer.network.manifest import Manifest

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

HEADS: dict[str, type[Head]] = {
    "linear": LinearHead,
    "dense": DenseHead,
    "kernel": KernelHead,
}


def quick_head(manifest: Manifest, seed: int) -> "ClassifierMixin":
    """Build what stands in for a classifier's head where one is fitted many times.

    Args:
        manifest: The classifier's manifest.
        seed: Random seed for the fit.
    """
    return HEADS[manifest.head].quick(manifest.kernel, seed)
