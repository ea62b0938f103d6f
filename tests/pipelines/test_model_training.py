"""model_training: the head learns, is calibrated on validation data, and becomes the artefact."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import log_loss

from chest_cancer.imaging.standardise import PREPROCESSING_VERSION
from chest_cancer.jobs.progress import kept_epoch
from chest_cancer.network.answers import AnswerRule
from chest_cancer.network.explanation import explain
from chest_cancer.network.heads.kernel import KernelHead
from chest_cancer.network.heads.registry import HEADS
from chest_cancer.network.keras_head import build_model, fit, tuned_weights
from chest_cancer.network.manifest import Manifest
from chest_cancer.network.vgg16 import Weights, shape_before, trainable_top, untrained_top
from chest_cancer.parameters.blocks import ModelTrainingParameters, StandardisationParameters
from chest_cancer.pipelines.model_training import create_pipeline, selection
from chest_cancer.pipelines.model_training.fitting import fit_threshold
from chest_cancer.pipelines.model_training.nodes import (
    assemble_classifier,
    calibrate,
    choose_head,
    trace_origin,
    train_head,
)
from chest_cancer.statistics.calibration import fit_temperature
from conftest import Pixels, without_graphs
from manifests import FACTS, manifest_of
from properties import examples

NO_VIEWS = {"pixel_sha256": np.empty(0, dtype="U64")}
SPLITS = ["train"] * 3 + ["validation", "test"]


def parameters(**block: object) -> ModelTrainingParameters:
    return ModelTrainingParameters.model_validate({"epochs": 3, "head": "linear"} | block)


def data(count: int = 60, classes: tuple[str, ...] = ("adenocarcinoma", "normal"), seed: int = 0) -> tuple:
    """Features in which the class shows, and a split table in another order."""
    generator = np.random.default_rng(seed)
    labels = np.array([classes[number % len(classes)] for number in range(count)])
    keys = np.array([f"{number:064d}" for number in range(count)], dtype="U64")
    embedding = generator.random((count, 1024), dtype=np.float32)
    for k, name in enumerate(classes):
        embedding[labels == name, k * 100 : k * 100 + 100] += 1.0
    table = pd.DataFrame(
        {
            "pixel_sha256": keys,
            "label": labels,
            "group": np.arange(count),
            "split": [SPLITS[number // len(classes) % len(SPLITS)] for number in range(count)],
        }
    )
    return {"pixel_sha256": keys, "embedding": embedding}, table.sample(frac=1, random_state=1)


def train(features, views, table, top, block: ModelTrainingParameters, seed: int) -> tuple:
    choice = choose_head(features, table, block, seed)
    return train_head(features, views, table, top, choice, block, seed)


@pytest.fixture(scope="module")
def identity(vgg16_weights: Weights):
    return untrained_top(shape_before(None, vgg16_weights))


@pytest.mark.usefixtures("no_graphs")
def test_the_same_seed_trains_the_same_weights_and_another_seed_others(identity) -> None:
    features, table = data()
    block = parameters(epochs=2, head="dense", hidden_units=8, dropout=0.3)

    (first, history), (again, same), (other, _) = (
        train(features, NO_VIEWS, table, identity, block, seed) for seed in (1, 1, 2)
    )

    for one, two in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    pd.testing.assert_frame_equal(history, same)
    assert not np.array_equal(first.get_weights()[-2], other.get_weights()[-2])


def test_training_learns_a_class_that_shows_in_the_features(identity) -> None:
    features, table = data()

    model, history = train(features, NO_VIEWS, table, identity, parameters(epochs=30, learning_rate=0.01), 0)

    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history["val_accuracy"].iloc[-1] == 1.0
    assert history["loss"].iloc[-1] < 0.2 * history["loss"].iloc[0]
    assert model.output_shape == (None, 2)


@pytest.mark.usefixtures("no_graphs")
def test_only_training_images_and_their_views_are_trained_on(identity) -> None:
    features, table = data()
    block = parameters(epochs=1)
    hidden = ~np.isin(features["pixel_sha256"], table.loc[table["split"] == "train", "pixel_sha256"])
    test = np.isin(features["pixel_sha256"], table.loc[table["split"] == "test", "pixel_sha256"])
    spoilt = features | {"embedding": np.where(test[:, None], np.float32(1e9), features["embedding"])}

    clean, _ = train(features, NO_VIEWS, table, identity, block, 1)
    same, _ = train(spoilt, NO_VIEWS, table, identity, block, 1)
    views = {"pixel_sha256": features["pixel_sha256"][~hidden], "embedding": features["embedding"][~hidden] + 1}
    more, _ = train(features, views, table, identity, block, 1)

    np.testing.assert_array_equal(clean.get_weights()[-2], same.get_weights()[-2])
    assert not np.array_equal(clean.get_weights()[-2], more.get_weights()[-2])
    with_views = np.concatenate([features["embedding"][~hidden], views["embedding"]])
    standardise = more.get_layer("head").get_layer("standardise")
    np.testing.assert_allclose(np.asarray(standardise.mean).ravel(), with_views.mean(axis=0), rtol=1e-4)


def test_a_normal_class_that_does_not_exist_is_refused_with_the_choices(identity) -> None:
    features, table = data()

    with pytest.raises(
        ValueError, match=r"normal_class`: expected one of adenocarcinoma, normal, or null .*: healthy$"
    ):
        train(features, NO_VIEWS, table, identity, parameters(normal_class="healthy"), 0)


@pytest.mark.parametrize("wrong", [("healthy",), ("normal",), ("adenocarcinoma", "normal")])
def test_positive_classes_that_do_not_exist_are_refused_with_the_choices(identity, wrong: tuple[str, ...]) -> None:
    features, table = data()

    with pytest.raises(ValueError, match=r"positive_classes`: expected some of adenocarcinoma, or null .*Received: "):
        train(features, NO_VIEWS, table, identity, parameters(positive_classes=wrong), 0)


def biased(weigh: bool, identity) -> np.ndarray:
    """Mean probabilities of a head that sees nothing but noise, with nine images of one class to one of the other."""
    generator = np.random.default_rng(0)
    training = generator.random((200, 1024), dtype=np.float32), (np.arange(200) % 10 == 0).astype(np.int64)
    block = parameters(epochs=4, batch_size=100, class_weights=weigh, optimizer="sgd", learning_rate=0.11)
    model = build_model(identity, training[0], 2, "linear", block, 0)
    for layer in model.get_layer("head").layers:
        if layer.name == "logits":
            layer.set_weights([np.zeros((1024, 2)), np.zeros(2)])
            layer.kernel.trainable = False
    fit(model, training, (training[0][:20], training[1][:20]), block, 0)
    bias = model.get_layer("head").get_layer("logits").get_weights()[1]
    return np.exp(bias) / np.exp(bias).sum()


@pytest.mark.usefixtures("no_graphs")
def test_class_weights_take_away_the_head_start_of_the_frequent_class(identity) -> None:
    weighted, plain = biased(True, identity), biased(False, identity)

    assert abs(weighted[0] - 0.5) < 0.05
    assert plain[0] > 0.55


@pytest.mark.parametrize("min_delta", [0.0, 0.002])
def test_early_stopping_keeps_the_weights_of_the_best_epoch(identity, min_delta: float) -> None:
    features, table = data(seed=3)
    noise = features | {"embedding": np.random.default_rng(1).random((60, 1024), dtype=np.float32)}
    block = parameters(epochs=60, learning_rate=0.01, l2=0.0, early_stopping={"patience": 3, "min_delta": min_delta})

    model, history = train(noise, NO_VIEWS, table, identity, block, 0)

    best = kept_epoch(history["val_loss"].tolist(), min_delta) - 1
    assert len(history["val_loss"]) == best + 1 + 3 < 60
    validation = table[table["split"] == "validation"]
    rows = [noise["pixel_sha256"].tolist().index(key) for key in validation["pixel_sha256"]]
    logits = model.predict(noise["embedding"][rows], verbose=0).astype(float)
    loss = log_loss(validation["label"], softmax(logits, axis=1), labels=["adenocarcinoma", "normal"])
    assert loss == pytest.approx(history["val_loss"].iloc[best], rel=1e-3)


@pytest.mark.parametrize("head", ["linear", "dense"])
@pytest.mark.usefixtures("no_graphs")
def test_the_head_read_out_computes_what_keras_computes(identity, head: str) -> None:
    features, table = data(classes=("a", "b", "c"))
    block = parameters(epochs=1, head=head, hidden_units=6, dropout=0.5, normal_class=None)
    model, _ = train(features, NO_VIEWS, table, identity, block, 0)

    read = HEADS[head].read(model.get_layer("head"), features["embedding"][0], 1.0)
    layers = read.layers

    values = features["embedding"].astype(np.float64)
    for number, (kernel, bias) in enumerate(layers):
        values = (np.maximum(values, 0) if number else values) @ kernel + bias
    assert len(layers) == (2 if head == "dense" else 1)
    np.testing.assert_allclose(values, model.predict(features["embedding"], verbose=0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(read.average_scores(), values[0])


@pytest.mark.parametrize("landmarks", [6, 1000])
@pytest.mark.usefixtures("no_graphs")
def test_the_kernel_head_read_out_computes_what_keras_computes(identity, landmarks: int) -> None:
    features, table = data(classes=("a", "b", "c"))
    block = parameters(epochs=1, head="kernel", kernel={"landmarks": landmarks, "width": 0.7}, normal_class=None)
    model, _ = train(features, NO_VIEWS, table, identity, block, 0)

    head = KernelHead.read(model.get_layer("head"), features["embedding"][0], 1.0)

    standardised = (features["embedding"].astype(np.float64) - head.mean) / head.deviation
    squares = ((standardised[:, None] - head.landmarks) ** 2).sum(axis=-1)
    scores = np.exp(-head.width * squares) @ head.weights + head.bias
    assert len(head.landmarks) == min(landmarks, (table["split"] == "train").sum())
    np.testing.assert_allclose(scores, model.predict(features["embedding"], verbose=0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(head.average_scores(), scores[0])


@pytest.mark.usefixtures("no_graphs")
def test_features_that_never_vary_in_training_do_not_blow_up(identity) -> None:
    features, table = data()
    features["embedding"][:, 100] = 0
    model, _ = train(features, NO_VIEWS, table, identity, parameters(), 0)
    unseen = features["embedding"][:1].copy()
    unseen[0, 100] = 1.0

    change = model.predict(unseen, verbose=0) - model.predict(features["embedding"][:1], verbose=0)

    assert np.abs(change).max() < 10


@pytest.mark.usefixtures("no_graphs")
def test_fine_tuning_changes_the_convolutions_above_the_cut_and_no_others(narrow_weights: Weights) -> None:
    _, table = data(count=10)
    generator = np.random.default_rng(0)
    features = {
        "pixel_sha256": np.sort(table["pixel_sha256"].to_numpy(dtype="U64")),
        "embedding": generator.random((10, 1024), dtype=np.float32),
        "features": generator.random((10, 14, 14, 8), dtype=np.float32),
    }
    block = parameters(epochs=1, batch_size=2)

    model, _ = train(features, NO_VIEWS, table, trainable_top(narrow_weights, "block5_conv3"), block, 0)

    tuned = tuned_weights(model)
    assert sorted(tuned) == ["block5_conv3/bias", "block5_conv3/kernel"]
    assert not np.array_equal(tuned["block5_conv3/kernel"], narrow_weights["block5_conv3/kernel"])


def clusters(classes_alternate: bool, groups: int = 60, of_each: int = 4) -> tuple:
    """Four clusters in a plane; their classes alternate round the circle (no line parts them), or are its halves."""
    generator = np.random.default_rng(3)
    count = groups * of_each
    group = np.repeat(np.arange(groups), of_each)
    cluster = group % 4
    embedding = generator.normal(0, 0.3, (count, 1024)).astype(np.float32)
    angle = cluster * np.pi / 2 + np.pi / 4
    embedding[:, :512] += 2 * np.cos(angle)[:, None]
    embedding[:, 512:] += 2 * np.sin(angle)[:, None]
    diseased = cluster % 2 == 0 if classes_alternate else cluster < 2
    keys = np.array([f"{number:064d}" for number in range(count)], dtype="U64")
    table = pd.DataFrame(
        {
            "pixel_sha256": keys,
            "label": np.where(diseased, "adenocarcinoma", "normal"),
            "group": group,
            "split": np.array(["train", "train", "train", "validation", "test"])[(group // 4) % 5],
        }
    )
    return {"pixel_sha256": keys, "embedding": embedding}, table.sample(frac=1, random_state=1)


def test_auto_takes_the_kernel_where_no_line_parts_the_classes_and_says_by_how_much() -> None:
    features, table = clusters(classes_alternate=True)

    choice = choose_head(features, table, parameters(head="auto"), 0)

    assert choice["head"] == "kernel"
    assert choice["accuracy"]["kernel"] > 0.95 > 0.8 > choice["accuracy"]["linear"]
    assert re.fullmatch(
        r"the kernel adds \+0\.\d{3} \(standard error 0\.\d{3}\) to the linear head's accuracy of 0\.\d{3}, "
        r"by grouped cross-validation on 144 training images",
        choice["reason"],
    )


def test_auto_stays_with_the_linear_head_where_the_kernel_adds_nothing() -> None:
    features, table = clusters(classes_alternate=False)

    choice = choose_head(features, table, parameters(head="auto"), 0)

    assert choice["head"] == "linear"
    assert choice["accuracy"]["linear"] > 0.95


def test_auto_stays_with_the_linear_head_where_one_group_alone_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, groups = np.arange(16) % 2, np.arange(16) // 4
    missed = np.where(groups == 0, 1 - numbers, numbers)
    answers = iter([missed, numbers])
    monkeypatch.setattr(selection, "cross_val_predict", lambda *args, **options: next(answers))

    choice = selection.compare_heads(np.zeros((16, 4), np.float32), numbers, groups, parameters(head="auto"), 0)

    assert choice["head"] == "linear"
    assert "the kernel adds +0.250 (standard error 0.250)" in choice["reason"]


def test_auto_looks_at_training_images_only() -> None:
    features, table = clusters(classes_alternate=True)
    spoilt = features | {"embedding": features["embedding"].copy()}
    others = table.loc[table["split"] != "train", "pixel_sha256"].to_numpy(dtype="U64")
    spoilt["embedding"][np.isin(features["pixel_sha256"], others)] = np.nan

    first, second = (choose_head(f, table, parameters(head="auto"), 0) for f in (features, spoilt))

    assert first == second


def test_auto_stays_with_the_linear_head_where_a_class_has_one_group() -> None:
    features, table = clusters(classes_alternate=True)
    table.loc[table["label"] == "normal", "group"] = 1

    choice = choose_head(features, table, parameters(head="auto"), 0)

    assert (choice["head"], choice["accuracy"]) == ("linear", {})
    assert "fewer than two groups" in choice["reason"]


def test_auto_stays_with_the_linear_head_when_convolutions_are_trained() -> None:
    features, table = clusters(classes_alternate=True)
    features["features"] = features["embedding"]

    choice = choose_head(features, table, parameters(head="auto"), 0)

    assert choice["head"] == "linear"
    assert "convolutions" in choice["reason"]


OF_LARGE_CELLS = parameters(target_sensitivity=0.8, positive_classes=["large_cell"])


@pytest.fixture(scope="module")
def assembled(identity, vgg16_weights: Weights):
    """A classifier of three classes, its Keras twin, and what they were made of."""
    features, table = data(count=75, classes=("adenocarcinoma", "large_cell", "normal"))
    table["patient"] = table["label"] + (table["group"] // 6).astype(str)
    block = OF_LARGE_CELLS
    with without_graphs():
        trained, _ = train(features, NO_VIEWS, table, identity, block, 0)
    record: dict[str, Any] = {
        "precision": "fp32",
        "standardisation": {"brightness": "percentile", "crop": "body"},
        "images": 75,
    }
    choice = choose_head(features, table, block, 0)
    origin = trace_origin(table, record, FACTS["data"] | {"slices_without_lung": True}, FACTS["provenance"])
    result = assemble_classifier(
        trained, choice, calibrate(trained, features, table, block), vgg16_weights, origin, block
    )
    return *result, trained, features, table


def test_the_manifest_says_what_must_be_known_of_the_classifier(assembled) -> None:
    classifier, _, trained, features, table = assembled
    manifest = classifier.manifest

    assert Manifest.read(manifest.to_json()) == manifest
    assert manifest.classes == ("adenocarcinoma", "large_cell", "normal")
    assert manifest.normal_class == "normal"
    assert manifest.input == manifest_of().input
    assert manifest.preprocessing_version == PREPROCESSING_VERSION
    assert manifest.standardisation == StandardisationParameters(brightness="percentile", crop="body")
    assert manifest.slices_without_lung
    assert (manifest.head, manifest.head_reason, manifest.kernel) == ("linear", "asked for", None)
    assert manifest.precision == "fp32"
    assert manifest.splits == {"test": 15, "train": 45, "validation": 15}
    assert len(manifest.split_digest) == 64
    assert manifest.data == manifest_of().data
    assert manifest.provenance == manifest_of().provenance
    assert manifest.validation.images == 15
    assert manifest.operating_point.target_sensitivity == 0.8
    assert manifest.abstention.validation_images == 15
    assert manifest.abstention.distance_limit >= manifest.abstention.usual_distance > 0
    assert manifest.abstention.validation_unsure <= 0.1

    validation = table[table["split"] == "validation"].sort_values("pixel_sha256")
    rows = np.isin(features["pixel_sha256"], validation["pixel_sha256"])
    logits = trained.predict(features["embedding"][rows], verbose=0).astype(float)
    probabilities = softmax(logits / manifest.temperature, axis=1)
    numbers = validation["label"].map(manifest.classes.index).to_numpy()
    assert manifest.validation.loss == pytest.approx(log_loss(numbers, probabilities), rel=1e-6)
    assert manifest.answer_rule == "operating threshold"
    answers = AnswerRule.of(manifest).choose(probabilities)
    assert manifest.validation.accuracy == (answers == numbers).mean()
    # What the threshold was chosen for is what the answers have.
    assert (answers[numbers != 2] != 2).mean() >= 0.8
    confidences = AnswerRule.of(manifest).confidences(probabilities)
    least = min(0.65, np.quantile(confidences, 0.1, method="lower"))
    assert manifest.abstention.confidence_limit == pytest.approx(least)


def test_the_rule_for_patients_is_chosen_on_validation_patients_and_is_part_of_the_manifest(assembled) -> None:
    classifier, _, trained, features, table = assembled
    # Every patient has a slice of each class, so all of them are positive.
    mixed = table.assign(patient="patient " + (table["group"] // 3).astype(str))
    unknown = table.assign(patient=table["patient"].where(table["split"] != "validation"))

    of_mixed, of_unknown = (calibrate(trained, features, those, OF_LARGE_CELLS) for those in (mixed, unknown))

    assert of_mixed.patient_rule is of_unknown.patient_rule is None
    point = classifier.manifest.patient_rule
    patients = table[table["split"] == "validation"].groupby("patient")["label"].first()
    assert (point.positive, point.negative) == ((patients == "large_cell").sum(), (patients != "large_cell").sum())
    assert "too few" in point.reason
    assert classifier.manifest.positive_classes == ("large_cell",)


def test_the_classifier_and_the_keras_model_are_one(assembled, picture: Callable[..., Pixels]) -> None:
    classifier, keras_model, *_ = assembled
    images = [picture(5)]

    predictions = classifier.predict_standardised(images)

    expected = keras_model.predict(np.stack(images).astype(np.float32), verbose=0)
    received = [list(prediction.probabilities.values()) for prediction in predictions]
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3)
    for said in predictions:
        evidence = explain(classifier.manifest, said.evidence, "normal")
        probability = said.probabilities["normal"]
        log_odds = np.log(probability / (1 - probability))
        assert evidence.constant + evidence.cells.sum() == pytest.approx(log_odds, abs=1e-2)


def test_evidence_is_counted_from_the_mean_of_the_training_images(assembled) -> None:
    classifier, _, trained, features, table = assembled
    training = np.isin(features["pixel_sha256"], table.loc[table["split"] == "train", "pixel_sha256"])
    mean = features["embedding"][training].mean(axis=0, keepdims=True)

    scores = trained.predict(mean, verbose=0)[0] / classifier.manifest.temperature

    np.testing.assert_allclose(classifier.manifest.average_scores, scores, rtol=1e-3, atol=1e-4)


def miscalibrated(temperature: float, count: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too large by a factor, and labels drawn as the right ones say."""
    generator = np.random.default_rng(7)
    logits = generator.standard_normal((count, classes)) * 2
    labels = np.array([generator.choice(classes, p=row) for row in softmax(logits, axis=1)])
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0, 9.0])
def test_the_temperature_of_miscalibrated_logits_is_recovered(temperature: float) -> None:
    assert fit_temperature(*miscalibrated(temperature, 4000)) == pytest.approx(temperature, rel=0.08)


