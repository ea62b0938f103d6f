"""Images that are no chest CT, and the measurement of what is refused."""

from collections import Counter
from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.audits.refusal import detection
from chest_cancer.audits.refusal.detection import (
    measure_chests,
    measure_refusal,
    measure_trade,
    predict_foreign_images,
)
from chest_cancer.audits.refusal.foreign_chests import DRAWN, IN_ANOTHER_WINDOW, PADDED, foreign_chests
from chest_cancer.audits.refusal.foreign_images import KINDS, ForeignImage, foreign_images
from chest_cancer.audits.refusal.plot import plot_refusal, plot_trade
from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.manifest import Limits
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import StandardisationParameters
from chest_cancer.parameters.values import Window
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.outlying import fit_space
from conftest import Pixels
from manifests import manifest_of
from volume_files import ct_slice, phantom


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


def test_drawings_are_different_and_the_same_seed_draws_them_again_as_many_as_are_asked_for(
    collected: list[ForeignImage],
) -> None:
    again, other = foreign_images(1, 2), foreign_images(2, 2)

    assert Counter(image.kind for image in again) == dict.fromkeys(KINDS, 2)
    firsts = [image for kind in KINDS for image in [image for image in collected if image.kind == kind][:2]]
    assert all(np.array_equal(one.pixels, two.pixels) for one, two in zip(firsts, again, strict=True))
    drawn = [image.pixels.tobytes() for image in collected if image.source.startswith("drawn")]
    assert len(set(drawn)) == len(drawn)
    assert not set(drawn) & {image.pixels.tobytes() for image in other if image.kind == "text page"}


def test_foreign_images_are_shown_to_the_classifier_in_order(
    narrow_weights: Weights, random_head: Callable[..., Head], picture: Callable[..., Pixels], monkeypatch
) -> None:
    shown = [ForeignImage(kind, f"source {number}", picture(number)) for number, kind in enumerate(KINDS[:3])]
    monkeypatch.setattr(detection, "_BATCH", 2)
    space = fit_space(np.random.default_rng(0).random((9, 1024), dtype=np.float32))
    graph = classifier(narrow_weights, random_head(0, 2), space).SerializeToString()
    limits = Limits(
        distance_limit=0.1, confidence_limit=0.0, validation_images=9, validation_refused=0.0, validation_unsure=0.0
    )
    manifest = manifest_of(classes=["a", "b"], abstention=limits)
    served = Classifier(graph, manifest)

    table = predict_foreign_images(served, shown)

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
    foreign = pd.DataFrame(rows, columns=["kind", "source", "distance", "reason"]).assign(warning=None)
    foreign.loc[0, "reason"] = None
    foreign.loc[6, "reason"] = NOT_SURE
    return test, foreign


def test_refused_images_are_counted_for_each_kind() -> None:
    result = measure_refusal(tables()[1], confidence=0.95)

    assert result["kinds"]["photograph"]["refused"]["value"] == pytest.approx(5 / 6)
    assert result["kinds"]["chart"]["refused"]["value"] == 1
    assert result["photographs_and_text"]["refused"]["value"] == pytest.approx(10 / 12)
    assert result["photographs_and_text"]["refused"]["n"] == 12


def test_crops_of_one_photograph_do_not_count_as_independent() -> None:
    result = measure_refusal(tables()[1], confidence=0.95)

    assert result["kinds"]["chart"]["sources"] == 2
    assert result["photographs_and_text"]["sources"] == 4
    assert result["kinds"]["chart"]["refused"]["low"] < 0.4  # six independent images would give 0.61


def chests() -> pd.DataFrame:
    """Six of each kind: drawn ones at 1 to 3.5, in another window at 5, padded ones at 1."""
    rows = [(DRAWN, f"{number // 2}", 1 + number / 2, None, None if number < 2 else "far") for number in range(6)]
    rows += [(IN_ANOTHER_WINDOW, f"{number}", 5.0, NOT_A_CHEST_CT_SLICE, None) for number in range(6)]
    rows += [(PADDED, f"{number}", 1.0, None, None) for number in range(6)]
    return pd.DataFrame(rows, columns=["kind", "source", "distance", "reason", "warning"])


LIMITS = Limits(
    distance_limit=4.0, usual_distance=1.6, confidence_limit=0.0, validation_images=9, validation_refused=0.0,
    validation_unusual=0.0, validation_unsure=0.0,
)  # fmt: skip


