"""What stands in for the Keras heads in cross-validation: scikit-learn's, fitted in milliseconds."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chest_cancer.network.embedding import SIZE

PENALTY = 0.1
"""scikit-learn's C, in the place of the Keras heads' L2 penalty and early stopping."""


def quick_linear_head() -> ClassifierMixin:
    """Build what stands in for the linear head."""
    return make_pipeline(StandardScaler(), _logistic(PENALTY))


def quick_kernel_head(width: float, landmarks: int, seed: int) -> ClassifierMixin:
    """Build what stands in for the kernel head.

    Args:
        width: Inverse width of the Gaussian kernel, times the number of features.
        landmarks: Training images that others are compared with; at most all are.
        seed: Random seed for the draw of landmarks.
    """
    kernel = _Landmarks(gamma=width / SIZE, n_components=landmarks, random_state=seed)
    # The Keras head scales the kernel's features, of length 1, to the length of standardised ones.
    return make_pipeline(StandardScaler(), kernel, _logistic(PENALTY * SIZE))


class _Landmarks(Nystroem):  # type: ignore[misc]  # scikit-learn ships no types
    """As many landmarks as there are training images, where more are asked for: folds differ in size."""

    n_components: int

    def fit(self, features: NDArray[np.floating], numbers: NDArray[np.int64] | None = None) -> Self:
        """Draw landmarks from features, [n, D]."""
        self.n_components = min(self.n_components, len(features))
        super().fit(features, numbers)
        return self


def _logistic(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=penalty, class_weight="balanced", max_iter=1000)
