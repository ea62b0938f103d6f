"""Stored features of a split's images, with classes and groups."""

import numpy as np
import pandas as pd

from chest_cancer.network.features import embeddings_of, label_features

TABLE = pd.DataFrame(
    [
        ("c", "normal", 7, "train"),
        ("a", "adenocarcinoma", 5, "validation"),
        ("b", "normal", 5, "copy"),
        ("d", "adenocarcinoma", 9, "train"),
    ],
    columns=["pixel_sha256", "label", "group", "split"],
)
ARRAYS = {
    "pixel_sha256": np.array(["a", "b", "c", "d", "elsewhere"], dtype="U64"),
    "embedding": np.arange(10, dtype=np.float32).reshape(5, 2),
}


def test_features_keep_the_order_in_which_they_are_stored_and_find_their_class_and_group() -> None:
    inputs, numbers, groups, _ = label_features(ARRAYS, TABLE, "train", "validation")

    np.testing.assert_array_equal(inputs, [[0, 1], [4, 5], [6, 7]])
    assert numbers.tolist() == [0, 1, 0]
    assert groups.tolist() == [5, 7, 9]


def test_each_view_of_an_image_has_its_class() -> None:
    views = {"pixel_sha256": np.array(["d", "c", "d"], dtype="U64"), "embedding": ARRAYS["embedding"][:3]}

    assert label_features(views, TABLE, "train").numbers.tolist() == [0, 1, 0]


def test_maps_at_the_cut_come_before_pooled_features() -> None:
    maps = np.arange(5 * 4, dtype=np.float32).reshape(5, 2, 2, 1)

    inputs = label_features(ARRAYS | {"features": maps}, TABLE, "validation").inputs

    np.testing.assert_array_equal(inputs, maps[:1])


def test_a_split_without_images_is_empty() -> None:
    inputs, numbers, groups, _ = label_features(ARRAYS, TABLE, "test")

    assert inputs.shape == (0, 2)
    assert numbers.size == groups.size == 0


def test_the_embedding_of_each_file_is_found_copies_among_them() -> None:
    files = pd.DataFrame({"pixel_sha256": ["d", "a", "d"]})

    np.testing.assert_array_equal(embeddings_of(files, ARRAYS), [[6, 7], [0, 1], [6, 7]])
