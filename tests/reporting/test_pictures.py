"""Pictures in the report."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image

from chest_cancer.network.classifier import Classifier
from chest_cancer.reporting.pictures import show_test_images
from chest_cancer.sources.image_folder import ImageFolder
from manifests import manifest_of

MANIFEST = manifest_of(classes=["a", "b"])


def grey(height: int, width: int) -> bytes:
    file = BytesIO()
    Image.fromarray(np.full((height, width, 3), 128, np.uint8)).save(file, "PNG")
    return file.getvalue()


def said(paths: tuple[str, ...], predicted: list[str]) -> pd.DataFrame:
    labels = [path.split("/")[0] for path in paths]
    return pd.DataFrame(
        {"path": paths, "label": labels, "predicted": predicted, "reason": None, "warning": None}
        | {"probability_a": 0.75, "probability_b": 0.25}
    )


def test_each_image_is_shown_beside_itself_under_the_map_of_what_was_answered(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    images = image_folder({"a/wide.png": grey(60, 120), "b/square.png": grey(60, 60)})
    evidence = np.zeros((2, 2, 7, 7), np.float32)
    evidence[0, 0, 1, 1], evidence[1, 0, 5, 5] = 1, -1  # for a, at the top left; against a, at the bottom right
    predictions = said(images.paths, ["a", "a"])

    classifier = Classifier(b"never run", MANIFEST)
    picture, _ = show_test_images(images, predictions, {"evidence": evidence}, classifier, seed=0)
    sheet = np.asarray(picture).astype(int)

    half = sheet.shape[1] // 2
    for place, height in ((0, 112), (half, 224)):
        plain, covered = sheet[22 : 22 + height, place : place + 224], sheet[22 : 22 + height, place + 229 :][:, :224]
        assert (plain == 128).all()
        colourful = np.argwhere(np.ptp(covered, axis=2) > 60)
        top, left = colourful.mean(axis=0) / (height, 224)
        red, _, blue = covered[tuple(colourful[len(colourful) // 2])]
        assert (top < 0.4, left < 0.4, red > blue) == (place == 0,) * 3
    right, wrong = (sheet[:22, place : place + half] for place in (0, half))
    assert (np.ptp(wrong, axis=2) > 60).any()
    assert not (np.ptp(right, axis=2) > 60).any()


def test_at_most_eight_images_are_shown_of_every_class(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    images = image_folder({f"{label}/{number}.png": grey(40, 40) for label in "ab" for number in range(10)})
    arrays = {"evidence": np.zeros((20, 2, 7, 7), np.float32)}

    sheet, _ = show_test_images(
        images, said(images.paths, ["a"] * 20), arrays, Classifier(b"never run", MANIFEST), seed=0
    )

    one, _ = show_test_images(
        images, said(images.paths, ["a"] * 20)[:1], arrays, Classifier(b"never run", MANIFEST), seed=0
    )
    assert sheet.size == (one.width, 4 * one.height)


def test_the_gallery_has_the_surest_errors_first_and_no_image_that_was_declined(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    images = image_folder({f"{label}/{number}.png": grey(40, 60) for label in "ab" for number in range(3)})
    predictions = said(images.paths, ["a", "b", "b", "a", "b", "a"]).assign(
        probability_a=[0.9, 0.4, 0.1, 0.8, 0.4, 0.6], probability_b=[0.1, 0.6, 0.9, 0.2, 0.6, 0.4]
    )
    predictions.loc[5, "reason"] = "not sure"
    arrays = {"evidence": np.zeros((6, 2, 7, 7), np.float32)}

    _, gallery = show_test_images(images, predictions, arrays, Classifier(b"never run", MANIFEST), seed=0)

    assert [error["path"] for error in gallery["errors"]] == ["a/2.png", "b/0.png", "a/1.png"]
    assert gallery["errors"][0]["said"] == "a, answered b (0.90)"
    assert all(error["wrong"] for error in gallery["errors"])
    assert [image["wrong"] for image in gallery["examples"]] == [False, True, True, True, False, False]
    for picture in (gallery["errors"][0]["plain"], gallery["errors"][0]["covered"]):
        assert picture.startswith("data:image/jpeg;base64,")
