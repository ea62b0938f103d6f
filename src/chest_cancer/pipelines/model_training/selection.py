"""Which head to train, by grouped cross-validation on training images."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from chest_cancer.network.heads.logistic import quick_kernel_head, quick_linear_head
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.statistics.cross_validation import FEWEST_GROUPS, draw_folds, fewest_groups
from chest_cancer.statistics.intervals import clustered_variance


class HeadChoice(TypedDict):
    """Which head, and why.

    Attributes:
        head: Its name in `HEADS`.
        reason: The reason, in a sentence.
        accuracy: Accuracy of each head that was compared, out of fold, 0..1; empty without a comparison.
    """

    head: str
    reason: str
    accuracy: dict[str, float]


def compare_heads(
    embeddings: NDArray[np.float32],
    numbers: NDArray[np.int64],
    groups: NDArray[np.int64],
    parameters: ModelTrainingParameters,
    seed: int,
) -> HeadChoice:
    """Choose between the linear and the kernel head.

    The linear one stays unless the kernel's accuracy is more than one standard error of their difference above it, the
    rule of Breiman et al. (1984, Classification and regression trees): it is the simpler one. Images of a group are not
    independent, so the error is that of sums over groups.

    Args:
        embeddings: Embeddings of training images, [n, 1024].
        numbers: Class numbers, [n].
        groups: Group of each image, [n].
        parameters: The block `model_training`.
        seed: Random seed for folds and landmarks.

    Returns:
        The choice; the linear head where a class has fewer than two groups.
    """
    if fewest_groups(numbers, groups) < FEWEST_GROUPS:
        return {"head": "linear", "reason": "a class has fewer than two groups: nothing to compare on", "accuracy": {}}
    (folds,) = draw_folds(numbers, groups, seed, repeats=1)
    kernel = parameters.kernel
    heads = {"linear": quick_linear_head(), "kernel": quick_kernel_head(kernel.width, kernel.landmarks, seed)}
    with threadpool_limits(1, user_api="blas"):
        right = {
            name: cross_val_predict(head, embeddings, numbers, cv=folds) == numbers for name, head in heads.items()
        }
    gains = right["kernel"].astype(np.float64) - right["linear"]
    gain = float(gains.mean())
    error = clustered_variance((gains - gain) / len(gains), groups) ** 0.5
    chosen = "kernel" if gain > error else "linear"
    return {
        "head": chosen,
        "reason": (
            f"the kernel adds {gain:+.3f} (standard error {error:.3f}) to the linear head's accuracy of "
            f"{right['linear'].mean():.3f}, by grouped cross-validation on {len(gains)} training images"
        ),
        "accuracy": {name: float(hits.mean()) for name, hits in right.items()},
    }