def test_chest_ct_unlike_the_training_images_is_answered_with_and_without_a_probability_or_declined() -> None:
    found = measure_chests(chests(), confidence=0.95)

    assert set(found) == {"foreign", DRAWN, IN_ANOTHER_WINDOW, PADDED}
    values = {kind: [found[kind][name]["value"] for name in ("probable", "warned", "declined")] for kind in found}
    assert values[DRAWN] == pytest.approx([2 / 6, 4 / 6, 0])
    assert values[IN_ANOTHER_WINDOW] == [0, 0, 1]
    assert values[PADDED] == [1, 0, 0]
    # Padded slices are own ones.
    assert values["foreign"] == pytest.approx([2 / 12, 4 / 12, 6 / 12])
    assert (found["foreign"]["sources"], found["foreign"]["probable"]["n"]) == (9, 12)


def test_the_trade_of_own_slices_for_foreign_ones_rises_and_falls_and_holds_the_limits_that_are_served() -> None:
    trade = measure_trade(tables()[0].assign(distance=np.linspace(0.5, 2, 10)), chests(), LIMITS, confidence=0.95)

    by_limit = pd.DataFrame(trade).set_index("limit")
    own, foreign = (by_limit[name].map(lambda figure: figure["value"]) for name in ("own_beyond", "foreign_within"))
    assert own.is_monotonic_decreasing
    assert foreign.is_monotonic_increasing
    assert (own.iloc[0], own.iloc[-1], foreign.iloc[0], foreign.iloc[-1]) == (pytest.approx(0.9), 0, 0, 1)
    assert by_limit["served"].dropna().to_dict() == {1.6: "usual", 4.0: "refused"}
    assert (own[1.6], foreign[1.6], foreign[4.0]) == (pytest.approx(0.3), pytest.approx(2 / 12), 0.5)
    assert [len(line.x) for line in plot_trade(trade).data] == [len(trade), 1, 1]


def test_an_older_classifier_has_one_limit() -> None:
    older = LIMITS.model_copy(update={"usual_distance": None})

    trade = measure_trade(tables()[0], chests(), older, confidence=0.95)

    assert [point["limit"] for point in trade if point["served"]] == [4.0]
    assert len(plot_refusal(*tables(), older).layout.shapes) == 1


def test_foreign_chests_are_drawn_by_another_scanner_and_own_slices_in_another_window_and_frame(
    image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    own = Image.fromarray(picture(0, 40, 60))
    file = BytesIO()
    own.save(file, "PNG")
    served = SimpleNamespace(manifest=manifest_of(), standardisation=StandardisationParameters())
    table = pd.DataFrame({"path": ["a.png"], "label": ["normal"], "group": [3]})

    found = foreign_chests(served, image_folder({"a.png": file.getvalue()}), table, 0, 2)

    assert [image.kind for image in found] == [DRAWN, DRAWN, IN_ANOTHER_WINDOW, PADDED]
    assert found[0].source == "patient 1000000"  # of scanner b: phantoms of a are what the classifier was trained on
    window, frame = found[2].pixels, found[3].pixels
    assert window.max() <= 198
    assert window.mean() < np.asarray(own).mean()
    assert frame.shape == (78, 78, 3)
    np.testing.assert_array_equal(frame[19:59, 9:69], np.asarray(own))


@pytest.mark.parametrize(
    ("window", "other"),
    [("lung", "mediastinum"), ("mediastinum", "lung"), ("file", "lung"), ((40.0, 350.0), "lung"), ("bone", "lung")],
)
def test_ct_is_shown_through_a_window_that_the_classifier_does_not_look_through(
    image_folder: Callable[[dict[str, bytes]], ImageFolder], window: Window, other: str
) -> None:
    folder = image_folder({"a.dcm": ct_slice(phantom(), 0.0, WindowCenter=40, WindowWidth=400)})
    served = SimpleNamespace(manifest=manifest_of(), standardisation=StandardisationParameters(window=window))
    table = pd.DataFrame({"path": ["a.dcm"], "label": ["normal"], "group": [3]})

    found = foreign_chests(served, folder, table, 0, 1)

    (shown,) = [image.pixels for image in found if image.kind == IN_ANOTHER_WINDOW]
    np.testing.assert_array_equal(shown, folder.pixels("a.dcm", window=other))


def test_the_plot_shows_every_image_and_the_limits() -> None:
    test, foreign = tables()

    figure = plot_refusal(test, foreign, LIMITS)

    assert sum(len(trace.x) for trace in figure.data) == len(test) + len(foreign)
    assert [shape.x0 for shape in figure.layout.shapes] == [1.6, 4.0]
