"""What audits of the data share: the same images for all, folds, scores and looks."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.audits.sample import look_at, sample_images
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.storage.arrays import Arrays


def data(images: int, copies: int = 0) -> tuple[pd.DataFrame, Arrays]:
    """Pairs of images in a group, the first `copies` images twice."""
    files = np.concatenate([np.arange(images), np.arange(copies)])
    table = pd.DataFrame(
        {
            "path": [f"{file}.png" for file in range(len(files))],
            "label": np.array(["normal", "tumour"])[files // 2 % 2],
            "pixel_sha256": [f"{file:064x}" for file in files],
            "group": files // 2,
        }
    )
    embedding = np.arange(images, dtype=np.float32)[:, None] * np.ones(8, np.float32)
    # Features are stored in another order than the files.
    order = np.arange(images)[::-1]
    return table, {"pixel_sha256": table["pixel_sha256"].to_numpy()[order], "embedding": embedding[order]}


def test_files_know_their_image_and_images_their_embedding() -> None:
    sample = sample_images(*data(40, copies=6), 0)

    assert sample.image_of_file.tolist() == [*range(40), *range(6)]
    assert sample.embeddings[:, 0].tolist() == list(range(40))
    assert (len(sample.files), len(sample.images), sample.left_out) == (46, 40, 0)
    assert sample.cross_validated is not None
    assert sample.cross_validated.scores.shape == (5, 40, 2)
    for folds in sample.cross_validated.draws:
        for train, test in folds:
            assert not set(sample.groups[train]) & set(sample.groups[test])


def test_a_class_of_one_group_has_no_scores() -> None:
    assert sample_images(*data(4), 0).cross_validated is None


def test_large_data_leave_out_whole_groups() -> None:
    sample = sample_images(*data(3200, copies=200), 0)

    assert len(sample.files) <= 3000
    assert sample.left_out == 3200 - len(sample.images)
    assert (sample.images.groupby("group").size() == 2).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_group_that_holds_most_of_large_data_leaves_room_for_the_others(seed: int) -> None:
    table, features = data(4000)
    table["group"] = np.maximum(table["group"] - 1700, 0)

    sample = sample_images(table, features, seed)

    assert (sample.groups == 0).sum() <= 300
    assert len(np.unique(sample.groups)) >= 290
    assert set(sample.numbers) == {0, 1}
    assert sample.left_out == 4000 - len(sample.images)


@pytest.mark.parametrize("rare", ["a rare one", "the rare one"])
def test_a_rare_class_of_large_data_is_measured_like_the_others(rare: str) -> None:
    table, features = data(12_000)
    table["group"] = np.arange(12_000) // 50
    # Five of 240 patients: a draw at random has none of them in a quarter of the seeds.
    table.loc[table["group"] % 48 == 0, "label"] = rare

    for seed in range(8):
        sample = sample_images(table, features, seed)

        assert sample.images.groupby("label")["group"].nunique()[rare] == 5
        assert len(sample.images) == 3000
        assert sample.cross_validated is not None
        assert sample.cross_validated.scores.shape[2] == 3


def test_looks_are_those_of_the_images_in_their_order(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> None:
    files = {}
    for grey in range(4):
        file = BytesIO()
        Image.new("L", (40, 40), 60 * grey).save(file, "PNG")
        files[f"{grey}.png"] = file.getvalue()

    looks = look_at(image_folder(files), sample_images(*data(4), 0), "lung")

    assert looks["thumbnail"][:, 0].tolist() == [0, 60, 120, 180]
    assert looks["black"].shape == (4,)
