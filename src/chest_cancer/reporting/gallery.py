"""The page of a batch: what it comes to, and some images of each answer under their evidence maps."""

from collections.abc import Hashable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chest_cancer.imaging.evidence import cover, draw_evidence
from chest_cancer.imaging.frame import SIDE, Frame
from chest_cancer.imaging.pictures import picture_url
from chest_cancer.network.classifier import Prediction
from chest_cancer.network.explanation import explain
from chest_cancer.network.manifest import Manifest
from chest_cancer.reporting.templates import fill_page


class Shown(NamedTuple):
    """An image of the sample.

    Attributes:
        row: Its row, with `answer`, under which it is shown.
        pixels: RGB, uint8 [H, W, 3].
        prediction: What the classifier says of it.
        frame: The part of it that the network saw.
    """

    row: dict[Hashable, Any]
    pixels: NDArray[np.uint8]
    prediction: Prediction
    frame: Frame


class Card(NamedTuple):
    """An image on the page: pictures as data URLs, and words."""

    path: str
    words: str
    plain: str
    evidence: str


def render_gallery(summary: dict[str, Any], shown: Iterable[Shown], manifest: Manifest) -> str:
    """Fill the template of the page.

    Args:
        summary: What the batch comes to.
        shown: The sample.
        manifest: The classifier's.

    Returns:
        An HTML page that needs no network.
    """
    in_order = sorted(shown, key=lambda one: (str(one.row["answer"]), str(one.row["path"])))
    groups = {
        str(answer): [_card(one, manifest) for one in members]
        for answer, members in groupby(in_order, key=lambda one: one.row["answer"])
    }
    return fill_page("gallery.html", [], {}, facts=summary, groups=groups, manifest=manifest)


def _card(one: Shown, manifest: Manifest) -> Card:
    cells = explain(manifest, one.prediction.evidence, one.prediction.leaning).cells
    plain = ImageOps.contain(Image.fromarray(one.pixels), (SIDE, SIDE))
    return Card(
        str(one.row["path"]),
        _words(one.prediction),
        picture_url(plain, lossless=False),
        picture_url(cover(plain, draw_evidence(cells, one.frame)), lossless=False),
    )


def _words(prediction: Prediction) -> str:
    """Say what the classifier says, as the row has it."""
    leaning = prediction.probabilities[prediction.leaning]
    if prediction.label is None:
        return f"leaning to {prediction.leaning} ({leaning:.2f})"
    return "no probability" if prediction.warning is not None else f"{leaning:.2f}"
