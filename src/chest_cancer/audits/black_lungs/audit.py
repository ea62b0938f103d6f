"""The audit of black lungs: pictures in a window that cuts off what is to be seen."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from chest_cancer.audits.audit import Finding
from chest_cancer.imaging.body import measure_black
from chest_cancer.jobs.long_work import follow
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import in_words, share
from chest_cancer.statistics.sampling import draw_images

_MOST_IMAGES = 400
_MOST_BLACK = 0.2
"""Of the body. In 343 pictures of the public data it is 0.05 at most or, with black lungs, at least 0.43."""
_NEGLIGIBLE = 0.05
"""Share of the pictures of a class that may be so without a word."""


def audit_black_lungs(
    raw_images: ImageFolder, split_table: pd.DataFrame, parameters: ModelEvaluationParameters, seed: int
) -> Finding:
    """Count pictures in which a fifth of the body or more is black, as lungs are in a window for soft tissue.

    Args:
        raw_images: The source's files.
        split_table: A row per image file: `path`, `label`, `pixel_sha256` and `group`.
        parameters: The block `model_evaluation`.
        seed: Random seed for the draw of images, where there are more than 400.

    Returns:
        `classes`: of each class, the share of such pictures; and `most_black`, from which share of the body on a
        picture counts.
    """
    drawn = draw_images(split_table.drop_duplicates("pixel_sha256"), _MOST_IMAGES, seed)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        measured = pool.map(lambda path: measure_black(raw_images.pixels(path)), drawn["path"])
        black = np.array(list(follow(measured, "Looking for black lungs", len(drawn))))
    classes = {
        str(name): share(black[rows] >= _MOST_BLACK, drawn["group"].to_numpy()[rows], parameters.confidence)
        for name, rows in drawn.reset_index(drop=True).groupby("label").indices.items()
    }
    facts = {"classes": classes, "most_black": _MOST_BLACK}
    return Finding(facts | listed(find_limitations(facts)), {})


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    found = [
        f"{in_words(figure)} of the pictures of {name} (n {figure['n']})"
        for name, figure in facts["classes"].items()
        if figure["value"] > _NEGLIGIBLE
    ]
    if not found:
        return []
    text = (
        f"In {' and '.join(found)} a fifth of the body or more is black: a window for soft tissue cuts the lungs off, "
        "and what is in them can't be seen. Where classes differ in that, the window alone tells them apart."
    )
    return [Limitation("Black lungs", text)]
