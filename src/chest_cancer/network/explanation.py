"""What an answer comes from: the log-odds of a class as what an average slice gets, and what each cell adds to it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.network.manifest import Manifest

_STEPS, _WIDTHS = np.polynomial.legendre.leggauss(64)
"""Where an integral from -1 to 1 is taken, and how much each place counts: exact to 1e-8 for log-odds up to 40."""


class Explanation(NamedTuple):
    """Where the log-odds of a class come from: `constant + cells.sum()` is the log-odds of its calibrated probability.

    Attributes:
        cells: How much each cell of the network's last map adds for the class (above 0) or against it, in log-odds,
            float64 [h, w].
        constant: The log-odds that a slice with the mean features of the training images gets; None for classifiers
            whose evidence is not counted from these: their cells say where, and not how much in all.
    """

    cells: NDArray[np.float64]
    constant: float | None


def explain(manifest: Manifest, evidence: NDArray[np.float32], name: str) -> Explanation:
    """Say where the log-odds of a class come from.

    The log-odds are the class's score less the log of the sum of the others' exponentials. Of what a cell adds to
    those scores, each counts by its softmax among the others, averaged along the straight way from the average scores
    to these: the integrated gradient (Sundararajan et al., 2017, Axiomatic attribution for deep networks), which leaves
    no rest. Of two classes that is the difference of both.

    Args:
        manifest: The classifier's. Where it has no `average_scores` the other classes count alike.
        evidence: What each cell adds to the score of each class, as a prediction has it, [K, h, w]; K at least 2.
        name: Name of the class.
    """
    number, average = manifest.classes.index(name), manifest.average_scores
    precise = evidence.astype(np.float64)
    others = np.delete(precise, number, axis=0)
    if average is None:
        return Explanation(np.asarray(precise[number] - others.mean(axis=0)), None)
    usual = np.delete(np.asarray(average, dtype=np.float64), number)
    way = (_STEPS[:, None] + 1) / 2 * others.sum(axis=(1, 2)) + usual
    counts = _WIDTHS / 2 @ _softmax(way)
    constant = average[number] - usual.max() - np.log(np.exp(usual - usual.max()).sum())
    return Explanation(np.asarray(precise[number] - np.tensordot(counts, others, axes=1)), float(constant))


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
