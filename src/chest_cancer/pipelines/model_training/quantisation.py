"""The classifier with int8 convolutions: made from training images, kept if it does well on validation images."""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.network.classifier import Classifier, Prediction, self_test_image
from chest_cancer.network.manifest import Agreement, Int8Decision, SelfTest
from chest_cancer.network.runtime import Quantised
from chest_cancer.parameters.blocks import ModelTrainingParameters, StandardisationParameters
from chest_cancer.sources.image_folder import ImageFolder

Image = NDArray[np.uint8]

_ROUNDED = {"Convolution", "Relu", "MaxPool"}
"""All else is pooling, head and evidence: a thousandth of the work, and where rounding would show most."""


def quantise_classifier(
    float_classifier: Classifier,
    images: ImageFolder,
    split_table: pd.DataFrame,
    parameters: ModelTrainingParameters,
    seed: int,
) -> Classifier:
    """Add a graph with int8 convolutions, if it is asked for and is not worse on the validation images.

    Args:
        float_classifier: The classifier as it was trained.
        images: The source's files.
        split_table: A row per image, with `path`, `label`, `group` and `split`.
        parameters: The block `model_training`.
        seed: Random seed for the draw of training images that the ranges are taken from.

    Returns:
        The classifier; its manifest says under `int8` what was compared, and with which result.
    """
    if not parameters.int8.enabled:
        return float_classifier
    manifest, standardisation = float_classifier.manifest, float_classifier.standardisation
    training = split_table.loc[split_table["split"] == "train", "path"].to_list()
    count = min(parameters.int8.calibration_images, len(training))
    drawn = np.random.default_rng(seed).permutation(training)[:count].tolist()
    quantised = quantise(float_classifier.graph, _load(images, drawn, standardisation), count)

    validation = split_table[split_table["split"] == "validation"]
    classifiers = {
        precision: Classifier(float_classifier.graph, manifest, precision)
        for precision in dict.fromkeys(["fp32", float_classifier.precision])
    }
    classifiers["int8"] = Classifier(float_classifier.graph, manifest, quantised=quantised)
    said = {
        precision: classifier.predict_standardised(_load(images, validation["path"].to_list(), standardisation))
        for precision, classifier in classifiers.items()
    }
    agreements = [_compare(name, predictions, said["fp32"], validation["label"]) for name, predictions in said.items()]
    accuracy = {agreement.precision: agreement.accuracy for agreement in agreements}
    better = accuracy[float_classifier.precision]
    kept = accuracy["int8"] >= better
    reason = (
        f"accuracy on {len(validation)} validation images, {validation['group'].nunique()} groups: "
        f"int8 {accuracy['int8']:.3f}, {float_classifier.precision} {better:.3f}"
    )
    decision = Int8Decision(kept=kept, reason=reason, calibration_images=count, compared=tuple(agreements))
    if not kept:
        return Classifier(float_classifier.graph, manifest.model_copy(update={"int8": decision}))
    (tested,) = classifiers["int8"].predict([self_test_image()])
    served = {"precision": "int8", "int8": decision, "self_test": SelfTest(probabilities=tested.probabilities)}
    return Classifier(float_classifier.graph, manifest.model_copy(update=served), quantised=quantised)


def quantise(graph: bytes, images: Iterator[Image], count: int) -> Quantised:
    """Make the convolutions int8, by NNCF's quantisation after training.

    Ranges come from images, weights by channel; biases are corrected for what rounding shifts (Nagel et al., 2019,
    Data-free quantization through weight equalization and bias correction).

    Args:
        graph: A serialised ONNX graph with one input.
        images: Images that the ranges are taken from, each uint8 [224, 224, 3].
        count: Number of images.

    Returns:
        The quantised graph.
    """
    # NNCF has no other switch for its telemetry.
    os.environ.setdefault("NNCF_CI", "true")
    import nncf
    import openvino as ov

    nncf.set_log_level(logging.WARNING)
    model = ov.Core().read_model(graph)
    in_float = sorted({operation.get_type_name() for operation in model.get_ops()} - _ROUNDED)
    model = nncf.quantize(
        model,
        nncf.Dataset(list(images), lambda image: image[None]),
        subset_size=count,
        ignored_scope=nncf.IgnoredScope(types=in_float, validate=False),
    )
    with tempfile.TemporaryDirectory() as folder:  # OpenVINO gives both parts to files only
        structure, weights = Path(folder) / "graph.xml", Path(folder) / "graph.bin"
        ov.serialize(model, structure, weights)
        return Quantised(structure.read_bytes(), weights.read_bytes())


def _load(images: ImageFolder, paths: Sequence[str], standardisation: StandardisationParameters) -> Iterator[Image]:
    return (images.standardised(path, standardisation).pixels for path in paths)


def _compare(precision: str, said: list[Prediction], exact: list[Prediction], labels: pd.Series) -> Agreement:
    return Agreement(
        precision=precision,
        images=len(said),
        accuracy=float(np.mean([one.leaning == label for one, label in zip(said, labels, strict=True)])),
        changed=sum(one.leaning != other.leaning for one, other in zip(said, exact, strict=True)),
        cosine=min(_cosine(one.embedding, other.embedding) for one, other in zip(said, exact, strict=True)),
        evidence_cosine=min(_cosine(one.evidence, other.evidence) for one, other in zip(said, exact, strict=True)),
    )


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.vdot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))
