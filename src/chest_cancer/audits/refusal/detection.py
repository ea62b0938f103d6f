"""Whether the classifier declines to answer where it should: foreign images, shown to it."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.audits.refusal.foreign_chests import CHESTS, FOREIGN_CHESTS
from chest_cancer.audits.refusal.foreign_images import KINDS, PHOTOGRAPH, TEXT, ForeignImage
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.manifest import Limits
from chest_cancer.statistics.intervals import share
from chest_cancer.storage.figures import Figure

_BATCH = 16
_POINTS = 25
"""Of the curve, besides the limits that are served."""


class Detection(TypedDict):
    """How many foreign images of a kind were refused, and how many independent sources they come from."""

    refused: Figure
    sources: int


class Refusal(TypedDict):
    """How many foreign images are called no chest CT.

    Attributes:
        photographs_and_text: How many photographs and text pages.
        kinds: How many of each kind of foreign image.
    """

    photographs_and_text: Detection
    kinds: dict[str, Detection]


class Standing(TypedDict):
    """What became of images: `probable` answers have a probability, `warned` ones none, and `declined` are no answers.

    `sources` is how many independent ones the images come from.
    """

    probable: Figure
    warned: Figure
    declined: Figure
    sources: int


class Trade(TypedDict):
    """What a distance limit costs and gains.

    Attributes:
        limit: The distance.
        own_beyond: Share of the own test slices that are further from the training images.
        foreign_within: Share of foreign chest CT that is not.
        served: `usual` or `refused` for the limits of the classifier; None for others.
    """

    limit: float
    own_beyond: Figure
    foreign_within: Figure
    served: str | None


def predict_foreign_images(classifier: Classifier, images: Sequence[ForeignImage]) -> pd.DataFrame:
    """Show the classifier images that it was not made for.

    Args:
        classifier: The trained classifier.
        images: The images.

    Returns:
        A row per image: `kind`, `source`, `distance`, `reason`, None where it was answered, and `warning`, None where
        the answer has a probability.
    """
    predictions = []
    with LongWork("Showing foreign images", len(images)) as work:
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            predictions += classifier.predict([image.pixels for image in batch])
            work.update(len(batch))
    rows = [
        (image.kind, image.source, prediction.distance, prediction.reason, prediction.warning)
        for image, prediction in zip(images, predictions, strict=True)
    ]
    return pd.DataFrame(rows, columns=["kind", "source", "distance", "reason", "warning"])


def measure_refusal(foreign_predictions: pd.DataFrame, confidence: float) -> Refusal:
    """Measure how many foreign images are refused.

    Crops of one photograph count as a group, so that intervals do not take them for independent.

    Args:
        foreign_predictions: What `predict_foreign_images` returned.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        The shares, each with its interval and n; unknown where a kind has no image.
    """
    of_kind = {kind: foreign_predictions[foreign_predictions["kind"] == kind] for kind in KINDS}
    return {
        "photographs_and_text": _detection(pd.concat([of_kind[PHOTOGRAPH], of_kind[TEXT]]), confidence),
        "kinds": {kind: _detection(rows, confidence) for kind, rows in of_kind.items()},
    }


def measure_chests(chest_predictions: pd.DataFrame, confidence: float) -> dict[str, Standing]:
    """Measure what becomes of chest CT unlike the training images.

    Args:
        chest_predictions: What `predict_foreign_images` returned for `foreign_chests`.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        By kind, and for the foreign ones together under `foreign`.
    """
    found = {kind: _standing(chest_predictions[chest_predictions["kind"] == kind], confidence) for kind in CHESTS}
    return {"foreign": _standing(_foreign(chest_predictions), confidence)} | found


def measure_trade(
    test_predictions: pd.DataFrame, chest_predictions: pd.DataFrame, limits: Limits, confidence: float
) -> list[Trade]:
    """Measure what limits would do to own test slices, and to foreign chest CT.

    Args:
        test_predictions: A row per test image, with `distance` and `group`.
        chest_predictions: What `predict_foreign_images` returned for `foreign_chests`.
        limits: Those of the classifier.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        An item for each limit, rising: quantiles of all distances, and the classifier's own.
    """
    foreign = _foreign(chest_predictions)
    distances = pd.concat([test_predictions["distance"], foreign["distance"]])
    served = {limits.usual_distance: "usual", limits.distance_limit: "refused"}
    tried = [*served, *np.quantile(distances, np.linspace(0, 1, _POINTS)).tolist()]
    own, own_groups = test_predictions["distance"].to_numpy(), test_predictions["group"].to_numpy()
    others, sources = foreign["distance"].to_numpy(), _sources(foreign)
    return [
        {
            "limit": limit,
            "own_beyond": share(own > limit, own_groups, confidence),
            "foreign_within": share(others <= limit, sources, confidence),
            "served": served.get(limit),
        }
        for limit in sorted({limit for limit in tried if limit is not None})
    ]


def _foreign(chest_predictions: pd.DataFrame) -> pd.DataFrame:
    return chest_predictions[chest_predictions["kind"].isin(FOREIGN_CHESTS)]


def _standing(rows: pd.DataFrame, confidence: float) -> Standing:
    sources = _sources(rows)
    declined, warned = (rows[column].notna().to_numpy(dtype=bool) for column in ("reason", "warning"))
    return {
        "probable": share(~declined & ~warned, sources, confidence),
        "warned": share(warned, sources, confidence),
        "declined": share(declined, sources, confidence),
        "sources": len(np.unique(sources)),
    }


def _sources(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Number of each image's source."""
    return np.asarray(pd.factorize(rows["kind"] + rows["source"])[0], dtype=np.int64)


def _detection(rows: pd.DataFrame, confidence: float) -> Detection:
    sources = _sources(rows)
    refused = (rows["reason"] == NOT_A_CHEST_CT_SLICE).to_numpy(dtype=bool)
    return {"refused": share(refused, sources, confidence), "sources": len(np.unique(sources))}
