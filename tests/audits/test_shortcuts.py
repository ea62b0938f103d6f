"""The shortcut audit: planted shortcuts are found and named, and none where there is none."""

import io
import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.audits.sample import Sample, look_at, sample_images
from chest_cancer.audits.shortcuts import baselines
from chest_cancer.audits.shortcuts.audit import _compare_marks, audit_shortcuts
from chest_cancer.audits.shortcuts.baselines import compare_baselines, compare_with_baselines
from chest_cancer.audits.shortcuts.plot import plot_shortcuts
from chest_cancer.imaging.afar import Looks
from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.bootstrap import GroupBootstrap
from chest_cancer.statistics.comparison import accuracies, areas
from chest_cancer.statistics.cross_validation import draw_folds, measure_scores, predict_out_of_fold
from chest_cancer.statistics.intervals import in_words
from phantom_slices import phantom

CLASSES = ["adenocarcinoma", "normal"]
COUNT = 60
PARAMETERS = ModelEvaluationParameters()


@pytest.fixture(autouse=True)
def _small_forests_of_one_draw_of_the_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here does not hang on a score's third digit."""
    monkeypatch.setattr(baselines, "_TREES", 5)
    monkeypatch.setattr("chest_cancer.audits.sample.repeats_for", lambda _: 1)


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


def split_table(labels: np.ndarray, width: int = 64) -> pd.DataFrame:
    count = len(labels)
    return pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(count)],
            "label": np.array(CLASSES)[labels],
            "pixel_sha256": [f"{i:064x}" for i in range(count)],
            "format": "PNG",
            "mode": "L",
            "width": width,
            "height": 64,
            "coloured": 0.0,
            "letters": 0,
            "group": np.arange(count),
        }
    )


def features(labels: np.ndarray, signal: float) -> dict[str, np.ndarray]:
    embedding = np.random.default_rng(5).standard_normal((len(labels), 32)).astype(np.float32)
    embedding[:, 0] += signal * labels
    return {"pixel_sha256": np.array([f"{i:064x}" for i in range(len(labels))]), "embedding": embedding}


