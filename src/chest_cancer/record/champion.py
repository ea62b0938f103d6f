"""The model to beat, as the gate sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chest_cancer.network.classifier import Classifier


@dataclass(frozen=True)
class Champion:
    """The classifier that is champion in the model registry.

    Attributes:
        version: Its number in the registry; None where there is no champion.
        classifier: The same, loaded; None where there is none.
        training_images: `pixel_sha256` of the images that it has learnt from, those of its validation included.
        test_scores: What it said of the images that it was tested on: a probability for each class by `pixel_sha256`.
        problem: Why it can't be compared with, or why nobody knows whether there is one; None where nothing is wrong.
    """

    version: str | None = None
    classifier: Classifier | None = None
    training_images: frozenset[str] = frozenset()
    test_scores: Mapping[str, list[float]] = field(default_factory=dict)
    problem: str | None = None
