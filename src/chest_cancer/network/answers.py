"""From probabilities to an answer: the one rule of training, evaluation, the web, batches and the registered model.

It is part of the artefact, by what the manifest says. Needs nothing but NumPy and the manifest.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chest_cancer.network.manifest import Limits, Manifest

NOT_SURE = "not sure"
NOT_A_CHEST_CT_SLICE = "not a chest CT slice"
UNLIKE_TRAINING = "calibrated on slices unlike this one"


class Doubt(NamedTuple):
    """What keeps an answer, or its probability, from being given.

    Attributes:
        reason: Why there is no answer, `NOT_SURE` or `NOT_A_CHEST_CT_SLICE`; None where there is one.
        warning: Why nothing is known of how probable the answer is, `UNLIKE_TRAINING`; None where its probability
            holds, and where there is no answer.
    """

    reason: str | None = None
    warning: str | None = None

    @classmethod
    def of(cls, limits: Limits | None, distance: float, confidence: float) -> Self:
        """Compare an image and its answer with a classifier's limits.

        Args:
            limits: The classifier's; None where every image is answered.
            distance: Of the image from the training images.
            confidence: Calibrated probability of the answer, 0..1.
        """
        if limits is None:
            return cls()
        # Negated, so that what is not a number is refused too.
        if not distance <= limits.distance_limit:
            return cls(reason=NOT_A_CHEST_CT_SLICE)
        if not confidence >= limits.confidence_limit:
            return cls(reason=NOT_SURE)
        unusual = limits.usual_distance is not None and distance > limits.usual_distance
        return cls(warning=UNLIKE_TRAINING if unusual else None)


@dataclass(frozen=True)
class AnswerRule:
    """Which class is answered, and how sure that is.

    With a threshold the answer is disease where the probability of disease (1 less that of the normal class) reaches
    it, and then the most probable of the diseases. So the sensitivity that the threshold was chosen for is that of the
    answers. Without one it is the most probable class.

    Attributes:
        normal: Number of the class without disease; None where the most probable class is the answer.
        threshold: Probability of disease from which on an image is answered as diseased, 0..1.
    """

    normal: int | None = None
    threshold: float = 0.5

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Read the rule of a classifier from its manifest; those before there was a rule answer the largest."""
        point, normal = manifest.operating_point, manifest.normal_class
        if manifest.answer_rule == "most probable class" or point is None or normal is None:
            return cls()
        return cls(manifest.classes.index(normal), point.threshold)

    def choose(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Choose a class for each image.

        Args:
            probabilities: Calibrated, 0..1, each row summing to 1, [n, K].

        Returns:
            Class numbers, [n].
        """
        if self.normal is None:
            return np.asarray(probabilities.argmax(axis=1))
        diseases = probabilities.copy()
        diseases[:, self.normal] = -1
        diseased = 1 - probabilities[:, self.normal] >= self.threshold
        return np.where(diseased, diseases.argmax(axis=1), self.normal)

    def confidences(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Say how sure the chosen classes are: by their own probability, which people see too.

        So what is `not sure` is first what the threshold chooses against the odds. Weighing the probabilities by the
        costs that a threshold implies (Elkan, 2001, The foundations of cost-sensitive learning) was tried, and left
        more wrong answers (`docs/pipelines.md`).

        Args:
            probabilities: As in `choose`.

        Returns:
            0..1, [n].
        """
        return np.asarray(probabilities[np.arange(len(probabilities)), self.choose(probabilities)])
