"""The models of a project, each with what is known of its training and its test, for whoever measures one elsewhere."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chest_cancer.jobs.model_files import METRICS_FILE, ModelFolder
from chest_cancer.network.classifier import MANIFEST_FILE, Classifier
from chest_cancer.network.features import learnt_images, split_digest
from chest_cancer.network.manifest import Manifest
from chest_cancer.record.kept_champion import TRAINING_IMAGES, KeptChampion
from chest_cancer.record.registry import digest_of
from chest_cancer.sources.image_folder import RECORD, ImageFolder
from chest_cancer.storage.lineage import Ledger

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

ModelName = Literal["served", "candidate"]


class OwnImages(NamedTuple):
    """The images that a model was made from: the files, and a row for each of them."""

    files: ImageFolder
    split_table: "pd.DataFrame"


@dataclass(frozen=True)
class TrainedModel:
    """A classifier and what belongs to it.

    Attributes:
        name: Whether it is what is served, or what was trained last.
        classifier: The classifier.
        version: Its number in the model registry; None where it did not come from there.
        metrics: What was measured on its test images, as in `metrics.json`; empty where that is not here.
        learnt: `pixel_sha256` of the images that it has learnt from, those of its validation included; empty where
            nobody knows.
        own_images: What it was made from; None where that is not here, or not as it was.
    """

    name: ModelName
    classifier: Classifier
    version: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    learnt: frozenset[str] = frozenset()
    own_images: OwnImages | None = None

    @property
    def manifest_sha256(self) -> str:
        """Digest of its manifest, by which the registry knows a version."""
        return digest_of(self.classifier.manifest.to_json().encode())


@dataclass(frozen=True, kw_only=True)
class TrainedModels:
    """What is served and what was trained last. Call it with the name of one.

    Figures and images are given only where they are the model's: by the digest of its split, and by the ledger of what
    results were made from.

    Attributes:
        served: Folder of the classifier that is served.
        candidate: Folder of the one that was trained last.
        metrics: File of its test figures.
        images: Folder of the images that models are made from here.
        split_table: File with a row for each of them.
        lineage: Folder of the ledger.
        from_registry: Whether what is served is fetched from the model registry first.
    """

    served: Path
    candidate: Path
    metrics: Path
    images: Path
    split_table: Path
    lineage: Path
    from_registry: bool = False

    def __call__(self, name: ModelName) -> TrainedModel:
        """Load a model; the candidate where nothing is served.

        Args:
            name: Which one.

        Returns:
            The model.

        Raises:
            FileNotFoundError: There is none.
            ValueError: Its files differ from those that were saved.
            ConnectionError: The registry can't be used, and nothing is here.
        """
        if name == "served" and self.from_registry:
            return self._served_one(partial(KeptChampion(self.served).to_serve, None))
        if name == "served" and (self.served / MANIFEST_FILE).is_file():
            return self._served_one(partial(Classifier.load, self.served))
        if name == "served":
            logger.warning("Nothing is served from %s: the candidate is taken.", self.served)
        classifier = Classifier.load(self.candidate)
        own = self._own_images(classifier.manifest)
        return TrainedModel("candidate", classifier, None, self._metrics_of_candidate(), _learnt(own), own)

    def _served_one(self, load: Callable[[], Classifier]) -> TrainedModel:
        return ModelFolder(self.served).read_as_one(lambda: self._with_belongings(load()))

    def _with_belongings(self, classifier: Classifier) -> TrainedModel:
        own, kept = self._own_images(classifier.manifest), self.served / TRAINING_IMAGES
        learnt = frozenset(_read(kept)) if own is None and kept.is_file() else _learnt(own)
        measured = self.served / METRICS_FILE
        version = ModelFolder(self.served).version()["version"]
        return TrainedModel("served", classifier, version, _read(measured) if measured.is_file() else {}, learnt, own)

    def _metrics_of_candidate(self) -> dict[str, Any]:
        ledger = Ledger(self.lineage)
        known = ledger.read().get("metrics")
        if known is None or not self.metrics.is_file() or known.digest != ledger.digest(self.metrics):
            return {}
        is_its_own = known.made_from.get("candidate") == ledger.digest(self.candidate)
        return dict(_read(self.metrics)) if is_its_own else {}

    def _own_images(self, manifest: Manifest) -> OwnImages | None:
        if not self.split_table.is_file() or not (self.images / RECORD).is_file():
            return None
        import pandas as pd

        files, known = ImageFolder.open(self.images), Ledger(self.lineage).read().get("split_table")
        if known is None or known.made_from.get("raw_images") != files.source.fingerprint:
            return None
        table = pd.read_parquet(self.split_table)
        return OwnImages(files, table) if split_digest(table) == manifest.split_digest else None


def _learnt(own: OwnImages | None) -> frozenset[str]:
    return frozenset() if own is None else learnt_images(own.split_table)


def _read(file: Path) -> Any:
    return json.loads(file.read_text())
