"""model_evaluation: figures against scikit-learn and formulas, plots and the report against what they claim."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from chest_cancer.imaging.pixels import pixel_digest
from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier as classifier_graph
from chest_cancer.network.heads.head import Head
from chest_cancer.network.predictions import disease_class, probability_columns
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.pipelines.model_evaluation import create_pipeline
from chest_cancer.pipelines.model_evaluation.nodes import measure_performance, predict_test_images
from chest_cancer.pipelines.reporting.nodes import plot_evaluation
from chest_cancer.reporting.plots import plot_confusion, plot_history, plot_roc
from chest_cancer.reporting.verdict import judge
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import unknown_as_none
from chest_cancer.storage.figures import confidence_of, figures_in, patients_of
from conftest import Pixels
from manifests import manifest_of
from measured import measure

BINARY = ["adenocarcinoma", "normal"]
THREE = ["adenocarcinoma", "large_cell", "normal"]
FEW = ModelEvaluationParameters(bootstrap_repetitions=100)


def predictions(
    classes: list[str], count: int = 80, seed: int = 0, truth: list[str] | None = None, groups: Any = None
) -> pd.DataFrame:
    """Predictions that are better than chance."""
    generator = np.random.default_rng(seed)
    labels = np.array(truth) if truth else generator.choice(classes, count)
    scores = generator.standard_normal((len(labels), len(classes))) + 1.2 * (labels[:, None] == np.array(classes))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    table = pd.DataFrame(probabilities, columns=probability_columns(classes))
    table["label"] = labels
    table["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    table["group"] = np.arange(len(labels)) if groups is None else groups
    table["reason"] = table["warning"] = None
    table["path"] = [f"{number}.png" for number in range(len(labels))]
    return table


@pytest.mark.parametrize("normal_class", ["normal", "adenocarcinoma", None])
def test_figures_of_two_classes_equal_those_of_scikit_learn(normal_class: str | None) -> None:
    table = predictions(BINARY)
    probabilities = table[probability_columns(BINARY)].to_numpy()
    disease = {"normal": 0, "adenocarcinoma": 1, None: 1}[normal_class]

    figures = measure(table, BINARY, normal_class, 0.3, FEW, 0)

    truth, chosen = table["label"], table["predicted"]
    assert figures["accuracy"]["value"] == pytest.approx(accuracy_score(truth, chosen), abs=1e-9)
    assert figures["loss"]["value"] == pytest.approx(log_loss(truth, probabilities, labels=BINARY), abs=1e-9)
    area = roc_auc_score(truth == BINARY[disease], probabilities[:, disease])
    assert figures["roc_auc"]["value"] == pytest.approx(area, abs=1e-9)
    for name in BINARY:
        recall = recall_score(truth, chosen, labels=[name], average="macro")
        precision = precision_score(truth, chosen, labels=[name], average="macro")
        assert figures[f"recall_{name}"]["value"] == pytest.approx(recall, abs=1e-9)
        assert figures[f"precision_{name}"]["value"] == pytest.approx(precision, abs=1e-9)
        assert figures[f"recall_{name}"]["n"] == (truth == name).sum()
        assert figures[f"precision_{name}"]["n"] == (chosen == name).sum()
    assert {figures[name]["n"] for name in ("accuracy", "loss", "roc_auc")} == {80}
    if normal_class is None:
        assert "sensitivity" not in figures
    else:
        normal = BINARY.index(normal_class)
        positive = 1 - probabilities[:, normal] >= 0.3
        for prefix, diseased in (("", (chosen != normal_class).to_numpy()), ("threshold_", positive)):
            sensitivity, specificity = (figures[f"{prefix}{name}"]["value"] for name in ("sensitivity", "specificity"))
            assert sensitivity == pytest.approx(diseased[truth != normal_class].mean(), abs=1e-9)
            assert specificity == pytest.approx(1 - diseased[truth == normal_class].mean(), abs=1e-9)
        assert figures["sensitivity"]["n"] == (truth != normal_class).sum()
        assert figures["specificity"]["n"] == (truth == normal_class).sum()


def test_figures_of_three_classes_equal_those_of_scikit_learn() -> None:
    table = predictions(THREE)
    probabilities = table[probability_columns(THREE)].to_numpy()

    figures = measure(table, THREE, "normal", 0.5, FEW, 0)

    macro = roc_auc_score(table["label"], probabilities, multi_class="ovr", average="macro", labels=THREE)
    assert figures["roc_auc"]["value"] == pytest.approx(macro, abs=1e-9)
    assert figures["loss"]["value"] == pytest.approx(log_loss(table["label"], probabilities, labels=THREE), abs=1e-9)
    for k, name in enumerate(THREE):
        area = roc_auc_score(table["label"] == name, probabilities[:, k])
        assert figures[f"roc_auc_{name}"]["value"] == pytest.approx(area, abs=1e-9)
    assert figures["sensitivity"]["n"] + figures["specificity"]["n"] == 80


@settings(max_examples=6, deadline=None)
@given(hits=st.integers(0, 60), misses=st.integers(0, 60), confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_shares_have_wilson_intervals(hits: int, misses: int, confidence: float) -> None:
    n = hits + misses
    if not n:
        return
    table = predictions(BINARY, truth=["normal"] * n)
    table["predicted"] = ["normal"] * hits + ["adenocarcinoma"] * misses
    table[probability_columns(BINARY)] = [0.5, 0.5]
    other = {"label": "adenocarcinoma", "predicted": "adenocarcinoma", "group": n}
    table.loc[n] = table.loc[0].to_dict() | other  # or there would be no area under the curve
    parameters = ModelEvaluationParameters(confidence=confidence, bootstrap_repetitions=100)

    figure = measure(table, BINARY, None, None, parameters, 0)["recall_normal"]

    z, share = norm.ppf(0.5 + confidence / 2), hits / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert figure["value"] == pytest.approx(share, abs=1e-12)
    assert figure["low"] == pytest.approx(max(centre - half, 0), abs=1e-9)
    assert figure["high"] == pytest.approx(min(centre + half, 1), abs=1e-9)
    assert figure["n"] == n


def test_every_figure_lies_in_its_interval_and_every_interval_in_its_range() -> None:
    figures = measure(predictions(THREE), THREE, "normal", 0.5, FEW, 0)

    for name, figure in figures.items():
        assert figure["low"] <= figure["value"] <= figure["high"], name
        assert figure["low"] >= 0
        assert figure["high"] <= 1 or name == "loss"


def test_intervals_over_groups_are_wider_than_over_images() -> None:
    one = predictions(BINARY, count=20, seed=4)
    table = pd.concat([one] * 10, ignore_index=True)  # ten slices each that are all alike
    parameters = ModelEvaluationParameters(bootstrap_repetitions=400)

    by_group = measure(table, BINARY, "normal", 0.5, parameters, 0)
    by_image = measure(table.assign(group=np.arange(200)), BINARY, "normal", 0.5, parameters, 0)

    for name in ("loss", "roc_auc"):
        wide, narrow = (figures[name]["high"] - figures[name]["low"] for figures in (by_group, by_image))
        assert by_group[name]["value"] == by_image[name]["value"]
        assert wide > 2 * narrow


def test_the_same_seed_gives_the_same_intervals() -> None:
    table = predictions(BINARY)

    first, again, other = (measure(table, BINARY, "normal", 0.5, FEW, seed) for seed in (0, 0, 1))

    assert first == again
    assert first["loss"]["low"] != other["loss"]["low"]


def test_a_share_of_nothing_is_unknown_and_may_be_anything() -> None:
    table = predictions(BINARY, truth=["adenocarcinoma", "normal"] * 20).assign(predicted="normal")

    figures = measure(table, BINARY, "normal", 0.5, FEW, 0)

    nothing = figures["precision_adenocarcinoma"]
    assert np.isnan(nothing["value"])
    assert (nothing["low"], nothing["high"], nothing["n"]) == (0.0, 1.0, 0)
    assert figures["recall_adenocarcinoma"]["value"] == 0
    assert figures["recall_adenocarcinoma"]["n"] == 20


def test_an_area_without_images_of_one_side_is_unknown_and_may_be_anything() -> None:
    table = predictions(BINARY, truth=["normal"] * 12)

    figure = measure(table, BINARY, "normal", 0.5, FEW, 0)["roc_auc"]

    assert np.isnan(figure["value"])
    assert (figure["low"], figure["high"]) == (0.0, 1.0)


def test_unknown_figures_can_be_written_as_json() -> None:
    table = predictions(BINARY, truth=["adenocarcinoma", "normal"] * 10).assign(predicted="normal")

    figures = unknown_as_none(measure(table, BINARY, "normal", 0.5, FEW, 0))

    assert json.loads(json.dumps(figures, allow_nan=False))["precision_adenocarcinoma"]["value"] is None


@pytest.mark.parametrize(
    ("normal_class", "expected"), [("normal", "adenocarcinoma"), ("adenocarcinoma", "normal"), (None, "normal")]
)
def test_disease_is_what_is_not_normal(normal_class: str | None, expected: str) -> None:
    assert disease_class(BINARY, normal_class) == expected


def test_of_two_diseases_the_positive_one_is_what_figures_curves_and_verdict_are_about() -> None:
    table = predictions(BINARY)
    is_cancer = table["label"] == "adenocarcinoma"
    figures = measure(table, BINARY, None, None, FEW, 0, positive_classes=["adenocarcinoma"])

    expected = average_precision_score(is_cancer, table["probability_adenocarcinoma"])
    assert figures["average_precision"]["value"] == pytest.approx(expected)
    assert expected != pytest.approx(average_precision_score(~is_cancer, table["probability_normal"]), abs=0.01)
    curve = plot_roc(table, BINARY, None, figures, 0.95, ["adenocarcinoma"]).data[-1]
    assert curve.name.startswith("adenocarcinoma: ")
    alarms, found, _ = roc_curve(is_cancer, 1 - table["probability_normal"])
    assert (list(curve.x), list(curve.y)) == (list(alarms), list(found))
    asked = manifest_of(classes=BINARY, normal_class=None, positive_classes=["adenocarcinoma"])
    assert "tells adenocarcinoma from normal" in judge(figures, asked, [])


def test_the_confusion_plot_counts_true_classes_down_and_answers_across_with_those_that_are_none() -> None:
    reasons = (NOT_SURE, NOT_A_CHEST_CT_SLICE)
    table = predictions(THREE)
    table.loc[:9, "reason"], table.loc[10:12, "reason"] = reasons

    (heatmap,) = plot_confusion(table, THREE).data

    answers = table["predicted"].where(table["reason"].isna(), table["reason"])
    counts = [[((table["label"] == true) & (answers == given)).sum() for given in (*THREE, *reasons)] for true in THREE]
    assert np.array(heatmap.text).astype(int).tolist() == counts
    assert np.array(heatmap.text).astype(int)[:, 3:].sum(axis=0).tolist() == [10, 3]
    assert list(heatmap.y) == THREE
    assert list(heatmap.x) == [*THREE, "not sure", "not a chest CT<br>slice"]
    np.testing.assert_allclose(np.array(heatmap.z).sum(axis=1), 1)


def test_the_roc_plot_draws_the_area_and_the_operating_point_that_were_measured() -> None:
    table = predictions(BINARY)
    metrics = measure(table, BINARY, "normal", 0.3, FEW, 0)

    chance, band, curve, point = plot_roc(table, BINARY, "normal", metrics, 0.95).data

    assert list(chance.x) == list(chance.y) == [0, 1]
    assert 0 <= min(band.y) <= max(band.y) <= 1
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(metrics["roc_auc"]["value"], abs=1e-9)
    assert curve.name.startswith(f"adenocarcinoma: {metrics['roc_auc']['value']:.3f}")
    assert point.y[0] == metrics["threshold_sensitivity"]["value"]
    assert point.x[0] == 1 - metrics["threshold_specificity"]["value"]
    # The operating point of two classes lies on their curve: between two neighbours of it.
    corners, (x, y) = np.c_[curve.x, curve.y], (point.x[0], point.y[0])
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    detours = np.hypot(*(corners - [x, y]).T)
    assert (detours[:-1] + detours[1:] - lengths).min() < 1e-9


def test_the_roc_plot_of_three_classes_has_a_curve_for_each() -> None:
    table = predictions(THREE)
    metrics = measure(table, THREE, None, None, FEW, 0)

    _, *curves = plot_roc(table, THREE, None, metrics, 0.95).data

    assert [curve.name.split(":")[0] for curve in curves] == THREE
    for curve, name in zip(curves, THREE, strict=True):
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(metrics[f"roc_auc_{name}"]["value"], abs=1e-9)


def test_the_history_plot_marks_the_epoch_whose_weights_were_kept() -> None:
    figure = plot_history(pd.DataFrame({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.5, 2.5]}, index=[1, 2, 3]), 0.0)

    training, validation = figure.data
    assert list(training.x) == [1, 2, 3]
    assert list(training.y) == [3.0, 2.0, 1.0]
    assert list(validation.y) == [3.0, 1.5, 2.5]
    assert figure.layout.shapes[0].x0 == 2
    assert figure.layout.annotations[0].text == "kept: epoch 2"


@pytest.fixture(scope="module")
def trained(narrow_weights: Weights, random_head: Callable[..., Head]) -> Classifier:
    graph = classifier_graph(narrow_weights, random_head(8, 2)).SerializeToString()
    return Classifier(graph, manifest_of(operating_point=None))


def test_only_test_images_are_predicted_each_in_its_row(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(trained, "batch", 2)
    files = {}
    for number in range(3):
        buffer = BytesIO()
        Image.fromarray(picture(number, 40, 48)).save(buffer, format="PNG")
        files[f"normal/{number}.png"] = buffer.getvalue()
    # Images of other splits are not on the disk: reading them would fail.
    digests = [pixel_digest(picture(number, 40, 48)) for number in range(3)]
    table = pd.DataFrame(
        {
            "path": ["x.png", "normal/2.png", "y.png", "normal/0.png", "normal/1.png", "z.png"],
            "pixel_sha256": ["-", digests[2], "-", digests[0], digests[1], "-"],
            "label": "normal",
            "group": range(6),
            "split": ["train", "test", "validation", "test", "test", "copy"],
        }
    )

    received, maps = predict_test_images(image_folder(files), table, trained)

    assert received["path"].tolist() == ["normal/2.png", "normal/0.png", "normal/1.png"]
    assert received["group"].tolist() == [1, 3, 4]
    columns = ["path", "label", "group", "predicted", "distance", "reason", "warning", *probability_columns(BINARY)]
    assert received.columns.tolist() == columns
    assert received[["reason", "warning"]].isna().all(axis=None)
    named, _ = predict_test_images(image_folder(files), table.assign(patient=list("abcdef")), trained)
    assert named["patient"].tolist() == ["b", "d", "e"]
    assert named.drop(columns="patient").equals(received)
    expected = trained.predict([picture(number, 40, 48) for number in (2, 0, 1)])
    assert maps["evidence"].shape == (3, 2, 7, 7)
    np.testing.assert_allclose(maps["evidence"][1], expected[1].evidence, atol=1e-4)
    assert received["predicted"].tolist() == [prediction.leaning for prediction in expected]
    np.testing.assert_allclose(
        received[probability_columns(BINARY)],
        [[*prediction.probabilities.values()] for prediction in expected],
        atol=1e-5,
    )

    folder = image_folder(files)
    (folder.root / "normal/0.png").write_bytes(files["normal/2.png"])
    with pytest.raises(ValueError, match=rf"normal/0\.png is not the image that was indexed: .*{digests[0][:12]}"):
        predict_test_images(folder, table, trained)


def test_nodes_take_classes_and_threshold_from_the_classifier(trained: Classifier) -> None:
    table = predictions(BINARY, count=30).assign(reason=None)

    metrics = measure_performance(table, table, trained, FEW, 0)
    assert confidence_of(metrics) == FEW.confidence
    history = pd.DataFrame({"loss": [1.0], "val_loss": [1.0]}, index=[1])
    plots = plot_evaluation(table, metrics, trained, history, FEW, 0.0)

    temperature = trained.manifest.temperature
    assert figures_in(metrics) == measure(table, BINARY, "normal", None, FEW, 0, temperature)
    assert "threshold_sensitivity" not in metrics
    assert [len(plot.data) for plot in plots] == [1, 3, 4, 2]


@pytest.mark.parametrize(
    ("patients", "said"), [({}, "unknown"), ({"patient": None}, "unknown"), ({"patient": "a"}, "known")]
)
def test_the_figures_say_whether_the_patient_of_every_image_is_known(
    trained: Classifier, patients: dict[str, Any], said: str
) -> None:
    table = predictions(BINARY, count=30).assign(reason=None)

    assert patients_of(measure_performance(table, table.assign(**patients), trained, FEW, 0)) == said


def test_the_pipeline_goes_from_classifier_and_images_to_figures_and_the_gate() -> None:
    pipeline = create_pipeline()

    assert {"raw_images", "split_table", "candidate", "champion"} < pipeline.inputs()
    assert pipeline.all_outputs() == {
        "test_predictions",
        "test_evidence",
        "metrics",
        "evidence_examples",
        "gallery",
        "promotion",
    }
