"""Whether the classifier declines to answer where it should, and only there."""

from typing import TypedDict

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from tqdm import tqdm

from chest_cancer.classifier import NOT_A_CHEST_CT_SLICE, NOT_SURE, Classifier
from chest_cancer.pipelines.model_evaluation.foreign_images import KINDS, PHOTOGRAPH, TEXT, foreign_images
from chest_cancer.pipelines.model_evaluation.intervals import Figure, share

_BATCH = 16
_COLOURS = {"held-out slice": "#1f5a85", **dict.fromkeys(KINDS, "#c4572b")}


class Detection(TypedDict):
    """How many foreign images of a kind were refused, and of how many independent sources they are."""

    refused: Figure
    sources: int


class Refusal(TypedDict):
    """What the limits do to held-out slices and to foreign images.

    Attributes:
        false_refusal: Share of the held-out slices that are called no chest CT.
        unsure: Share of them that are called not sure.
        answered: Share of them that get an answer.
        accuracy_answered: Accuracy of these answers.
        accuracy_declined: Accuracy that the answers kept back would have had.
        photographs_and_text: Share of the photographs and text pages that are called no chest CT.
        kinds: The same of each kind of foreign image.
    """

    false_refusal: Figure
    unsure: Figure
    answered: Figure
    accuracy_answered: Figure
    accuracy_declined: Figure
    photographs_and_text: Detection
    kinds: dict[str, Detection]


def predict_foreign_images(classifier: Classifier, seed: int) -> pd.DataFrame:
    """Show the classifier images that are no chest CT.

    Args:
        classifier: The trained classifier.
        seed: Of crops and drawings.

    Returns:
        A row per image: `kind`, `source`, `distance` and `reason`, None where it was answered.
    """
    images = foreign_images(seed)
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


def measure_refusal(test_predictions: pd.DataFrame, foreign_predictions: pd.DataFrame, confidence: float) -> Refusal:
    """Measure false refusal on held-out slices and detection on foreign images.

    Crops of one photograph count as a group, so that intervals do not take them for independent.

    Args:
        test_predictions: A row per test image: `label`, `predicted`, `group`, and `reason`, None where it was answered.
        foreign_predictions: What `predict_foreign_images` returned.
        confidence: Of the intervals, 0..1.

    Returns:
        The shares, each with its interval and n.
    """
    groups = test_predictions["group"].to_numpy()
    right = (test_predictions["label"] == test_predictions["predicted"]).to_numpy()
    answered = test_predictions["reason"].isna().to_numpy()

    def of_reason(reason: str) -> Figure:
        return share((test_predictions["reason"] == reason).to_numpy(dtype=bool), groups, confidence)

    of_kind = {kind: foreign_predictions[foreign_predictions["kind"] == kind] for kind in KINDS}
    return {
        "false_refusal": of_reason(NOT_A_CHEST_CT_SLICE),
        "unsure": of_reason(NOT_SURE),
        "answered": share(answered, groups, confidence),
        "accuracy_answered": share(right[answered], groups[answered], confidence),
        "accuracy_declined": share(right[~answered], groups[~answered], confidence),
        "photographs_and_text": _detection(pd.concat([of_kind[PHOTOGRAPH], of_kind[TEXT]]), confidence),
        "kinds": {kind: _detection(rows, confidence) for kind, rows in of_kind.items()},
    }


def _detection(rows: pd.DataFrame, confidence: float) -> Detection:
    sources = pd.factorize(rows["kind"] + rows["source"])[0]
    refused = (rows["reason"] == NOT_A_CHEST_CT_SLICE).to_numpy(dtype=bool)
    return {"refused": share(refused, sources, confidence), "sources": len(np.unique(sources))}


def plot_refusal(test_predictions: pd.DataFrame, foreign_predictions: pd.DataFrame, limit: float) -> go.Figure:
    """Draw every image's distance from the training images.

    Args:
        test_predictions: A row per test image, with `distance`.
        foreign_predictions: What `predict_foreign_images` returned.
        limit: Beyond which an image is refused.

    Returns:
        A strip of points for the held-out slices and for each kind of foreign image, with the limit.
    """
    strips = {"held-out slice": test_predictions} | {
        kind: foreign_predictions[foreign_predictions["kind"] == kind] for kind in KINDS
    }
    figure = go.Figure()
    for name, rows in strips.items():
        figure.add_box(
            x=rows["distance"],
            name=f"{name} ({len(rows)})",
            boxpoints="all",
            jitter=0.6,
            pointpos=0,
            fillcolor="rgba(0,0,0,0)",
            line={"width": 0},
            marker={"color": _COLOURS[name], "size": 6, "opacity": 0.6},
            hoveron="points",
        )
    figure.add_vline(x=limit, line_dash="dot", annotation_text=f"limit {limit:.2f}")
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="distance from the training images (1 is usual)", rangemode="tozero")
    figure.update_layout(
        title="What is refused as no chest CT slice",
        template="plotly_white",
        height=480,
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        showlegend=False,
    )
    return figure
