"""The images that the data report shows of each class."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image

from chest_cancer.reporting.data_report import show_training_images
from chest_cancer.sources.image_folder import ImageFolder

Folder = Callable[[dict[str, bytes]], ImageFolder]


def grey(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((300, 400), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def level_of(url: str) -> int:
    """The grey level of an image, which says which one it is."""
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert picture.size == (192, 144)
    return round(float(np.asarray(picture).mean()))


def table_of(images: ImageFolder, split: list[str], group: list[int]) -> pd.DataFrame:
    labels = [path.split("/")[0] for path in images.paths]
    return pd.DataFrame({"path": images.paths, "label": labels, "split": split, "group": group})


def test_four_training_images_of_each_class_are_shown_each_of_another_group(image_folder: Folder) -> None:
    images = image_folder({f"{label}/{n}.png": grey(10 * n) for label in "ab" for n in range(10)})
    # Of a: three are held out, five of the others are of one patient, the last two of two more.
    splits = ["test", "validation", "copy", *["train"] * 17]
    table = table_of(images, splits, [7, 8, 9, 1, 1, 1, 1, 1, 2, 3, *range(20, 30)])

    shown, again, other = (show_training_images(images, table, seed) for seed in (0, 0, 1))

    assert list(shown) == ["a", "b"]
    of_a = {level_of(url) for url in shown["a"]}
    assert of_a >= {80, 90}
    assert len(of_a & {30, 40, 50, 60, 70}) == len(of_a) - 2 == 1
    assert len(set(shown["b"])) == 4
    assert shown == again != other


def test_a_class_without_training_images_is_left_out(image_folder: Folder) -> None:
    images = image_folder({f"{label}/1.png": grey(10) for label in "ab"})

    assert list(show_training_images(images, table_of(images, ["train", "test"], [0, 1]), seed=0)) == ["a"]
