"""The trained artefact as one object: an ONNX graph and its manifest.

Serving, batch prediction and evaluation all use this class. It imports no TensorFlow, MLflow or Kedro.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.frame import SIDE
from chest_cancer.imaging.pixels import DecodedImage
from chest_cancer.imaging.standardise import PREPROCESSING_VERSION, check_available, standardise
from chest_cancer.network.answers import AnswerRule, Doubt
from chest_cancer.network.devices import Backend, Compiled
from chest_cancer.network.manifest import Manifest
from chest_cancer.network.preparation import Preparation
from chest_cancer.network.runtime import Network, Outputs, Quantised, resolve_precision

GRAPH_FILE = "classifier.onnx"
MANIFEST_FILE = "manifest.json"
QUANTISED_FILES = ("classifier_int8.xml", "classifier_int8.bin")
DIGESTS_FILE = "SHA256SUMS"
"""Of all others, as `sha256sum --check` reads it."""

_BATCH = 16

_SELF_TEST_TOLERANCE = 0.05
"""Of a probability: between processors and precisions it moves by a few thousandths, with another graph by far more."""


@dataclass(frozen=True)
class Prediction:
    """What the classifier says of one image.

    Attributes:
        leaning: The class that the rule chooses (`AnswerRule`), whether it is answered or not.
        probabilities: Calibrated probability of each class, 0..1, summing to 1.
        embedding: Where the image lies in the network's feature space, float32 [D].
        evidence: How much each cell of the last feature map adds to the score of each class, float32 [K, h, w], classes
            in the order of `probabilities`; `network.explanation` makes log-odds of it.
        distance: How far the image lies from the training images; about 1 for one like them.
        reason: Why there is no answer (`Doubt`); None where there is one.
        warning: Why its probability is not known (`Doubt`); None where it is.
    """

    leaning: str
    probabilities: dict[str, float]
    embedding: NDArray[np.float32]
    evidence: NDArray[np.float32]
    distance: float = 0.0
    reason: str | None = None
    warning: str | None = None

    @property
    def abstained(self) -> bool:
        """Whether the classifier declines to answer."""
        return self.reason is not None

    @property
    def label(self) -> str | None:
        """The answer; None where there is none, so that nobody takes what was declined for one."""
        return None if self.abstained else self.leaning

    @property
    def probability(self) -> float | None:
        """Probability of the answer, 0..1; None where there is no answer, or a warning."""
        return None if self.label is None or self.warning is not None else self.probabilities[self.label]


class Classifier:
    """A trained classifier of chest CT slices.

    Attributes:
        manifest: What is known of it besides its graph.
        classes: Class names, in the order of the graph's outputs.
        standardisation: What images went through in training, and go through here.
        precision: What it computes in: `bf16`, `fp32` or `int8`.
        quantised: The same graph with int8 convolutions, or None.
        device: What computes: `cpu`, or `cuda` (`placement.place_classifier`).
        batch: Images computed at once; the runtime keeps the memory of the largest batch, so a server sets 1.
    """

    def __init__(
        self,
        graph: bytes,
        manifest: Manifest,
        precision: str | None = None,
        quantised: Quantised | None = None,
    ) -> None:
        """Take a graph and its manifest; the graph is compiled for this processor at the first prediction.

        Args:
            graph: A serialised ONNX graph from `image` to `probabilities`, `embedding`, `evidence` and, where the
                manifest has limits, `distance`.
            manifest: The graph's manifest; without `abstention` every image is answered.
            precision: `auto`, `bf16` or `fp32`; by default int8 where there is such a graph, else that in which the
                training features were computed, or fp32 where the processor can't.
            quantised: The same graph with int8 convolutions, or None.

        Raises:
            ValueError: The manifest belongs to a version of preprocessing that is not known, or needs a package that
                is not installed.
        """
        version = manifest.preprocessing_version
        if not 1 <= version <= PREPROCESSING_VERSION:
            raise ValueError(
                f"Invalid manifest: expected preprocessing_version 1 to {PREPROCESSING_VERSION}. Received: {version}. "
                "Train the model again with this version of chest_cancer, or serve it with the version that it was "
                "trained with."
            )
        self.standardisation = manifest.standardisation
        check_available(self.standardisation)
        self.graph = graph
        self.manifest = manifest
        self.classes = manifest.classes
        self._rule = AnswerRule.of(manifest)
        self.quantised = quantised
        self.device = "cpu"
        self.batch = _BATCH
        if precision is None and quantised is not None:
            self.precision = "int8"
            return
        if precision is None:
            precision = "fp32" if manifest.precision == "fp32" else "auto"
        self.precision = resolve_precision(precision)

    def __getstate__(self) -> dict[str, object]:
        """What another process gets: not what is compiled for this one."""
        return {name: value for name, value in vars(self).items() if name != "_network"}

    @cached_property
    def _network(self) -> Compiled:
        """Compiled when first needed: many only ask what the manifest says."""
        if self.precision == "int8" and self.quantised is not None:
            # Beside int8 convolutions bf16 saves nothing, and evidence needs maxima equal to what they are taken from.
            return Network(self.quantised, "fp32")
        return self._backend.compile(self.graph)

    @property
    def _backend(self) -> Backend:
        return Backend(self.device, self.precision)

    @classmethod
    def load(cls, folder: str | Path, precision: str | None = None) -> Self:
        """Load a classifier from its folder.

        Args:
            folder: Holds `classifier.onnx`, `manifest.json`, the files of its int8 graph where it has one, and
                `SHA256SUMS` of them all.
            precision: See `Classifier`.

        Raises:
            FileNotFoundError: The folder holds no classifier.
            ValueError: A file differs from the one that was saved, or the manifest has another format.
        """
        for name in (GRAPH_FILE, MANIFEST_FILE, DIGESTS_FILE):
            _find(Path(folder) / name)
        digests = _read_digests(Path(folder) / DIGESTS_FILE)
        manifest = Manifest.read(_read(Path(folder) / MANIFEST_FILE, digests))
        quantised = None
        if manifest.precision == "int8":
            quantised = Quantised(*(_read(Path(folder) / name, digests) for name in QUANTISED_FILES))
        return cls(_read(Path(folder) / GRAPH_FILE, digests), manifest, precision, quantised)

    def save(self, folder: str | Path) -> None:
        """Write the files that `load` reads into a folder that exists."""
        files = {GRAPH_FILE: self.graph, MANIFEST_FILE: self.manifest.to_json().encode()}
        if self.quantised is not None:
            files |= dict(zip(QUANTISED_FILES, (self.quantised.structure, self.quantised.weights), strict=True))
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
        (Path(folder) / DIGESTS_FILE).write_text("".join(lines))

    @property
    def identity(self) -> str:
        """Digest of all that decides what it says of an image, and in what the numbers are rounded."""
        digest = hashlib.sha256(self.graph)
        if self.quantised is not None:
            digest.update(self.quantised.structure + self.quantised.weights)
        parts = (self.manifest.to_json(), self.precision, self._backend.runtime, str(PREPROCESSING_VERSION))
        digest.update("\0".join(parts).encode())
        return digest.hexdigest()

    def release_graph(self) -> None:
        """Compile, and free the graph, 60 MB that a server no longer needs: `graph` is empty then, `quantised` None."""
        _ = self._network  # compiled now, if it was not
        self.graph, self.quantised = b"", None

    def pixels_of(self, image: DecodedImage) -> NDArray[np.uint8]:
        """Take the pixels of a file for `predict`; see `Preparation`."""
        return Preparation.of(self.manifest).pixels_of(image)

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """Classify images.

        Args:
            images: Pixels by `pixels_of`, each uint8 [H, W, 3] RGB of any size.

        Returns:
            One prediction for each image, in order.
        """
        return self.predict_standardised(standardise(image, self.standardisation).pixels for image in images)

    def predict_standardised(self, images: Iterable[NDArray[np.uint8]]) -> list[Prediction]:
        """Classify images as `stream_standardised` does, and return one prediction for each, in order."""
        return list(self.stream_standardised(images))

    def stream_standardised(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[Prediction]:
        """Classify images that are the network's input already, and give each prediction as soon as it is there.

        Args:
            images: Pixels that `standardise` made of decoded images with this classifier's `standardisation`, each
                uint8 [224, 224, 3]; while the network computes, the next ones are taken.
        """
        remaining = iter(images)
        batches = iter(lambda: list(islice(remaining, self.batch)), [])
        yield from chain.from_iterable(self.stream_batches(np.stack(batch) for batch in batches))

    def stream_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[list[Prediction]]:
        """Classify batches of such images, uint8 [n, 224, 224, 3], and give the predictions of each as soon as it can.

        The next batch is taken while the network computes this one.
        """
        for outputs in self._network.stream(batches):
            yield [self._prediction(outputs, row) for row in range(len(outputs["probabilities"]))]

    def self_test(self) -> float | None:
        """Compare what the classifier says of `self_test_image` with what it said when it was trained.

        Returns:
            The largest difference between probabilities; None where the manifest has no self-test.

        Raises:
            ValueError: The answers differ: the graph or this machine computes wrongly.
        """
        if self.manifest.self_test is None:
            return None
        expected = self.manifest.self_test.probabilities
        (prediction,) = self.predict([self_test_image()])
        found = prediction.probabilities
        difference: float = max(abs(found[name] - expected[name]) for name in self.classes)
        # Negated, so that what is not a number fails too.
        if not difference <= _SELF_TEST_TOLERANCE:
            raise ValueError(
                f"The classifier fails its self-test: expected probabilities {expected}. "
                f"Received: {found}. Train the model again, or restore its folder."
            )
        return difference

    def _prediction(self, outputs: Outputs, row: int) -> Prediction:
        stated = outputs["probabilities"][row : row + 1].astype(np.float64)
        distance = float(outputs["distance"][row]) if "distance" in outputs else 0.0
        doubt = Doubt.of(self.manifest.abstention, distance, float(self._rule.confidences(stated)[0]))
        return Prediction(
            leaning=self.classes[self._rule.choose(stated)[0]],
            probabilities=dict(zip(self.classes, stated[0].tolist(), strict=True)),
            embedding=outputs["embedding"][row],
            evidence=outputs["evidence"][row],
            distance=distance,
            reason=doubt.reason,
            warning=doubt.warning,
        )


def _read_digests(path: Path) -> dict[str, str]:
    """SHA-256 of each file, by its name."""
    lines = path.read_text(errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _read(path: Path, digests: dict[str, str]) -> bytes:
    content = _find(path).read_bytes()
    expected, found = digests.get(path.name, "none"), hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} is not the file that was saved: expected SHA-256 {expected}. Received: {found}. "
            "Restore the folder, or train again with `kedro run`."
        )
    return content


def _find(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"No classifier in {path.parent}: expected {path.name}. Make one with `kedro run`.")
    return path


def self_test_image() -> NDArray[np.uint8]:
    """Return the image of the self-test, by arithmetic alone: the same on every machine, uint8 [224, 224, 3]."""
    y, x = np.indices((SIDE, SIDE))
    return np.stack([(x * y // 50) % 256, (x + y) // 2, (x - 90) ** 2 // 60 % 256], axis=-1).astype(np.uint8)
