"""Pictures in the report: slices, alone and under their evidence maps."""

from collections.abc import Hashable
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from chest_cancer.imaging.evidence import cover, draw_evidence
from chest_cancer.imaging.frame import SIDE
from chest_cancer.imaging.pictures import picture_url
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.explanation import explain
from chest_cancer.network.predictions import probability_columns
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.sampling import draw_images
from chest_cancer.storage.arrays import Arrays

_IMAGES, _COLUMNS = 8, 2
_CAPTION, _GAP = 22, 10
_WIDTH, _HEIGHT = 2 * SIDE + 2 * _GAP, SIDE + _CAPTION + _GAP
_INK, _WRONG = "#1d2733", "#c4572b"


class Shown(TypedDict):
    """A test image in the report: what was said of it, whether wrongly, and two pictures in data URLs."""

    path: str
    said: str
    wrong: bool
    plain: str
    covered: str


class Gallery(TypedDict):
    """Test images in the report: the `errors` that were answered most surely, and `examples` of each class."""

    errors: list[Shown]
    examples: list[Shown]


class _Pair(NamedTuple):
    """An image, the same under its evidence map, and what was said of it."""

    path: str
    said: str
    wrong: bool
    plain: Image.Image
    covered: Image.Image


def show_test_images(
    images: ImageFolder, test_predictions: pd.DataFrame, test_evidence: Arrays, classifier: Classifier, seed: int
) -> tuple[Image.Image, Gallery]:
    """Show test images, each beside the same image under its evidence map.

    Args:
        images: The source's files.
        test_predictions: A row per distinct test image.
        test_evidence: `evidence` in each, [n, K, h, w].
        classifier: The trained classifier.
        seed: Random seed for the draw.

    Returns:
        One RGB picture of at most eight test images, drawn from the classes in turn, for those who don't open the
        report; what was answered wrongly is in another colour. And the same for the report, with at most eight errors.
    """
    examples, errors = (
        [_pair(images, image, test_evidence["evidence"][row], classifier) for row, image in _records(chosen)]
        for chosen in (draw_images(test_predictions, _IMAGES, seed), find_worst_errors(test_predictions, _IMAGES))
    )
    return _sheet(examples), {"errors": list(map(_shown, errors)), "examples": list(map(_shown, examples))}


def find_worst_errors(test_predictions: pd.DataFrame, count: int) -> pd.DataFrame:
    """Find the images that were answered wrongly, the surest first; what was declined is no error.

    Args:
        test_predictions: A row per test image, with `label`, `predicted`, `reason` and `probability_<class>`.
        count: Largest number of images.
    """
    wrong = test_predictions[
        test_predictions["reason"].isna() & (test_predictions["label"] != test_predictions["predicted"])
    ]
    sure = [row[f"probability_{row['predicted']}"] for _, row in wrong.iterrows()]
    return wrong.iloc[np.argsort(sure, kind="stable")[::-1][:count]]


def _records(chosen: pd.DataFrame) -> list[tuple[Any, dict[Hashable, Any]]]:
    return list(zip(chosen.index, chosen.to_dict("records"), strict=True))


def _pair(
    images: ImageFolder, image: dict[Hashable, Any], evidence: NDArray[np.floating], classifier: Classifier
) -> _Pair:
    pixels = images.pixels(image["path"], window=classifier.standardisation.window)
    cells = explain(classifier.manifest, evidence, image["predicted"]).cells
    layer = draw_evidence(cells, standardise(pixels, classifier.standardisation).frame)
    plain = ImageOps.contain(Image.fromarray(pixels), (SIDE, SIDE))
    (column,) = probability_columns([image["predicted"]])
    if isinstance(image["reason"], str):
        said = f"{image['label']}, {image['reason']}; leaning to {image['predicted']} ({image[column]:.2f})"
    else:
        probability = "no probability" if isinstance(image["warning"], str) else f"{image[column]:.2f}"
        said = f"{image['label']}, answered {image['predicted']} ({probability})"
    wrong = not isinstance(image["reason"], str) and image["label"] != image["predicted"]
    return _Pair(image["path"], said, wrong, plain, cover(plain, layer))


def _shown(pair: _Pair) -> Shown:
    plain, covered = (picture_url(picture, lossless=False) for picture in (pair.plain, pair.covered))
    return {"path": pair.path, "said": pair.said, "wrong": pair.wrong, "plain": plain, "covered": covered}


def _sheet(pairs: list[_Pair]) -> Image.Image:
    rows = -(-len(pairs) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, rows * _HEIGHT), "white")
    for place, pair in enumerate(pairs):
        down, across = divmod(place, _COLUMNS)
        left, top = across * _WIDTH, down * _HEIGHT
        sheet.paste(pair.plain, (left, top + _CAPTION))
        sheet.paste(pair.covered, (left + SIDE + _GAP // 2, top + _CAPTION))
        ink = _WRONG if pair.wrong else _INK
        ImageDraw.Draw(sheet).text((left, top + 2), pair.said, ink, ImageFont.load_default(14))
    return sheet