def test_a_few_images_that_are_all_right_do_not_ask_for_certainty() -> None:
    labels = np.array([0, 1] * 4)
    logits = np.eye(2)[labels] * 4.0

    temperature = fit_temperature(logits, labels)

    assert 0.05 < temperature < 20
    assert softmax(logits / temperature, axis=1).max() < 0.9


@examples(60, 500)
@given(
    seed=st.integers(0, 2**32 - 1),
    healthy=st.integers(1, 20),
    diseased=st.integers(1, 20),
    target=st.floats(0.01, 0.99),
    levels=st.sampled_from([3, 10, 10_000]),
)
def test_the_threshold_reaches_the_target_with_the_fewest_false_alarms_and_gives_up_no_diseased_for_nothing(
    seed: int, healthy: int, diseased: int, target: float, levels: int
) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels + 1, healthy + diseased) / levels
    truth = np.arange(healthy + diseased) < diseased

    threshold = fit_threshold(scores, truth, target)

    def sensitivity(candidate: float) -> float:
        return float((scores[truth] >= candidate).mean())

    def false_alarms(candidate: float) -> float:
        return float((scores[~truth] >= candidate).mean())

    assert sensitivity(threshold) >= target
    for candidate in np.unique(scores):
        if sensitivity(candidate) >= target:
            assert false_alarms(candidate) >= false_alarms(threshold)
        if false_alarms(candidate) == false_alarms(threshold):
            assert sensitivity(candidate) <= sensitivity(threshold)
    assert threshold in scores


def test_the_pipeline_goes_from_features_to_classifier() -> None:
    pipeline = create_pipeline()

    assert {"features", "training_views", "split_table", "trainable_top", "imagenet_weights"} < pipeline.inputs()
    assert {"trained_top", "training_history", "candidate", "keras_model"} <= pipeline.all_outputs()
