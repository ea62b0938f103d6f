"""The model to beat, as the gate sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chest_cancer.network.classifier import Classifier


@dataclass(frozen=True)
class Champion:
    """The classifier that is champion in the model registry.

    Attributes:
        version: Its number in the registry; None where there is no champion.
        classifier: The champion itself, loaded; None where there is none or it can't be read.
        training_images: `pixel_sha256` of the images that it has learnt from, its validation images included.
        test_scores: What it said of its own test images: the probability of each class by `pixel_sha256`.
        problem: Why nothing can be compared with it, or why it is unknown whether there is one; None where all is well.
    """

    version: str | None = None
    classifier: Classifier | None = None
    training_images: frozenset[str] = frozenset()
    test_scores: Mapping[str, list[float]] = field(default_factory=dict)
    problem: str | None = None