@pytest.fixture
def noise_folder(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> Callable[..., ImageFolder]:
    """Pictures of noise; `plant` may draw into each."""

    def make(labels: np.ndarray, plant: Callable[[np.ndarray, int], None]) -> ImageFolder:
        pictures = np.random.default_rng(0).integers(0, 200, (len(labels), 64, 64), dtype=np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            plant(picture, int(label))
        return image_folder({f"{i}.png": encode(picture) for i, picture in enumerate(pictures)})

    return make


def scored(embeddings: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return predict_out_of_fold(
        quick_linear_head(), embeddings, numbers, draw_folds(numbers, np.arange(len(numbers)), 0, 1)
    )


def seen(folder: ImageFolder, table: pd.DataFrame, embedded: dict[str, np.ndarray], seed: int) -> tuple[Sample, Looks]:
    sample = sample_images(table, embedded, seed)
    return sample, look_at(folder, sample, "lung")


def compared(folder: ImageFolder, table: pd.DataFrame, embedded: dict[str, np.ndarray], seed: int) -> dict | None:
    return compare_baselines(*seen(folder, table, embedded, seed), PARAMETERS, seed)


LABELS = np.arange(COUNT) % 2


def by_name(audit: dict) -> dict[str, dict]:
    return {baseline["name"]: baseline for baseline in audit["baselines"]}


def test_a_bright_corner_in_one_class_is_found_and_named(noise_folder: Callable[..., ImageFolder]) -> None:
    def bright_corner(picture: np.ndarray, label: int) -> None:
        if label:
            # As many grey levels as before, in another place: brightness alone does not tell.
            flat = np.sort(picture.ravel())
            rest = np.random.default_rng(int(picture.sum())).permutation(flat[:-64])
            picture[:] = np.concatenate([np.zeros(64, np.uint8), rest]).reshape(64, 64)
            picture.ravel()[:64] = picture[:8, :8].ravel()
            picture[:8, :8] = flat[-64:].reshape(8, 8)

    audit = compared(noise_folder(LABELS, bright_corner), split_table(LABELS), features(LABELS, 3.0), 0)

    assert audit is not None
    assert by_name(audit)["border"]["shortcut"]
    assert by_name(audit)["thumbnail"]["shortcut"]
    assert audit["best"] in ("thumbnail", "border")
    assert f"{audit['best']} alone (" in audit["verdict"]
    assert "this data set can't show that it reads anatomy" in audit["verdict"]


def test_brightness_is_named_though_the_thumbnail_sees_it_as_well(noise_folder: Callable[..., ImageFolder]) -> None:
    def brighter(picture: np.ndarray, label: int) -> None:
        picture[:] = picture // 2 + 60 * label

    audit = compared(noise_folder(LABELS, brighter), split_table(LABELS), features(LABELS, 3.0), 0)

    assert audit is not None
    found = by_name(audit)
    assert found["brightness"]["roc_auc"]["value"] > 0.98
    assert found["thumbnail"]["shortcut"]
    assert audit["best"] == "brightness"
    assert "brightness alone (histogram of 16 grey levels; AUC " in audit["verdict"]
    assert "other shortcuts: thumbnail, border" in audit["verdict"]


@pytest.mark.parametrize(
    "change", [{"width": 80}, {"mode": "RGBA"}, {"format": "JPEG"}], ids=["size", "mode", "format"]
)
def test_size_mode_and_format_are_shortcuts(noise_folder: Callable[..., ImageFolder], change: dict) -> None:
    table = split_table(LABELS)
    for column, value in change.items():
        table[column] = table[column].astype(object).mask(LABELS == 1, value)
    table["width"] = table["width"].astype(int)

    audit = compared(noise_folder(LABELS, lambda *_: None), table, features(LABELS, 3.0), 0)

    assert audit is not None
    assert audit["best"] == "size and format"
    assert "size and format alone (" in audit["verdict"]


def test_marks_that_are_drawn_in_one_class_are_a_shortcut_and_are_counted(
    noise_folder: Callable[..., ImageFolder],
) -> None:
    table = split_table(LABELS)
    table.loc[np.flatnonzero(LABELS == 1)[:20], "coloured"] = 0.002

    sample, looks = seen(noise_folder(LABELS, lambda *_: None), table, features(LABELS, 3.0), 0)

    finding = audit_shortcuts(sample, looks, PARAMETERS, 0)

    assert finding.facts["best"] == "drawn marks"
    assert by_name(finding.facts)["drawn marks"]["roc_auc"]["value"] > 0.75
    assert {name: share["value"] for name, share in finding.facts["marks"]["coloured"].items()} == {
        "adenocarcinoma": 0,
        "normal": pytest.approx(20 / 30),
    }
    assert finding.facts["marks"]["letters"]["normal"]["value"] == 0
    (limitation,) = [each for each in finding.facts["limitations"] if each["title"] == "Drawn marks"]
    assert "Coloured marks are in 0.67 [" in limitation["text"]
    assert "of the images of normal (n 30), and in 0.00 [" in limitation["text"]


def test_marks_that_are_drawn_in_both_classes_alike_are_no_limitation(noise_folder: Callable[..., ImageFolder]) -> None:
    found = 0
    for seed in range(20):
        table = split_table(LABELS)
        table["coloured"] = np.where(np.random.default_rng(seed).random(COUNT) < 0.2, 0.002, 0.0)
        classes = baselines.count_marks(table, 0.95)["coloured"]
        found += _compare_marks("Marks are in", classes) is not None

    assert found <= 2


@pytest.mark.parametrize(
    ("signal", "words"),
    [(3.0, "no shortcut was found"), (0.0, "the model does not tell the classes apart either")],
    ids=["model", "no model"],
)
def test_no_shortcut_is_found_in_noise(noise_folder: Callable[..., ImageFolder], signal: float, words: str) -> None:
    labels = np.random.default_rng(11).permutation(LABELS)

    audit = compared(noise_folder(labels, lambda *_: None), split_table(labels), features(labels, signal), 0)

    assert audit is not None
    assert not any(baseline["shortcut"] for baseline in audit["baselines"])
    assert words in audit["verdict"]


def test_a_lesion_moves_no_baseline(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> None:
    # Each anatomy once as either class, in one group: chance can't make one class the brighter one.
    pairs = [phantom(label, 17, i) for i in range(20) for label in CLASSES]
    labels, anatomies = np.arange(40) % 2, np.arange(40) // 2
    table = split_table(labels).assign(
        group=anatomies,
        width=[drawn.image.shape[1] for drawn in pairs],
        height=[drawn.image.shape[0] for drawn in pairs],
    )
    folder = image_folder({f"{i}.png": encode(drawn.image) for i, drawn in enumerate(pairs)})

    audit = compared(folder, table, features(labels, 2.0), 17)

    assert audit is not None
    for baseline in audit["baselines"]:
        assert baseline["roc_auc"]["low"] <= 0.5 or baseline["roc_auc"]["value"] <= 0.6, baseline


@pytest.mark.parametrize(("signal", "words"), [(0.3, "is measurably worse than"), (9.0, "is no better than")])
def test_a_model_that_adds_nothing_is_said_to_be_no_better_than_the_baseline(signal: float, words: str) -> None:
    numbers = np.arange(80) % 2
    embeddings = np.random.default_rng(0).standard_normal((80, 16)) + signal * np.eye(2, 16)[numbers]
    looks = {"thumbnail": np.eye(2)[numbers]}

    audit = compare_with_baselines(looks, scored(embeddings, numbers), numbers, np.arange(80), PARAMETERS, seed=0)

    assert f"{words} thumbnail alone (8 x 8 pixels; AUC 1.00" in audit["verdict"]
    assert "adds" not in audit["verdict"].split(":")[0]


def test_more_than_two_classes_have_the_mean_area_of_each_against_the_rest() -> None:
    numbers = np.arange(90) % 3
    generator = np.random.default_rng(0)
    embeddings = generator.standard_normal((90, 16)) + 3 * np.eye(3, 16)[numbers]
    looks = {"brightness": np.eye(3)[numbers], "border": generator.standard_normal((90, 4))}

    audit = compare_with_baselines(looks, scored(embeddings, numbers), numbers, np.arange(90), PARAMETERS, seed=0)

    found = by_name(audit)
    assert found["brightness"]["roc_auc"]["value"] == pytest.approx(1)
    assert found["majority class"]["roc_auc"]["value"] == pytest.approx(0.5)
    assert found["majority class"]["accuracy"]["value"] <= 1 / 3 + 0.01
    assert not found["border"]["shortcut"]
    assert audit["best"] == "brightness"


def test_what_the_model_adds_is_said_where_a_weak_shortcut_exists() -> None:
    numbers = np.arange(200) % 2
    generator = np.random.default_rng(0)
    looks = {"brightness": (numbers + 1.2 * generator.standard_normal(200))[:, None]}
    embeddings = generator.standard_normal((200, 8)) + 4 * numbers[:, None]

    audit = compare_with_baselines(looks, scored(embeddings, numbers), numbers, np.arange(200), PARAMETERS, seed=0)

    assert by_name(audit)["brightness"]["shortcut"]
    assert audit["verdict"].endswith("which is a shortcut: only what the model adds can be anatomy")
    adds = by_name(audit)["brightness"]["model_adds"]
    assert adds["low"] > 0
    assert adds["value"] == pytest.approx(
        audit["model"]["roc_auc"]["value"] - by_name(audit)["brightness"]["roc_auc"]["value"]
    )


def test_a_class_of_one_group_can_not_be_audited(noise_folder: Callable[..., ImageFolder]) -> None:
    table = split_table(LABELS).assign(group=LABELS)

    folder = noise_folder(LABELS, lambda *_: None)
    assert compared(folder, table, features(LABELS, 1.0), 0) is None


def test_the_audit_is_json_and_its_plot_has_a_point_for_each() -> None:
    numbers = np.arange(40) % 2
    looks = {"brightness": np.random.default_rng(0).random((40, 3))}

    audit = compare_with_baselines(looks, scored(np.eye(40), numbers), numbers, np.arange(40), PARAMETERS, seed=0)
    plot = plot_shortcuts(audit, 0.95)

    assert json.loads(json.dumps(audit)) == audit
    assert [trace.y[0] for trace in plot.data] == ["majority class", "brightness", "the model"]


def test_areas_and_accuracies_in_draws_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, roc_auc_score

    generator = np.random.default_rng(0)
    numbers, groups = np.arange(60) % 3, np.arange(60) // 4
    scores = np.round(generator.random((1, 60, 3)) + 0.3 * np.eye(3)[numbers], 1)
    weights = GroupBootstrap(groups, 1000, 0.95, seed=0).weights

    assert weights[0].tolist() == [1.0] * 60
    for draw in (0, 1, 2, 700):
        expected = np.mean(
            [roc_auc_score(numbers == k, scores[0, :, k], sample_weight=weights[draw]) for k in range(3)]
        )
        assert areas(numbers, scores, weights[[draw]])[0] == pytest.approx(expected, abs=1e-12)
        expected = accuracy_score(numbers, scores[0].argmax(axis=1), sample_weight=weights[draw])
        assert accuracies(numbers, scores, weights[[draw]])[0] == pytest.approx(expected, abs=1e-12)
    measured = measure_scores(numbers, scores, groups, 0.95)
    assert measured["roc_auc"]["value"] == pytest.approx(areas(numbers, scores, weights)[0])
    assert measured["accuracy"]["value"] == pytest.approx(accuracies(numbers, scores, weights)[0])


def test_figures_in_words_have_no_negative_zero() -> None:
    assert in_words({"value": 0.014, "low": -0.012, "high": -0.001, "n": 3}) == "0.01 [−0.01, 0.00]"  # noqa: RUF001  # a true minus sign


def test_words_do_not_say_that_none_was_found_where_one_is_called_a_shortcut() -> None:
    """Of two looks that say as much of the class, chance puts one alone above the limits."""
    generator, labels = np.random.default_rng(39), np.arange(120) % 2
    looks = {
        name: np.stack([generator.standard_normal(120) + 0.65 * labels, generator.standard_normal(120)], axis=1)
        for name in ("brightness", "thumbnail")
    }
    model = np.stack([1 - labels, labels], axis=1)[None].astype(float)

    audit = compare_with_baselines(looks, model, labels, np.arange(120), PARAMETERS, 39)

    found = {name: baseline["shortcut"] for name, baseline in by_name(audit).items()}
    assert found == {"brightness": False, "thumbnail": True, "majority class": False}
    assert audit["best"] == "thumbnail"
    assert "over thumbnail alone (8 x 8 pixels" in audit["verdict"]
    assert "which is a shortcut" in audit["verdict"]


def test_of_several_baselines_one_is_rarely_called_a_shortcut_by_chance() -> None:
    found, said = 0, []
    for seed in range(24):
        generator, labels = np.random.default_rng(seed), np.arange(60) % 2
        looks = {name: generator.standard_normal((60, 4)) for name in list(baselines.BASELINES)[:-1]}
        model = np.stack([1 - labels, labels], axis=1)[None].astype(float)
        audit = compare_with_baselines(looks, model, labels, np.arange(60), PARAMETERS, seed)
        found += any(baseline["shortcut"] for baseline in audit["baselines"])
        best = by_name(audit)[audit["best"]]
        if best["roc_auc"]["low"] > 0.5 and not best["shortcut"]:
            said.append(audit["verdict"])

    assert found <= 2
    assert said
    assert all("which may be chance, as several were tried" in verdict for verdict in said)
