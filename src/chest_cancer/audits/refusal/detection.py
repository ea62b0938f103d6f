"""Whether the classifier declines to answer where it should: foreign images, shown to it."""

from typing import TypedDict

import numpy as np
import pandas as pd
from tqdm import tqdm

from chest_cancer.audits.refusal.foreign_images import KINDS, PHOTOGRAPH, TEXT, foreign_images
from chest_cancer.network.classifier import NOT_A_CHEST_CT_SLICE, Classifier
from chest_cancer.statistics.intervals import share
from chest_cancer.storage.figures import Figure

_BATCH = 16


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


def predict_foreign_images(classifier: Classifier, most: int, seed: int) -> pd.DataFrame:
    """Show the classifier images that are no chest CT.

    Args:
        classifier: The trained classifier.
        most: Largest number of images of each kind.
        seed: Random seed for crops and drawings.

    Returns:
        A row per image: `kind`, `source`, `distance` and `reason`, None where it was answered.
    """
    images = foreign_images(seed, most)
    predictions = []
    with tqdm(total=len(images), desc="Showing foreign images", unit="image", mininterval=0.5) as bar:
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            predictions += classifier.predict([image.pixels for image in batch])
            bar.update(len(batch))
    rows = [
        (image.kind, image.source, prediction.distance, prediction.reason)
        for image, prediction in zip(images, predictions, strict=True)
    ]
    return pd.DataFrame(rows, columns=["kind", "source", "distance", "reason"])


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


def _detection(rows: pd.DataFrame, confidence: float) -> Detection:
    sources = pd.factorize(rows["kind"] + rows["source"])[0]
    refused = (rows["reason"] == NOT_A_CHEST_CT_SLICE).to_numpy(dtype=bool)
    return {"refused": share(refused, sources, confidence), "sources": len(np.unique(sources))}
