"""Pictures in the report: slices, alone and under their evidence maps."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from chest_cancer.imaging.evidence import draw_evidence
from chest_cancer.imaging.frame import SIDE
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


def draw_evidence_examples(
    images: ImageFolder, test_predictions: pd.DataFrame, test_evidence: Arrays, classifier: Classifier, seed: int
) -> Image.Image:
    """Show test images, drawn from the classes in turn, each beside the same image under its evidence map.

    Args:
        images: The source's files.
        test_predictions: A row per distinct test image.
        test_evidence: `evidence` in each, [n, K, h, w].
        classifier: The trained classifier.
        seed: Random seed for the draw.

    Returns:
        One RGB picture of at most eight test images; what was answered wrongly is in another colour.
    """
    drawn = draw_images(test_predictions, _IMAGES, seed)
    rows = -(-len(drawn) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, rows * _HEIGHT), "white")
    for place, (row, image) in enumerate(zip(drawn.index, drawn.to_dict("records"), strict=True)):
        pixels = images.pixels(image["path"], window=classifier.standardisation.window)
        cells = explain(classifier.manifest, test_evidence["evidence"][row], image["predicted"]).cells
        evidence = draw_evidence(cells, standardise(pixels, classifier.standardisation).frame)
        down, across = divmod(place, _COLUMNS)
        sheet.paste(_beside_itself(pixels, evidence, image), (across * _WIDTH, down * _HEIGHT))
    return sheet


def _beside_itself(pixels: NDArray[np.uint8], evidence: NDArray[np.uint8], image: dict[Hashable, Any]) -> Image.Image:
    pair = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    plain = ImageOps.contain(Image.fromarray(pixels), (SIDE, SIDE))
    covered = plain.convert("RGBA")
    covered.alpha_composite(Image.fromarray(evidence).resize(plain.size))
    pair.paste(plain, (0, _CAPTION))
    pair.paste(covered.convert("RGB"), (SIDE + _GAP // 2, _CAPTION))
    (column,) = probability_columns([image["predicted"]])
    probability = "no probability" if isinstance(image["warning"], str) else f"{image[column]:.2f}"
    said, colour = f"{image['label']}, answered {image['predicted']} ({probability})", _INK
    if isinstance(image["reason"], str):
        said = f"{image['label']}, {image['reason']}; leaning to {image['predicted']} ({image[column]:.2f})"
    elif image["label"] != image["predicted"]:
        colour = _WRONG
    ImageDraw.Draw(pair).text((0, 2), said, colour, ImageFont.load_default(14))
    return pair
