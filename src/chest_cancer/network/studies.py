"""A study's answer: what the slices of a CT say one by one, and what they say together.

Needs no more than the classifier, and serves as it does.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.frame import WHOLE_IMAGE, Frame
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import DecodedImage
from chest_cancer.imaging.standardise import standardise
from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE
from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.manifest import Manifest
from chest_cancer.network.patients import PatientReading, PatientRule, probability_of, why_no_rule
from chest_cancer.network.preparation import Preparation

UNLIKE_TRAINING_IMAGES = "unlike the training images"
"""Why there is no answer to a slice that shows lungs, and is too far from the training images all the same."""
WITHOUT_LUNG = "no slice shows lung"
"""Why nothing is read from slices that could be read."""

ALL_DECLINED = "every slice was declined on its own, so the reading of all slices together says little"
"""Why a reading is not to be relied on."""


@dataclass(frozen=True)
class SliceAnswer:
    """What is said of one slice of a study.

    Attributes:
        number: Of the slice, from the feet, from 0.
        position: Millimetres along the normal, as in `Volume`.
        prediction: What the classifier says; None where the slice shows no lung.
        digest: What the slice is known by, so that a copy counts once; None where it shows no lung.
        frame: The part of the slice that the network saw, over which its evidence lies.
    """

    number: int
    position: float
    prediction: Prediction | None
    digest: str | None = None
    frame: Frame = WHOLE_IMAGE

    @property
    def reason(self) -> str | None:
        """Why there is no answer: `NO_LUNG`, or as `reason_of_chest` has it; None where there is one."""
        return NO_LUNG if self.prediction is None else reason_of_chest(self.prediction.reason)


class DrivingSlice(NamedTuple):
    """A slice that drives a reading.

    Attributes:
        number: Of the slice, from the feet, from 0.
        probability: Of the positive classes together, 0..1.
        prediction: What the classifier says of it.
    """

    number: int
    probability: float
    prediction: Prediction


@dataclass(frozen=True)
class StudyAnswer:
    """What is said of a study.

    Attributes:
        slices: Of all slices of the volume, from the feet.
        reading: What the classifier's rule for patients says of the distinct slices with lung; None where there is no
            such rule, or no lung.
        driving: The slices with lung that are most probably positive, the most probable first; at most as many as
            `PatientRule.k`, and none where there is no reading.
        reason: Why there is no reading; None where there is one.
    """

    slices: tuple[SliceAnswer, ...]
    reading: PatientReading | None
    driving: tuple[DrivingSlice, ...]
    reason: str | None

    @property
    def with_lung(self) -> int:
        """Number of slices that show lung."""
        return sum(answer.prediction is not None for answer in self.slices)

    @property
    def declined(self) -> int:
        """Number of slices with lung without an answer of their own; they count as any other."""
        return sum(answer.prediction is not None and answer.prediction.abstained for answer in self.slices)

    @property
    def caution(self) -> str | None:
        """Why the reading says little; None where it doesn't, or there is none."""
        return ALL_DECLINED if self.reading is not None and self.declined == self.with_lung else None

    @property
    def share_without_lung(self) -> float:
        """Share of all slices that show no lung, 0..1."""
        return 1 - self.with_lung / len(self.slices)

    @property
    def share_declined(self) -> float:
        """Share of the slices with lung that are declined, 0..1; 0 where none shows lung."""
        return self.declined / max(self.with_lung, 1)


def reason_of_chest(reason: str | None) -> str | None:
    """Say why there is no answer to a slice that is known to show lungs, whatever the classifier calls it."""
    return UNLIKE_TRAINING_IMAGES if reason == NOT_A_CHEST_CT_SLICE else reason


def reason_for(image: DecodedImage, prediction: Prediction, manifest: Manifest) -> str | None:
    """Say why there is no answer to an image: `NO_LUNG`, or as `reason_of_chest` has it; None where there is one."""
    seen = Preparation.of(manifest).look_at(image)
    if not seen.is_asked:
        return NO_LUNG
    return reason_of_chest(prediction.reason) if seen.chest else prediction.reason


def predict_study(classifier: Classifier, volume: Volume) -> StudyAnswer:
    """Answer a study, slice by slice and together: `answer_slices`, then `sum_up`."""
    return sum_up(classifier.manifest, answer_slices(classifier, volume))


def answer_slices(classifier: Classifier, volume: Volume) -> Iterator[SliceAnswer]:
    """Answer the slices of a study, from the feet, each as soon as it is predicted.

    Slices are standardised one by one while the network computes, so that no copy of the volume is made. A slice of
    whole Hounsfield units gets the same answer as in a file of its own.

    Args:
        classifier: The trained classifier.
        volume: Axial slices of one series, at least one.

    Raises:
        UnreadableImageError: The classifier is older than today's way to show Hounsfield units.
    """
    waiting: deque[SliceAnswer] = deque()
    preparation = Preparation.of(classifier.manifest)

    def inputs() -> Iterator[NDArray[np.uint8]]:
        for number, position in enumerate(volume.positions):
            image = volume.image(number)
            if not preparation.look_at(image).is_asked:
                waiting.append(SliceAnswer(number, float(position), None))
                continue
            seen = standardise(preparation.pixels_of(image), preparation.standardisation)
            waiting.append(SliceAnswer(number, float(position), None, image.digest, seen.frame))
            yield seen.pixels

    for prediction in classifier.stream_standardised(inputs()):
        while waiting[0].digest is None:
            yield waiting.popleft()
        yield replace(waiting.popleft(), prediction=prediction)
    yield from waiting


def sum_up(manifest: Manifest, answers: Iterable[SliceAnswer]) -> StudyAnswer:
    """Say what the slices of a study say together.

    Args:
        manifest: Of the classifier that answered them.
        answers: Of all slices, from the feet.
    """
    slices = tuple(answers)
    rule = PatientRule.of(manifest)
    firsts: dict[str | None, SliceAnswer] = {}
    for one in slices:
        if one.prediction is not None:
            firsts.setdefault(one.digest, one)
    if rule is None or not firsts:
        return StudyAnswer(slices, None, (), WITHOUT_LUNG if rule else why_no_rule(manifest))
    asked = [(one.number, one.prediction) for one in firsts.values() if one.prediction is not None]
    stated = np.array([list(prediction.probabilities.values()) for _, prediction in asked])
    positive = probability_of(stated, rule.positive)
    driving = tuple(
        DrivingSlice(asked[place][0], float(positive[place]), asked[place][1]) for place in driving_slices(rule, stated)
    )
    return StudyAnswer(slices, rule.read(stated), driving, None)


def driving_slices(rule: PatientRule, probabilities: NDArray[np.float64]) -> Sequence[int]:
    """Name the slices that speak most for a positive reading.

    Args:
        rule: The classifier's.
        probabilities: Of each class, of each distinct slice, [n, K].

    Returns:
        Places of the slices in `probabilities`, the most probable first; at most as many as `PatientRule.k`.
    """
    order = np.argsort(-probability_of(probabilities, rule.positive), kind="stable")
    places: list[int] = order[: rule.k].tolist()
    return places
