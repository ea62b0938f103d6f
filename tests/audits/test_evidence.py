"""Checks of evidence maps: against masks, against deletions, and against a head that learned nothing."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chest_cancer.audits.evidence import agreement
from chest_cancer.audits.evidence.agreement import (
    compare_with_masks,
    delete_cells,
    measure_deletion,
    measure_overlaps,
)
from chest_cancer.audits.evidence.audit import find_limitations
from chest_cancer.audits.evidence.maps import (
    OVERLAPS,
    blur_cells,
    lesion_cells,
    overlap,
    shuffle_head,
)
from chest_cancer.audits.evidence.plot import plot_deletion
from chest_cancer.imaging.frame import Frame
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.heads.kernel import KernelHead
from chest_cancer.network.runtime import Network
from chest_cancer.network.vgg16 import Weights
from chest_cancer.sources.image_folder import LESION_MASKS, ImageFolder
from conftest import Pixels
from manifests import manifest_of


def test_a_mask_of_any_size_becomes_the_cells_that_it_touches() -> None:
    mask = np.zeros((70, 140), dtype=bool)
    mask[9:11, 139] = True

    cells = lesion_cells(mask)

    assert np.argwhere(cells).tolist() == [[0, 6], [1, 6]]


def test_a_mask_is_seen_through_the_frame_that_the_network_saw() -> None:
    mask = np.zeros((100, 200), dtype=bool)
    mask[40:44, 150:152] = True
    mask[0, 0] = True  # not in the frame

    cells = lesion_cells(mask, Frame(0.5, -0.25, 1.0, 0.75))

    # The frame spans columns 100 to 200 and rows -25 to 75: row 40 is at 0.65 of it, column 150 at 0.5.
    assert np.argwhere(cells).tolist() == [[4, 3]]
    assert not lesion_cells(mask, Frame(0.9, 0.6, 1.0, 0.8)).any()


def test_evidence_on_the_lesion_scores_and_evidence_far_away_does_not() -> None:
    lesion = np.zeros((7, 7), dtype=bool)
    lesion[2, 2:4] = True
    far = np.zeros((7, 7))
    far[6, 6] = 1.0
    beside = np.zeros((7, 7))
    beside[3, 4] = 1.0

    on, near, off = (overlap(cells, lesion) for cells in (lesion.astype(float) - 0.1, beside, far))

    assert [on[name] for name in OVERLAPS] == [1, 1, pytest.approx(1), 1]
    assert [near[name] for name in OVERLAPS[:3]] == [1, 0, 0]
    assert [off[name] for name in OVERLAPS[:3]] == [0, 0, 0]
    assert on["pointing_chance"] == 12 / 49
    assert on["inside_chance"] == 2 / 49


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 48), min_size=1, max_size=48))
def test_chance_is_what_a_peak_in_every_cell_in_turn_reaches(numbers: set[int]) -> None:
    lesion = np.isin(np.arange(49), list(numbers)).reshape(7, 7)

    scores = [overlap(np.eye(49)[number].reshape(7, 7), lesion) for number in range(49)]

    for name in ("pointing", "pointing_exact", "inside"):
        assert np.mean([score[name] for score in scores]) == pytest.approx(scores[0][f"{name}_chance"])


def test_a_map_without_evidence_for_the_class_has_none_inside() -> None:
    assert overlap(-np.ones((7, 7)), np.eye(7, dtype=bool))["inside"] == 0


def test_only_the_chosen_cells_are_blurred(picture: Callable[..., Pixels]) -> None:
    pixels = picture(3, 140, 70)

    changed = (blur_cells(pixels, np.array([0, 48])) != pixels).any(axis=2)

    assert changed[:20, :10].mean() > 0.9
    assert changed[-20:, -10:].mean() > 0.9
    assert not changed[:20, 10:].any()
    assert not changed[20:-20].any()
    np.testing.assert_array_equal(blur_cells(pixels, np.array([], dtype=int)), pixels)


@pytest.mark.parametrize("hidden", [None, 6])
def test_a_shuffled_head_is_still_a_head_and_its_maps_are_others(
    narrow_weights: Weights, random_head: Callable[..., Head], picture: Callable[..., Pixels], hidden: int | None
) -> None:
    head = random_head(1, 2, hidden)
    graph = classifier(narrow_weights, head).SerializeToString()
    batch = np.stack([picture(1), picture(2)])

    before, after = (Network(each, "fp32")(batch) for each in (graph, shuffle_head(graph, 0)))

    np.testing.assert_allclose(before["embedding"], after["embedding"], rtol=1e-5)
    assert np.abs(np.corrcoef(before["evidence"].ravel(), after["evidence"].ravel())[0, 1]) < 0.9
    if hidden is None:
        # What is shuffled is evidence for what is said: up to what the average features get, the same for all images.
        average = np.log(after["probabilities"]) - after["evidence"].sum(axis=(2, 3))
        np.testing.assert_allclose(np.diff(average - average[:1], axis=1), 0, atol=1e-3)


def test_what_the_landmarks_of_a_kernel_head_say_is_shuffled(
    narrow_weights: Weights, picture: Callable[..., Pixels]
) -> None:
    generator = np.random.default_rng(3)
    landmarks, weights = (generator.standard_normal(size).astype(np.float32) for size in ((7, 1024), (7, 2)))
    mean, deviation = np.zeros(1024, np.float32), np.full(1024, 50, np.float32)
    head = KernelHead(mean, deviation, landmarks, 1 / 1024, weights, np.zeros(2, np.float32), mean + 1, 1.0)
    graph = classifier(narrow_weights, head).SerializeToString()

    before, after = (Network(each, "fp32")(picture(1)[None]) for each in (graph, shuffle_head(graph, 0)))

    assert np.abs(np.corrcoef(before["evidence"].ravel(), after["evidence"].ravel())[0, 1]) < 0.9
    np.testing.assert_allclose(after["probabilities"].sum(axis=1), 1, rtol=1e-5)


@pytest.fixture
def folder(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> ImageFolder:
    """Four images, of which three have a mask, one of them empty."""

    def png(array: np.ndarray) -> bytes:
        file = BytesIO()
        Image.fromarray(array).save(file, "PNG")
        return file.getvalue()

    generator = np.random.default_rng(0)
    files = {}
    for number in range(4):
        files[f"a/{number}.png"] = png(generator.integers(0, 256, (60, 60, 3), dtype=np.uint8))
        if number < 3:
            mask = np.zeros((60, 60), dtype=bool)
            mask[10:20, 30:40] = number > 0
            files[f"{LESION_MASKS}/a/{number}.png"] = png(mask)
    return image_folder(files)


def test_maps_are_compared_with_masks_where_the_answer_is_right_and_there_is_a_lesion(
    folder: ImageFolder, narrow_weights: Weights, random_head: Callable[..., Head]
) -> None:
    manifest = manifest_of(classes=["a", "b"])
    served = Classifier(classifier(narrow_weights, random_head(0, 2)).SerializeToString(), manifest)
    test = pd.DataFrame({"path": folder.paths, "label": "a", "group": range(4), "predicted": "a"})
    test.loc[1, "label"] = "another"
    maps = np.zeros((4, 2, 7, 7), np.float32)
    maps[2, 0, 1, 4] = 1.0  # pixels 9 to 17 and 35 to 42: in the lesion
    maps[1, 0, 6, 6] = 1.0

    compared = compare_with_masks(folder, test, maps, served)

    # No mask that is empty, none of a false answer, none where there is no file.
    assert compared["path"].to_list() == [folder.paths[2]]
    assert compared["group"].to_list() == [2]
    assert compared[["pointing", "pointing_exact", "inside"]].iloc[0].to_list() == [1, 1, 1]
    assert compared["pointing_exact_chance"].item() < compared["pointing_chance"].item() < 0.5


def test_a_lesion_is_looked_for_in_the_part_of_the_image_that_the_network_saw(image_folder) -> None:
    """The body fills the right half; one lesion is in it, the other is in the air beside it."""
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, 60:] = 150
    masks = np.zeros((2, 60, 120), dtype=bool)
    masks[0, 30:38, 90:98] = True  # the body's centre
    masks[1, 30:38, 10:18] = True
    files = {}
    for number, mask in enumerate(masks):
        for name, array in ((f"a/{number}.png", pixels), (f"{LESION_MASKS}/a/{number}.png", mask)):
            file = BytesIO()
            Image.fromarray(array).save(file, "PNG")
            files[name] = file.getvalue()
    standardisation = {"brightness": "none", "crop": "body"}
    manifest = manifest_of(classes=["a", "b"], standardisation=standardisation)
    test = pd.DataFrame({"path": ["a/0.png", "a/1.png"], "label": "a", "group": range(2), "predicted": "a"})
    maps = np.zeros((2, 2, 7, 7), np.float32)
    maps[:, 0, 3, 3] = 1.0

    compared = compare_with_masks(image_folder(files), test, maps, Classifier(b"never run", manifest))

    assert compared["path"].to_list() == ["a/0.png"]
    assert compared["pointing_exact"].to_list() == [1]


def test_cells_are_deleted_in_every_image_the_same_way_for_the_same_seed(
    folder: ImageFolder, narrow_weights: Weights, random_head: Callable[..., Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "_RANDOM_DRAWS", 1)
    manifest = manifest_of(classes=["a", "b"], precision="bf16")
    served = Classifier(classifier(narrow_weights, random_head(0, 2)).SerializeToString(), manifest)
    answers = served.predict([folder.pixels(path) for path in folder.paths])
    said = {f"probability_{name}": [answer.probabilities[name] for answer in answers] for name in ("a", "b")}
    predicted = [answer.leaning for answer in answers]
    test = pd.DataFrame({"path": folder.paths, "group": range(4), "predicted": predicted, **said})
    maps = np.stack([answer.evidence for answer in answers])

    deleted = delete_cells(folder, test, maps, served, 0)

    assert deleted["path"].to_list() == list(folder.paths)
    assert deleted[["strongest", "random", "shuffled_correlation"]].notna().all(axis=None)
    assert (deleted["strongest"] != deleted["random"]).all()
    pd.testing.assert_frame_equal(deleted, delete_cells(folder, test, maps, served, 0))


def deletions(advantage: float, count: int = 30) -> pd.DataFrame:
    generator = np.random.default_rng(2)
    random = generator.normal(0.2, 0.1, count)
    paths = [str(number) for number in range(count)]
    strongest = random + advantage * generator.random(count)
    return pd.DataFrame({"path": paths, "group": range(count), "random": random, "strongest": strongest})


def test_overlaps_have_intervals_and_what_chance_would_give() -> None:
    columns = {f"{name}{end}": 0.25 for name in OVERLAPS for end in ("", "_chance")}
    compared = pd.DataFrame({"path": "x", "group": range(30), **columns}).assign(pointing=np.arange(30) % 5 > 0)

    result = measure_overlaps(compared, 0.95)

    assert result is not None
    assert result["pointing"]["measured"]["value"] == pytest.approx(0.8)
    assert result["pointing"]["measured"]["low"] < 0.7
    assert result["pointing"]["measured"]["n"] == 30
    assert result["pointing"]["chance"] == 0.25
    assert measure_overlaps(compared[:0], 0.95) is None


def test_a_map_that_matters_passes_the_deletion_test() -> None:
    result = measure_deletion(deletions(0.5))

    assert result["p"] < 0.01
    assert result["strongest"] > result["random"]
    assert result["n"] == result["groups"] == 30


def test_maps_that_say_nothing_fail_the_deletion_test() -> None:
    assert measure_deletion(deletions(-0.5))["p"] > 0.9
    assert measure_deletion(deletions(0.0))["p"] == 1.0


def test_slices_of_one_group_count_once_in_the_deletion_test() -> None:
    deletion = measure_deletion(deletions(0.5).assign(group=np.arange(30) // 10))

    assert deletion["n"] == 30
    assert deletion["groups"] == 3
    assert deletion["p"] == 0.125  # the smallest that three groups can give


@pytest.mark.parametrize(("groups", "words"), [(6, "0.01 or less, which takes 7 groups at least."), (7, None)])
def test_groups_that_are_too_few_for_the_deletion_test_are_called_so(groups: int, words: str | None) -> None:
    deletion = measure_deletion(deletions(0.5, count=12 * groups).assign(group=np.arange(12 * groups) // 12))

    (found,) = find_limitations({"overlaps": None, "deletion": deletion})

    assert deletion["p"] == 0.5**groups
    assert found.text.endswith(words or "so whether the map shows disease is unknown.")


def test_the_plot_has_a_point_for_every_image() -> None:
    assert len(plot_deletion(deletions(0.5)).data[1].x) == 30
