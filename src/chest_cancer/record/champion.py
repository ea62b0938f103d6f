"""The model to beat, as the gate sees it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NotRequired, Self, TypedDict

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.manifest import Manifest
from chest_cancer.storage.figures import Figure

_SYNTHETIC_TAG = "synthetic"
_CLASSES_TAG = "classes"


class Line(NamedTuple):
    """A line of champions: models that tell the same classes apart, of real images or of synthetic ones.

    Attributes:
        synthetic: Whether they were trained on images that this program drew.
        classes: In the order of their outputs.
    """

    synthetic: bool
    classes: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The line that a classifier belongs to."""
        return cls(manifest.data.synthetic, manifest.classes)

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> Self | None:
        """The line that the tags of a version name; None where they name none."""
        if _SYNTHETIC_TAG not in tags or _CLASSES_TAG not in tags:
            return None
        return cls(tags[_SYNTHETIC_TAG] == str(True), tuple(json.loads(tags[_CLASSES_TAG])))

    @property
    def tags(self) -> dict[str, str]:
        """What `read` reads."""
        return {
            _SYNTHETIC_TAG: str(self.synthetic),
            _CLASSES_TAG: json.dumps(self.classes, ensure_ascii=False),
        }

    @property
    def alias(self) -> str:
        """Alias of its champion; a class may have a name that an alias can't."""
        digest = hashlib.sha256(json.dumps(self.classes).encode()).hexdigest()[:8]
        return f"champion-{'synthetic' if self.synthetic else 'real'}-{digest}"

    def may_follow(self, served: "Line") -> bool:
        """Say whether a model of this line may be served after one of another, without anybody asking for it."""
        return self == served or (served.synthetic and not self.synthetic)

    def __str__(self) -> str:
        images = "synthetic phantoms" if self.synthetic else "real images"
        return f"{images} of {', '.join(self.classes)}"


class Served(NamedTuple):
    """The version that is served; its line is None where nobody wrote it down."""

    version: str
    line: Line | None


@dataclass(frozen=True)
class Champion:
    """The classifier that leads a line in the model registry.

    Attributes:
        version: Its number in the registry; None where the line has no champion.
        classifier: The same, loaded; None where there is none.
        training_images: `pixel_sha256` of the images that it has learnt from, those of its validation included.
        test_scores: What it said of the images that it was tested on: a probability for each class by `pixel_sha256`.
        served: What is served now, of whatever line; None where nothing is.
        problem: Why it can't be compared with, or why nobody knows whether there is one; None where nothing is wrong.
    """

    version: str | None = None
    classifier: Classifier | None = None
    training_images: frozenset[str] = frozenset()
    test_scores: Mapping[str, list[float]] = field(default_factory=dict)
    served: Served | None = None
    problem: str | None = None


Champions = Callable[[Line], Champion]
"""What the catalog entry `champion` holds: ask it for the champion of a line."""


class Decision(TypedDict):
    """What the gate says of a model.

    Attributes:
        promoted: Whether it is served from then on.
        leads: Whether it becomes champion of its line.
        reason: Why, or why not: a sentence.
        champion: Version of its line that it was compared with; None where there was none.
        served: Version that was served then; None where none was.
        difference: How much more area under the ROC curve it has, where the two were compared.
        groups: In how many groups of test images.
        replaces: Version whose place it takes because somebody said so: the two were not compared.
    """

    promoted: bool
    leads: bool
    reason: str
    champion: str | None
    served: str | None
    difference: NotRequired[Figure]
    groups: NotRequired[int]
    replaces: NotRequired[str]
