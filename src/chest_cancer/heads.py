"""scikit-learn's twins of the Keras heads: fitted in milliseconds, for cross-validation."""

from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = 1024
_PENALTY = 0.1
"""scikit-learn's C, in the place of the Keras heads' L2 penalty and early stopping."""


def linear_head(seed: int) -> ClassifierMixin:
    """Build the twin of the linear head.

    The rotation onto principal components keeps everything that the training images span, so that the penalised
    solution is the same in far fewer dimensions.

    Args:
        seed: Of the rotation's solver.
    """
    return make_pipeline(StandardScaler(), PCA(random_state=seed), _logistic(_PENALTY))


def kernel_head(width: float, landmarks: int, seed: int) -> ClassifierMixin:
    """Build the twin of the kernel head.

    Args:
        width: Of the Gaussian kernel, inverse, over the number of features.
        landmarks: Training images that others are compared with; at most all are.
        seed: Of the draw of landmarks.
    """
    kernel = Nystroem(gamma=width / FEATURES, n_components=landmarks, random_state=seed)
    # The Keras head scales the kernel's features, of length 1, to the length of standardised ones.
    return make_pipeline(StandardScaler(), kernel, _logistic(_PENALTY * FEATURES))


def _logistic(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=penalty, class_weight="balanced", max_iter=1000)
