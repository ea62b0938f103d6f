"""Images that are no chest CT, and the measurement of what is refused."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from chest_cancer.audits.refusal import detection
from chest_cancer.audits.refusal.detection import measure_refusal, predict_foreign_images
from chest_cancer.audits.refusal.foreign_images import KINDS, ForeignImage, foreign_images
from chest_cancer.audits.refusal.plot import plot_refusal
from chest_cancer.network.classifier import NOT_A_CHEST_CT_SLICE, NOT_SURE, Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.manifest import Limits
from chest_cancer.network.vgg16 import Weights
from chest_cancer.statistics.outlying import fit_space
from conftest import Pixels
from manifests import manifest_of


@pytest.fixture(scope="module")
def collected() -> list[ForeignImage]:
    return foreign_images(1, 40)


def test_there_are_images_of_every_kind_and_at_least_sixty_photographs_and_text_pages(
    collected: list[ForeignImage],
) -> None:
    counts = Counter(image.kind for image in collected)

    assert set(counts) == set(KINDS)
    assert counts["photograph"] + counts["text page"] >= 60
    assert all(image.pixels.dtype == np.uint8 and image.pixels.shape[2] == 3 for image in collected)
    assert min(min(image.pixels.shape[:2]) for image in collected) >= 32


def test_photographs_come_in_grey_as_well_so_that_colour_does_not_give_them_away(
    collected: list[ForeignImage],
) -> None:
    china = [image.pixels for image in collected if image.source == "china"]

    grey = [bool((pixels == pixels[:, :, :1]).all()) for pixels in china]

    assert grey == [False, True, True]
    assert china[2].size < china[1].size


def test_drawings_are_different_and_the_same_seed_draws_them_again(collected: list[ForeignImage]) -> None:
    again, other = foreign_images(1, 40), foreign_images(2, 40)

    assert all(np.array_equal(one.pixels, two.pixels) for one, two in zip(collected, again, strict=True))
    drawn = [image.pixels.tobytes() for image in collected if image.source.startswith("drawn")]
    assert len(set(drawn)) == len(drawn)
    assert not set(drawn) & {image.pixels.tobytes() for image in other if image.kind == "text page"}


def test_foreign_images_are_shown_to_the_classifier_in_order(
    vgg16_weights: Weights, random_head: Callable[..., Head], picture: Callable[..., Pixels], monkeypatch
) -> None:
    shown = [ForeignImage(kind, f"source {number}", picture(number)) for number, kind in enumerate(KINDS[:3])]
    monkeypatch.setattr(detection, "foreign_images", lambda seed, most: shown)
    monkeypatch.setattr(detection, "_BATCH", 2)
    space = fit_space(np.random.default_rng(0).random((9, 1024), dtype=np.float32))
    graph = classifier(vgg16_weights, random_head(0, 2), space).SerializeToString()
    limits = Limits(
        distance_limit=0.1, confidence_limit=0.0, validation_images=9, validation_refused=0.0, validation_unsure=0.0
    )
    manifest = manifest_of(classes=["a", "b"], abstention=limits)
    served = Classifier(graph, manifest)

    table = predict_foreign_images(served, 40, 0)

    assert table["source"].to_list() == ["source 0", "source 1", "source 2"]
    assert table["kind"].to_list() == list(KINDS[:3])
    expected = [prediction.distance for prediction in served.predict([image.pixels for image in shown])]
    np.testing.assert_allclose(table["distance"], expected, rtol=1e-4)
    assert (table["reason"] == NOT_A_CHEST_CT_SLICE).all()


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    test = pd.DataFrame(
        {
            "label": ["a"] * 10,
            "predicted": ["a"] * 6 + ["b"] + ["a", "b", "b"],
            "group": range(10),
            "distance": np.linspace(0.9, 1.2, 10),
            "reason": [None] * 7 + [NOT_SURE, NOT_SURE, NOT_A_CHEST_CT_SLICE],
        }
    )
    rows = [(kind, f"{number // 3}", 5.0, NOT_A_CHEST_CT_SLICE) for kind in KINDS for number in range(6)]
    foreign = pd.DataFrame(rows, columns=["kind", "source", "distance", "reason"])
    foreign.loc[0, "reason"] = None
    foreign.loc[6, "reason"] = NOT_SURE
    return test, foreign


def test_refused_images_are_counted_for_each_kind() -> None:
    result = measure_refusal(tables()[1], confidence=0.95)

    assert result["kinds"]["photograph"]["refused"]["value"] == pytest.approx(5 / 6)
    assert result["kinds"]["chart"]["refused"]["value"] == 1
    assert result["photographs_and_text"]["refused"]["value"] == pytest.approx(10 / 12)
    assert result["photographs_and_text"]["refused"]["n"] == 12


def test_so_many_images_of_each_kind_are_shown() -> None:
    assert Counter(image.kind for image in foreign_images(1, 2)) == dict.fromkeys(KINDS, 2)


def test_crops_of_one_photograph_do_not_count_as_independent() -> None:
    result = measure_refusal(tables()[1], confidence=0.95)

    assert result["kinds"]["chart"]["sources"] == 2
    assert result["photographs_and_text"]["sources"] == 4
    assert result["kinds"]["chart"]["refused"]["low"] < 0.4  # six independent images would give 0.61


def test_the_plot_shows_every_image_and_the_limit() -> None:
    test, foreign = tables()

    figure = plot_refusal(test, foreign, 2.0)

    assert sum(len(trace.x) for trace in figure.data) == len(test) + len(foreign)
    assert figure.layout.shapes[0].x0 == 2.0
