"""Nodes of model_training."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import accuracy_score, log_loss

from chest_cancer.imaging.frame import SIDE
from chest_cancer.imaging.standardise import PREPROCESSING_VERSION
from chest_cancer.network.answers import AnswerRule
from chest_cancer.network.classifier import Classifier, self_test_image
from chest_cancer.network.features import class_names, label_features, label_patients, split_digest
from chest_cancer.network.heads.registry import HEADS
from chest_cancer.network.keras_head import (
    History,
    build_model,
    embed,
    fit,
    predict,
    tuned_weights,
)
from chest_cancer.network.manifest import (
    FORMAT_VERSION,
    DataSummary,
    Input,
    Manifest,
    OperatingPoint,
    Origin,
    Provenance,
    SelfTest,
    Validation,
)
from chest_cancer.network.predictions import positive_numbers, probability_columns
from chest_cancer.network.vgg16 import KerasModel, Weights, build_vgg16, whole_model
from chest_cancer.parameters.blocks import ModelTrainingParameters
from chest_cancer.pipelines.model_training.abstention import fit_limits
from chest_cancer.pipelines.model_training.checks import check_classes, check_head
from chest_cancer.pipelines.model_training.fitting import Calibration, fit_threshold
from chest_cancer.pipelines.model_training.patients import fit_patient_rule
from chest_cancer.pipelines.model_training.selection import HeadChoice, compare_heads
from chest_cancer.statistics.calibration import fit_temperature
from chest_cancer.statistics.outlying import distances_from, distances_from_others, fit_space
from chest_cancer.storage.arrays import Arrays


def choose_head(
    features: Arrays, split_table: pd.DataFrame, parameters: ModelTrainingParameters, seed: int
) -> HeadChoice:
    """Choose the head: the one that was asked for, or with `auto` the one that does better on training images.

    Args:
        features: Features of each distinct image.
        split_table: A row per image, with `label`, `pixel_sha256`, `group` and `split`.
        parameters: The block `model_training`.
        seed: Random seed for folds and landmarks.

    Returns:
        The head's name, and the reason.
    """
    if parameters.head != "auto":
        return {"head": parameters.head, "reason": "asked for", "accuracy": {}}
    if "features" in features:
        return {"head": "linear", "reason": "the convolutions below it are trained with it", "accuracy": {}}
    training = label_features(features, split_table, "train")
    return compare_heads(training.embeddings, training.numbers, training.groups, parameters, seed)


def train_head(
    features: Arrays,
    training_views: Arrays,
    split_table: pd.DataFrame,
    trainable_top: KerasModel,
    head_choice: HeadChoice,
    parameters: ModelTrainingParameters,
    seed: int,
) -> tuple[KerasModel, History]:
    """Train the head, and the convolutions above the cut, on stored features.

    Args:
        features: Arrays of each distinct image: `pixel_sha256`, `embedding` and, with a cut, `features`.
        training_views: The same arrays of augmented views of training images; may be empty.
        split_table: A row per image, with `label`, `pixel_sha256` and `split`.
        trainable_top: From the base's features to what the head reads.
        head_choice: Which head to train.
        parameters: The block `model_training`.
        seed: Random seed for initial weights, dropout and order.

    Returns:
        The trained model from the base's features to logits [N, K], and its loss and accuracy of each epoch.

    Raises:
        ValueError: `normal_class` is not one of the classes, or `positive_classes` are not some of the others, or the
            features were made for another head.
    """
    import keras

    classes = class_names(split_table)
    check_classes(classes, parameters)
    check_head(head_choice["head"], trainable_top)
    keras.utils.set_random_seed(seed)
    inputs, numbers, *_ = label_features(features, split_table, "train")
    if len(training_views["pixel_sha256"]):
        views = label_features(training_views, split_table, "train")
        inputs, numbers = np.concatenate([inputs, views.inputs]), np.concatenate([numbers, views.numbers])
    held_back = label_features(features, split_table, "validation")
    model = build_model(trainable_top, inputs, len(classes), head_choice["head"], parameters, seed)
    history = fit(model, (inputs, numbers), (held_back.inputs, held_back.numbers), parameters, seed, is_told=True)
    return model, history


def calibrate(
    trained_top: KerasModel, features: Arrays, split_table: pd.DataFrame, parameters: ModelTrainingParameters
) -> Calibration:
    """Fit on held-out data what turns logits into answers, and how far images may lie from the training images.

    Args:
        trained_top: From the base's features to logits.
        features: Features of each distinct image.
        split_table: A row per image, with `label`, `pixel_sha256`, `group`, `split` and, where known, `patient`.
        parameters: The block `model_training`.

    Returns:
        Temperature, operating point, limits, space and mean of the training images, how well all works on validation
        images, and the rule for patients.
    """
    classes = class_names(split_table)
    validation = label_features(features, split_table, "validation")
    inputs, labels, groups, _ = validation
    logits = predict(trained_top, inputs).astype(np.float64)
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits / temperature, axis=1)

    top = trained_top.get_layer("trainable_top")
    training = label_features(features, split_table, "train")
    pooled, others = embed(top, validation), embed(top, training)
    space = fit_space(others)
    usual = distances_from_others(np.concatenate([others, pooled]), np.concatenate([training.groups, groups]))
    point, rule = _operating_point(probabilities, labels, classes, parameters)
    return Calibration(
        temperature,
        point,
        fit_limits(distances_from(space, pooled), usual, rule.confidences(probabilities), parameters.abstention),
        space,
        others.mean(axis=0, dtype=np.float64),
        Validation(
            images=len(labels),
            loss=float(log_loss(labels, probabilities, labels=range(len(classes)))),
            accuracy=float(accuracy_score(labels, rule.choose(probabilities))),
        ),
        fit_patient_rule(
            probabilities,
            labels,
            groups,
            label_patients(features, split_table, "validation"),
            positive_numbers(classes, parameters.normal_class, parameters.positive_classes),
            parameters.target_sensitivity,
        ),
    )


def predict_validation_images(
    trained_top: KerasModel, features: Arrays, split_table: pd.DataFrame, calibration: Calibration
) -> pd.DataFrame:
    """Say what the calibrated classifier says of the validation images, before any rule for answers.

    Args:
        trained_top: From the base's features to logits.
        features: Features of each distinct image.
        split_table: A row per image, with `label`, `pixel_sha256`, `group` and `split`.
        calibration: Gives the temperature.

    Returns:
        A row per validation image: `label`, `group` and `probability_<class>`.
    """
    classes = class_names(split_table)
    inputs, numbers, groups, _ = label_features(features, split_table, "validation")
    logits = predict(trained_top, inputs).astype(np.float64)
    table = pd.DataFrame(softmax(logits / calibration.temperature, axis=1), columns=probability_columns(classes))
    table.insert(0, "group", groups)
    table.insert(0, "label", np.array(classes)[numbers])
    return table


def trace_origin(
    split_table: pd.DataFrame,
    extraction_record: dict[str, Any],
    data_summary: dict[str, Any],
    provenance: dict[str, Any],
) -> Origin:
    """Gather what a classifier's manifest says of its origin.

    Args:
        split_table: A row per image, with `label`, `pixel_sha256`, `group` and `split`.
        extraction_record: How the features were computed.
        data_summary: Summary of the images.
        provenance: Which run this is.

    Returns:
        Classes, splits, data, run, and what the features were computed with.
    """
    return Origin(
        classes=tuple(class_names(split_table)),
        slices_without_lung=data_summary.get("slices_without_lung", False),
        standardisation=extraction_record["standardisation"],
        precision=extraction_record["precision"],
        splits={name: int(count) for name, count in split_table["split"].value_counts().sort_index().items()},
        split_digest=split_digest(split_table),
        data=DataSummary.of(data_summary),
        provenance=Provenance.model_validate(provenance),
    )


def assemble_classifier(
    trained_top: KerasModel,
    head_choice: HeadChoice,
    calibration: Calibration,
    imagenet_weights: Weights,
    origin: Origin,
    parameters: ModelTrainingParameters,
) -> tuple[Classifier, KerasModel]:
    """Join base and head into one ONNX graph and one Keras model.

    Args:
        trained_top: From the base's features to logits.
        head_choice: Which head it has, and why.
        calibration: What was fitted on validation data.
        imagenet_weights: Weights of the 13 convolutions.
        origin: Its classes, splits, data and run.
        parameters: The block `model_training`.

    Returns:
        The classifier, and the same network as a Keras model from RGB 0..255 [N, 224, 224, 3] to probabilities [N, K].
    """
    from chest_cancer.network import graph

    weights, keras_head = imagenet_weights | tuned_weights(trained_top), trained_top.get_layer("head")
    head = HEADS[head_choice["head"]].read(keras_head, calibration.average, calibration.temperature)
    manifest = Manifest(
        **dict(origin),
        format_version=FORMAT_VERSION,
        normal_class=parameters.normal_class,
        positive_classes=parameters.positive_classes,
        input=Input(name="image", shape=(None, SIDE, SIDE, 3), dtype="uint8", colour="RGB"),
        preprocessing_version=PREPROCESSING_VERSION,
        head=head_choice["head"],
        head_reason=head_choice["reason"],
        kernel=parameters.kernel if head_choice["head"] == "kernel" else None,
        temperature=calibration.temperature,
        operating_point=calibration.operating_point,
        answer_rule="operating threshold",
        patient_rule=calibration.patient_rule,
        average_scores=tuple(head.average_scores().tolist()),
        abstention=calibration.abstention,
        validation=calibration.validation,
    )
    classifier = Classifier(graph.classifier(weights, head, calibration.space).SerializeToString(), manifest)
    (said,) = classifier.predict([self_test_image()])
    classifier.manifest = manifest.model_copy(update={"self_test": SelfTest(probabilities=said.probabilities)})
    return classifier, whole_model(build_vgg16(weights), keras_head, head.reads, calibration.temperature)


def _operating_point(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: list[str],
    parameters: ModelTrainingParameters,
) -> tuple[OperatingPoint | None, AnswerRule]:
    if parameters.normal_class is None:
        return None, AnswerRule()
    normal = classes.index(parameters.normal_class)
    threshold = fit_threshold(1 - probabilities[:, normal], labels != normal, parameters.target_sensitivity)
    point = OperatingPoint(threshold=threshold, target_sensitivity=parameters.target_sensitivity)
    return point, AnswerRule(normal, threshold)
