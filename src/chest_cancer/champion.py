"""The model to beat, as the gate sees it."""

from dataclasses import dataclass

from chest_cancer.classifier import Classifier


@dataclass(frozen=True)
class Champion:
    """The classifier that is champion in the model registry.

    Attributes:
        version: Its number in the registry; None where there is no champion.
        classifier: The same, loaded; None where there is none.
        training_images: `pixel_sha256` of the images that it has learnt from, those of its validation included.
        problem: Why it can't be compared with, or why nobody knows whether there is one; None where nothing is wrong.
    """

    version: str | None = None
    classifier: Classifier | None = None
    training_images: frozenset[str] = frozenset()
    problem: str | None = None
