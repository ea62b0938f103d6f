"""The served model, and what lies beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from chest_cancer.jobs.model_files import ModelFolder
from chest_cancer.network.classifier import Classifier
from chest_cancer.storage.figures import StoredFigure

NO_PERSON = "the model was trained on synthetic phantoms alone: what it answers about a scan of a person means nothing"
"""Stands beside every answer of such a model."""


@dataclass(frozen=True)
class ServedModel:
    """A classifier, with what is known of it besides its manifest.

    Attributes:
        classifier: The trained artefact.
        figures: Its test figures by name; empty where nobody put them beside it.
        version: Its number in the registry; None where it is not from there.
        confidence: Level of the figures' intervals, 0..1; None where nobody wrote it down.
    """

    classifier: Classifier
    figures: Mapping[str, StoredFigure] = field(default_factory=dict)
    version: str | None = None
    confidence: float | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what is in the served place.

        Args:
            folder: Where that is.

        Raises:
            FileNotFoundError: The folder holds no classifier.
            ValueError: See `Classifier.load`.
        """
        beside = ModelFolder(folder)
        return beside.read_as_one(
            lambda: cls(Classifier.load(folder), beside.figures(), beside.version()["version"], beside.confidence())
        )
