"""What the classes of a source have to be: to train on it, or to measure a trained model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from chest_cancer.pipelines.data_ingestion.class_checks import (
    check_classes_agree,
    check_known_classes,
    check_normal_class,
    check_positive_classes,
)
from chest_cancer.pipelines.data_ingestion.layout import ClassFolder


class Expectation(Protocol):
    """What a source has to bring.

    Attributes:
        fewest_classes: Number of classes with images, at least.
    """

    fewest_classes: ClassVar[int]

    def check(self, folders: Collection[ClassFolder], classes: Sequence[str]) -> None:
        """Raise ValueError where the class folders that hold files, and their classes, are not what is expected."""


@dataclass(frozen=True)
class ToTrain:
    """Classes to tell apart, the same in every split.

    Attributes:
        normal_class: The class without disease, or None.
        positive_classes: What sensitivity is about; None for all but the normal class.
    """

    fewest_classes: ClassVar[int] = 2

    normal_class: str | None
    positive_classes: Sequence[str] | None

    def check(self, folders: Collection[ClassFolder], classes: Sequence[str]) -> None:
        """See `Expectation`."""
        check_classes_agree(folders)
        check_normal_class(self.normal_class, classes)
        check_positive_classes(self.positive_classes, self.normal_class, classes)


@dataclass(frozen=True)
class ToMeasure:
    """Classes that a model knows, some of them or all: nothing is split.

    Attributes:
        known: Classes of the model.
    """

    fewest_classes: ClassVar[int] = 1

    known: Sequence[str]

    def check(self, folders: Collection[ClassFolder], classes: Sequence[str]) -> None:  # noqa: ARG002  # one class is enough
        """See `Expectation`."""
        check_known_classes(classes, self.known)
