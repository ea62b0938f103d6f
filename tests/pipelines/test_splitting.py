"""Splits: every class in each, no group in two, and a brought split kept minus its leaks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chest_cancer.parameters.blocks import SplitParameters
from chest_cancer.pipelines.feature_extraction.splitting import check_no_group_crosses, split_by_group
from chest_cancer.sources.split_names import SPLITS
from properties import examples

SHARES = SplitParameters()


def table(rows: list[tuple[str, int, str | None]], pixels: list[str] | None = None) -> pd.DataFrame:
    """Rows of (label, group, source split), typed as data_ingestion types them."""
    frame = pd.DataFrame(rows, columns=["label", "group", "source_split"])
    frame["pixel_sha256"] = pixels or [f"{number:064x}" for number in range(len(rows))]
    frame["patient"] = frame["study"] = None
    frame["path"] = [f"image_{number}.png" for number in range(len(rows))]
    text = pd.StringDtype(na_value=float("nan"))
    return frame.astype({"label": text, "source_split": text, "pixel_sha256": text, "path": text})


def singles(**counts: int) -> pd.DataFrame:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return table([(label, group, None) for group, label in enumerate(labels)])


@examples(20, 200)
@given(
    sizes=st.dictionaries(
        st.sampled_from("abc"), st.lists(st.integers(1, 6), min_size=3, max_size=25), min_size=1, max_size=3
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_class_is_in_every_split_and_no_group_crosses(sizes: dict[str, list[int]], seed: int) -> None:
    groups = [(label, size) for label, counts in sizes.items() for size in counts]
    images = table([(label, group, None) for group, (label, size) in enumerate(groups) for _ in range(size)])

    images["split"] = split_by_group(images, SHARES, seed)

    assert set(images["split"]) == set(SPLITS)
    for label in sizes:
        assert set(images.loc[images["label"] == label, "split"]) == set(SPLITS)
    assert images.groupby("group")["split"].nunique().max() == 1
    check_no_group_crosses(images)


@pytest.mark.parametrize(
    ("validation", "test"), [(0.2, 0.2), (0.1, 0.3), (0.45, 0.1)], ids=["defaults", "large test", "large validation"]
)
def test_shares_are_near_their_targets_in_each_class(validation: float, test: float) -> None:
    images = singles(normal=100, adenocarcinoma=60)

    splits = split_by_group(images, SplitParameters(validation=validation, test=test), seed=3)

    wanted = pd.Series({"train": 1 - validation - test, "validation": validation, "test": test})
    for label, count in images["label"].value_counts().items():
        received = splits[images["label"] == label].value_counts()
        assert (received - wanted * count).abs().max() <= 1.5


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    images = singles(a=30, b=30)

    first, again, other = (split_by_group(images, SHARES, seed) for seed in (1, 1, 2))

    assert first.equals(again)
    assert not first.equals(other)


def test_the_split_of_the_source_is_kept() -> None:
    images = table([(label, 3 * i + k, split) for k, label in enumerate("ab") for i, split in enumerate(SPLITS)])

    assert split_by_group(images, SHARES, 0).tolist() == images["source_split"].tolist()


def test_twins_of_images_that_measure_leave_training() -> None:
    images = table(
        [
            ("a", 0, "train"), ("a", 0, "test"),  # an exact twin
            ("a", 1, "train"), ("a", 1, "validation"),  # a near twin
            ("a", 2, "validation"), ("a", 2, "test"), ("a", 2, "train"),
            ("a", 3, "train"), ("a", 4, "validation"), ("a", 5, "test"),
        ],
        pixels=["same", "same", *"cdefghij"],
    )  # fmt: skip

    images["split"] = split_by_group(images, SHARES, 0)

    assert images["split"].tolist() == [
        "leak", "test", "leak", "validation", "leak", "test", "leak", "train", "validation", "test",
    ]  # fmt: skip
    check_no_group_crosses(images)


def test_further_copies_of_the_same_pixels_count_once() -> None:
    images = table([("a", group, None) for group in (0, 0, 0, 1, 2, 3)], pixels=["x", "x", "y", "z", "v", "w"])

    splits = split_by_group(images, SHARES, 0)

    assert splits.tolist()[1] == "copy"
    assert (splits == "copy").sum() == 1
    assert splits[0] == splits[2]


def test_copies_within_a_brought_split_count_once_and_are_no_leaks() -> None:
    images = table([("a", g, s) for g, s in [(0, "train"), (0, "train"), (1, "validation"), (2, "test"), (2, "test")]],
                   pixels=["x", "x", "y", "z", "z"])  # fmt: skip

    assert split_by_group(images, SHARES, 0).tolist() == ["train", "copy", "validation", "test", "copy"]


def test_splits_that_the_source_lacks_are_taken_from_its_training_images() -> None:
    rows = [("a", group, "train") for group in range(40)] + [("a", group, "test") for group in range(40, 50)]

    splits = split_by_group(table(rows), SHARES, 0)

    assert (splits[:40] == "validation").sum() == 8
    assert (splits[:40] == "train").sum() == 32
    assert (splits[40:] == "test").all()


def test_images_outside_of_the_brought_splits_are_trained_on() -> None:
    rows = [("a", 0, "train"), ("a", 1, "validation"), ("a", 2, "test"), ("a", 3, None), ("a", 2, None)]

    assert split_by_group(table(rows), SHARES, 0).tolist() == ["train", "validation", "test", "train", "test"]


def test_too_few_groups_are_refused_with_what_to_do() -> None:
    images = table([("a", g, None) for g in range(5)] + [("b", 5, None), ("b", 6, None), ("b", 6, None)])

    with pytest.raises(
        ValueError, match=r"Class `b` has 2 group\(s\) of distinct images: expected at least 3, .*Add images"
    ):
        split_by_group(images, SHARES, 0)


@pytest.mark.parametrize("missing", SPLITS)
def test_a_brought_split_that_lacks_a_class_is_refused(missing: str) -> None:
    rows = [("a", i, split) for i, split in enumerate(SPLITS)]
    rows += [("b", 3 + i, split) for i, split in enumerate(SPLITS) if split != missing]

    with pytest.raises(ValueError, match="Class `b`"):
        split_by_group(table(rows), SHARES, 0)


def test_a_class_whose_training_images_are_all_leaks_is_refused() -> None:
    rows = [("a", i, split) for i, split in enumerate(SPLITS)]
    rows += [("b", 3, "train"), ("b", 3, "test"), ("b", 4, "validation")]

    with pytest.raises(ValueError, match="Class `b`"):
        split_by_group(table(rows), SHARES, 0)


@examples(20, 200)
@given(seed=st.integers(0, 2**32 - 1), own=st.integers(0, 6))
def test_a_class_that_shares_groups_with_another_is_in_every_split_or_refused(seed: int, own: int) -> None:
    shared = [("a", group, None) for group in range(9) for _ in range(3)] + [("b", 0, None)]
    images = table(shared + [("b", 9 + group, None) for group in range(own)])

    if own < len(SPLITS):
        with pytest.raises(ValueError, match="Class `b` has"):
            split_by_group(images, SHARES, seed)
    else:
        splits = split_by_group(images, SHARES, seed)
        assert set(SPLITS) <= set(splits[images["label"] == "b"])


def test_the_guard_stops_at_a_planted_crossing_and_shows_it() -> None:
    images = singles(a=12)
    images["split"] = split_by_group(images, SHARES, 0)
    test = images.index[images["split"] == "test"][0]
    train = images.index[images["split"] == "train"][0]
    images.loc[test, "group"] = images.loc[train, "group"]

    with pytest.raises(ValueError, match=r"Found 1 with the same `group` in more than one split.*image_\d+\.png"):
        check_no_group_crosses(images)


def test_the_guard_lets_leaks_and_copies_pass() -> None:
    images = table([("a", 0, None)] * 3)
    images["split"] = ["test", "leak", "copy"]

    check_no_group_crosses(images)


@examples(20, 200)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_brought_split_comes_out_without_crossings(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = 40
    rows = [
        (str(generator.choice(["a", "b"])), int(generator.integers(0, 30)), str(generator.choice([*SPLITS, "none"])))
        for _ in range(count)
    ]
    images = table([(label, group, None if split == "none" else split) for label, group, split in rows])
    try:
        images["split"] = split_by_group(images, SHARES, seed)
    except ValueError:
        assume(False)

    check_no_group_crosses(images)
    assert set(images[images["source_split"] == "test"]["split"]) <= {"test", "copy"}
    assert set(images[images["source_split"] == "validation"]["split"]) <= {"validation", "copy", "leak"}
