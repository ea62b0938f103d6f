"""Linear heads in cross-validation: fitted to many training sets of the same images at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from chest_cancer.network.heads.logistic import PENALTY
from chest_cancer.statistics.cross_validation import Folds, Numbers, Scores, standardised

_CURVATURE = 0.03
"""Of the loss, p (1 - p), where most images are told apart: how steps are scaled, which changes no result."""
_TOLERANCE = 5e-3
"""Largest slope at which a fit ends: probabilities are then as near to the best ones as scikit-learn's."""
_TOGETHER = 3
"""Draws whose folds are fitted together, at most: products of matrices with more columns take hardly less time for
each."""
_NEVER = -1e4
"""Logit of a class that the training images lack."""


class LinearHeads:
    """Logistic regression, as `quick_linear_head` has it, several times as fast where it is fitted many times.

    Features are standardised once, by means and spreads of all images, and turned to their principal axes: scaled along
    these, fits end after some thirty steps. The heads of many folds are fitted together, since one product of large
    matrices takes much less time than many products with vectors.

    Args:
        features: [n, D].
        numbers: Class numbers 0 to K - 1, [n].
    """

    def __init__(self, features: NDArray[np.floating], numbers: Numbers) -> None:
        standard = standardised(features).astype(np.float32)
        with threadpool_limits(1, user_api="blas"):
            _, axes = eigh(standard.T @ standard, driver="evd", check_finite=False)  # twice as fast as numpy's
            turned = standard @ axes
        # A constant feature, which has no penalty, is the intercept.
        inputs = np.concatenate([turned, np.ones((len(turned), 1), np.float32)], axis=1)
        scale = 1 / np.sqrt(1 + _CURVATURE * PENALTY * (inputs**2).sum(axis=0))
        self._numbers, self._inputs = numbers, inputs * scale
        penalties = np.append(np.ones(turned.shape[1]), 0)
        self._penalty = (penalties * scale**2).astype(np.float32)[:, None]

    def predict_out_of_fold(self, draws: list[Folds], images: Numbers | None = None) -> Scores:
        """Predict every image by heads that were not fitted on its fold, once for each draw of the folds.

        Args:
            draws: As `draw_folds` returns them.
            images: Which images these are folds of, [m], any of them several times; all n, where it is not given.

        Returns:
            Probabilities [draws, m, K]; 0 for a class that a fold's training images lack.
        """
        chosen = np.arange(len(self._numbers)) if images is None else images
        inputs, numbers, count = self._inputs[chosen], self._numbers[chosen], int(self._numbers.max()) + 1
        # An even number of fits, so that two cores, which most machines without a GPU have at least, are done together;
        # not as many as there are cores, since what is fitted together ends together, and results would differ.
        ends = np.linspace(0, len(draws), 2 * -(-len(draws) // (2 * _TOGETHER)) + 1).astype(int)
        fits = [draws[start:end] for start, end in pairwise(ends) if end > start]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda some: _predict(inputs, numbers, count, self._penalty, some), fits)
            return np.concatenate(list(found))


def _predict(inputs: Any, numbers: Numbers, classes: int, penalty: Any, draws: list[Folds]) -> Scores:
    """Fit the heads of all folds together, and predict, [draws, m, K]."""
    folds = [fold for draw in draws for fold in draw]
    held = np.stack([np.bincount(numbers[train], minlength=classes) for train, _ in folds], axis=1)
    # Classes weigh the same, as in `class_weight="balanced"`.
    weights = np.zeros((len(numbers), 1, len(folds)), np.float32)
    for fold, (train, _) in enumerate(folds):
        weight = PENALTY * len(train) / (np.count_nonzero(held[:, fold]) * np.maximum(held[:, fold], 1))
        weights[train, 0, fold] = weight[numbers[train]]
    labels = np.eye(classes, dtype=np.float32)[numbers][:, :, None] * weights
    lacking = np.where(held > 0, 0, _NEVER).astype(np.float32)
    # Of two classes scikit-learn fits the logit of the second one alone, of more the logits of all.
    fitted_classes = slice(1, 2) if classes == 2 else slice(0, classes)

    def log_probabilities(coefficients: Any) -> Any:
        logits = np.broadcast_to(lacking, labels.shape).copy()
        logits[:, fitted_classes] += (inputs @ coefficients).reshape(len(numbers), -1, len(folds))
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def loss(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        at = coefficients.astype(np.float32).reshape(inputs.shape[1], -1)
        said, pull = log_probabilities(at), penalty * at
        off = (np.exp(said) * weights - labels)[:, fitted_classes]
        slope = inputs.T @ off.reshape(len(numbers), -1) + pull
        return float(np.vdot(at, pull)) / 2 - float(np.vdot(labels, said)), slope.ravel().astype(np.float64)

    start = np.zeros(inputs.shape[1] * held[fitted_classes].size)
    options = {"gtol": _TOLERANCE, "ftol": 0, "maxcor": 5, "maxiter": 1000}
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    probabilities = np.exp(log_probabilities(fitted.x.astype(np.float32).reshape(inputs.shape[1], -1)))
    scores = np.zeros((len(draws), len(numbers), classes))
    owners = [draw for draw, of_draw in enumerate(draws) for _ in of_draw]
    for fold, (_, test) in enumerate(folds):
        scores[owners[fold], test] = probabilities[test, :, fold]
    return scores
