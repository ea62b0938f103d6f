"""Perturbations as functions on pixels, and what they do to predictions."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from chest_cancer.audits.robustness import changes, perturbations
from chest_cancer.audits.robustness.changes import measure_robustness, predict_perturbed_images
from chest_cancer.audits.robustness.perturbations import PERTURBATIONS
from chest_cancer.audits.robustness.plot import plot_robustness
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import Weights
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.sampling import draw_images
from conftest import Pixels
from manifests import manifest_of

FUNCTIONS = list({perturbation.apply.__name__: perturbation.apply for perturbation in PERTURBATIONS}.values())


def drawn(seed: int, height: int = 40, width: int = 50) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("function", FUNCTIONS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(8, 60), width=st.integers(8, 60))
def test_strength_zero_changes_nothing(function, seed: int, height: int, width: int) -> None:
    pixels = drawn(seed, height, width)

    np.testing.assert_array_equal(function(pixels, 0.0, np.random.default_rng(0)), pixels)


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda perturbation: perturbation.label)
def test_a_perturbation_changes_pixels_and_neither_their_type_nor_the_image_it_was_given(perturbation) -> None:
    pixels = drawn(1, 300, 260)
    before = pixels.copy()

    one, two = (perturbation(pixels, np.random.default_rng(3)) for _ in range(2))

    assert one.dtype == np.uint8
    assert one.shape == pixels.shape
    assert not np.array_equal(one, pixels)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(pixels, before)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_more_brightness_is_never_darker(one: float, two: float) -> None:
    pixels = drawn(0)
    low, high = (perturbations.brightness(pixels, s, np.random.default_rng(0)) for s in sorted((one, two)))

    assert (low <= high).all()


def test_perturbations_do_what_their_names_say() -> None:
    generator = np.random.default_rng(0)
    pixels = drawn(2, 224, 224)
    spread = pixels.std()

    assert perturbations.contrast(pixels, -0.3, generator).std() == pytest.approx(0.7 * spread, rel=0.02)
    added = perturbations.noise(np.full((200, 200, 3), 128, np.uint8), 0.1, generator) - 128.0
    assert added.std() == pytest.approx(25.5, rel=0.05)
    np.testing.assert_array_equal(added[..., 0], added[..., 2])
    assert perturbations.blur(pixels, 2, generator).std() < perturbations.blur(pixels, 1, generator).std() < spread
    assert perturbations.resampling(pixels, 0.6, generator).std() < spread
    worse, better = (
        np.abs(perturbations.jpeg(pixels, strength, generator) - pixels.astype(float)).mean() for strength in (70, 5)
    )
    assert worse > better
    bordered = perturbations.border_removal(pixels, 0.1, generator)
    assert not bordered[:22].any()
    assert not bordered[:, -22:].any()
    np.testing.assert_array_equal(bordered[22:-22, 22:-22], pixels[22:-22, 22:-22])
    marked = np.zeros((101, 101, 3), np.uint8)
    marked[50, 90] = 255
    assert perturbations.rotation(marked, 90, generator)[10, 50, 0] > 200  # from the right to the top


def test_every_image_is_predicted_under_every_perturbation(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
    narrow_weights: Weights,
    random_head: Callable[..., Head],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "PERTURBATIONS", PERTURBATIONS[:2])
    files = {}
    for number in range(5):
        file = BytesIO()
        Image.fromarray(drawn(number)).save(file, "PNG")
        files[f"a/{number}.png"] = file.getvalue()
    manifest = manifest_of(classes=["a", "b"], precision="bf16")
    served = Classifier(classifier(narrow_weights, random_head(0, 2)).SerializeToString(), manifest)
    folder = image_folder(files)
    probabilities = {"probability_a": 0.9, "probability_b": 0.1}
    said = {"label": "a", "group": range(5), "predicted": "a", "reason": None, **probabilities}
    test = pd.DataFrame({"path": list(files), **said})

    table = predict_perturbed_images(folder, test, served, 0)

    assert table["perturbation"].value_counts(dropna=False).to_list() == [5, 5, 5]
    unchanged = table[table["perturbation"].isna()]
    assert (unchanged["probability_a"] == 0.9).all()  # not predicted once more
    row = table[table["perturbation"] == PERTURBATIONS[1].label].iloc[0]
    changed = PERTURBATIONS[1](folder.pixels(row["path"]), np.random.default_rng(0))
    assert served.predict([changed])[0].probabilities["a"] == pytest.approx(row["probability_a"], abs=1e-2)


def test_images_are_drawn_from_the_classes_in_turn() -> None:
    test = pd.DataFrame({"path": [f"{number:02d}" for number in range(20)], "label": ["a"] * 15 + ["b"] * 5})

    drawn, again, other = (draw_images(test, 8, seed) for seed in (0, 0, 1))

    assert drawn["label"].value_counts().to_dict() == {"a": 4, "b": 4}
    assert drawn["path"].is_monotonic_increasing
    assert drawn.index.to_list() == again.index.to_list() != other.index.to_list()
    assert len(draw_images(test, 100, 0)) == 20


def perturbed(classes: list[str], count: int = 40, flipped: int = 6) -> pd.DataFrame:
    """Predictions of which so many change under the first perturbation, and none under the others."""
    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet(np.ones(len(classes)), count)
    base = pd.DataFrame(
        {
            "perturbation": None,
            "path": [f"{number:02d}" for number in range(count)],
            "label": [classes[number % len(classes)] for number in range(count)],
            "group": range(count),
            "predicted": [classes[k] for k in probabilities.argmax(axis=1)],
            "reason": None,
        }
    )
    base[[f"probability_{name}" for name in classes]] = probabilities
    tables = [base]
    for number, perturbation in enumerate(PERTURBATIONS):
        changed = base.assign(perturbation=perturbation.label)
        if number == 0:
            moved = changed["predicted"].map(lambda name: classes[(classes.index(name) + 1) % len(classes)])
            changed["predicted"] = moved.where(changed.index < flipped, changed["predicted"])
        tables.append(changed.sample(frac=1, random_state=number))
    return pd.concat(tables, ignore_index=True)


def test_an_answer_that_is_withdrawn_has_changed_and_is_no_right_one() -> None:
    classes = ["a", "b"]
    table = perturbed(classes, flipped=0)
    table.loc[(table["perturbation"] == PERTURBATIONS[0].label) & (table["path"] < "10"), "reason"] = "not sure"

    unchanged, first, *_ = measure_robustness(table, classes, None, 0.95)

    assert (first["flipped"]["value"], first["abstained"]["value"]) == (0.25, 0.25)
    right = (table["label"] == table["predicted"]) & (table["path"] >= "10") & table["perturbation"].isna()
    assert first["accuracy"]["value"] == right.sum() / 40 < unchanged["accuracy"]["value"]


def test_changed_answers_are_counted_image_by_image_with_intervals() -> None:
    table = perturbed(["adenocarcinoma", "normal"])

    first, *others = measure_robustness(table, ["adenocarcinoma", "normal"], "normal", 0.95)

    assert [change["label"] for change in others] == [perturbation.label for perturbation in PERTURBATIONS]
    assert [change["flipped"]["value"] for change in (first, *others)] == [0.0, 6 / 40] + [0.0] * (len(others) - 1)
    assert all(change["flipped"]["n"] == 40 for change in others)
    assert others[0]["flipped"]["low"] < 6 / 40 < others[0]["flipped"]["high"]
    base = table[table["perturbation"].isna()]
    area = roc_auc_score(base["label"] == "adenocarcinoma", base["probability_adenocarcinoma"])
    assert first["roc_auc"]["value"] == pytest.approx(area, abs=1e-12)
    assert first["accuracy"]["value"] == (base["label"] == base["predicted"]).mean()
    assert all(change["roc_auc"] == first["roc_auc"] for change in others)
    assert first["abstained"]["value"] == 0


def test_more_than_two_classes_have_the_mean_area() -> None:
    classes = ["adenocarcinoma", "large_cell", "normal"]
    table = perturbed(classes)

    result = measure_robustness(table, classes, "normal", 0.95)

    base = table[table["perturbation"].isna()]
    areas = [roc_auc_score(base["label"] == name, base[f"probability_{name}"]) for name in classes]
    assert result[0]["roc_auc"]["value"] == pytest.approx(np.mean(areas), abs=1e-12)


def test_the_plot_has_a_row_for_every_perturbation() -> None:
    result = measure_robustness(perturbed(["a", "normal"]), ["a", "normal"], "normal", 0.95)
    of_more = [row | {"accuracy": row["accuracy"] | {"n": 50}} for row in result]

    figure = plot_robustness(result, 0.9)

    assert [len(trace.y) for trace in figure.data] == [len(PERTURBATIONS) + 1]  # of changed answers alone
    assert [len(trace.y) for trace in plot_robustness(of_more, 0.9).data] == [len(PERTURBATIONS) + 1] * 3
    assert figure.layout.title.text == "Robustness, 40 test images, with 90 % intervals"
