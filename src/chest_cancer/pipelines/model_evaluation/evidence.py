"""Whether evidence maps show what the classifier looked at, and whether that is the lesion."""

from typing import TypedDict

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.stats import spearmanr, wilcoxon
from tqdm import tqdm

from chest_cancer.classifier import Classifier, Prediction
from chest_cancer.datasets.image_folder import ImageFolder
from chest_cancer.imaging.standardise import seen_frame, standardise
from chest_cancer.pipelines.model_evaluation.evidence_maps import (
    OVERLAPS,
    Cells,
    Pixels,
    blur_cells,
    contrast,
    lesion_cells,
    overlap,
    shuffle_head,
)
from chest_cancer.pipelines.model_evaluation.intervals import Figure, share

MOST_IMAGES = 48
"""Of a larger test set so many are drawn: each is sent through the network several times."""
DELETED_CELLS = 5
"""Of 49: a tenth of the image."""

_RANDOM_DRAWS = 3
_BATCH = 16
_SMALLEST = float(np.finfo(np.float32).tiny)


class Overlap(TypedDict):
    """A share measured on true positives, and what maps that know nothing would reach."""

    measured: Figure
    chance: float


class Deletion(TypedDict):
    """Fall of the log-odds of the predicted class; `p` that the strongest cells are not worth more than random ones."""

    strongest: float
    random: float
    p: float
    n: int


class EvidenceChecks(TypedDict):
    """What the checks found; None where no masks say where lesions are.

    Attributes:
        pointing: Share of maps whose peak lies in the lesion or in a cell beside it.
        pointing_exact: Share of maps whose peak lies in a cell that the lesion touches.
        inside: Share of the evidence for the class that lies in such cells.
        intersection_over_union: Of these cells and as many cells of most evidence.
        deletion: What blurring the cells of most evidence does, against random cells.
        shuffled_correlation: Mean rank correlation of maps before and after the head's weights are shuffled, -1..1;
            near 0 for maps that depend on what was learned.
    """

    pointing: Overlap | None
    pointing_exact: Overlap | None
    inside: Overlap | None
    intersection_over_union: Overlap | None
    deletion: Deletion
    shuffled_correlation: float


def examine_evidence(
    images: ImageFolder, test_predictions: pd.DataFrame, classifier: Classifier, seed: int
) -> pd.DataFrame:
    """Compare evidence maps with lesion masks, with what deletions do, and with those of a shuffled head.

    The map is the evidence for the predicted class less the mean over classes: what all classes share moves no
    probability.

    Args:
        images: The source's files and, for phantoms, lesion masks.
        test_predictions: A row per test image, with `path`, `label` and `group`.
        classifier: The trained classifier.
        seed: Of random cells, the shuffled head, and the draw among more than `MOST_IMAGES` images.

    Returns:
        A row per image: `path`, `label`, `group`, `predicted`; of true positives with a mask `pointing`,
        `pointing_exact`, `inside` and `intersection_over_union`, 0..1, each with `<name>_chance`, else NaN;
        `strongest` and `random`, the fall of the log-odds when the cells of most evidence, or random ones, are blurred;
        and `shuffled_correlation`.
    """
    sample = test_predictions.sample(min(len(test_predictions), MOST_IMAGES), random_state=seed).sort_values("path")
    generator = np.random.default_rng(seed)
    shuffled = Classifier(shuffle_head(classifier.graph, seed), classifier.manifest, classifier.precision)
    rows = []
    with tqdm(total=len(sample), desc="Checking evidence maps", unit="image", mininterval=0.5) as bar:
        for start in range(0, len(sample), _BATCH):
            batch = sample.iloc[start : start + _BATCH]
            frames, pixels = [], []
            for decoded in map(images.pixels, batch["path"]):
                frames.append(seen_frame(decoded, classifier.standardisation))
                pixels.append(standardise(decoded, classifier.standardisation))
            predictions = classifier.predict_standardised(pixels)
            falls = _falls(pixels, predictions, classifier, generator)
            others = shuffled.predict_standardised(pixels)
            known = batch[["path", "label", "group"]].to_dict("records")
            for image, frame, prediction, other, fall in zip(known, frames, predictions, others, falls, strict=True):
                cells = contrast(prediction, prediction.label)
                found = {"predicted": prediction.label, "strongest": fall[0], "random": fall[1:].mean()}
                found["shuffled_correlation"] = _rank_correlation(cells, contrast(other, prediction.label))
                mask = images.lesion_mask(image["path"]) if image["label"] == prediction.label else None
                lesion = None if mask is None else lesion_cells(mask, frame)
                if lesion is not None and lesion.any():
                    found |= overlap(cells, lesion)
                rows.append(image | found)
            bar.update(len(batch))
    masked = [f"{name}{end}" for name in OVERLAPS for end in ("", "_chance")]
    return pd.DataFrame(
        rows, columns=["path", "label", "group", "predicted", *masked, "strongest", "random", "shuffled_correlation"]
    )


def _falls(
    pixels: list[Pixels], predictions: list[Prediction], classifier: Classifier, generator: np.random.Generator
) -> NDArray[np.float64]:
    """How far the log-odds of the predicted class fall without the strongest cells, and without random ones."""
    changed = []
    for image, prediction in zip(pixels, predictions, strict=True):
        cells = contrast(prediction, prediction.label)
        draws = [generator.choice(cells.size, DELETED_CELLS, replace=False) for _ in range(_RANDOM_DRAWS)]
        changed += [blur_cells(image, chosen) for chosen in (np.argsort(-cells, axis=None)[:DELETED_CELLS], *draws)]
    after = classifier.predict_standardised(changed)
    falls = [
        _log_odds(prediction, prediction.label) - _log_odds(other, prediction.label)
        for prediction, other in zip(
            np.repeat(np.array(predictions, dtype=object), _RANDOM_DRAWS + 1), after, strict=True
        )
    ]
    return np.reshape(falls, (len(pixels), _RANDOM_DRAWS + 1))


def _log_odds(prediction: Prediction, label: str) -> float:
    probability = prediction.probabilities[label]
    rest = sum(value for name, value in prediction.probabilities.items() if name != label)
    return float(np.log(max(probability, _SMALLEST)) - np.log(max(rest, _SMALLEST)))


def _rank_correlation(cells: Cells, others: Cells) -> float:
    """Spearman's; 0 where a map is flat."""
    if np.ptp(cells) == 0 or np.ptp(others) == 0:
        return 0.0
    return float(spearmanr(cells, others, axis=None).statistic)


def measure_evidence(examined: pd.DataFrame, confidence: float) -> EvidenceChecks:
    """Sum up the checks.

    The deletion test is that of Samek et al. (2017, Evaluating the visualization of what a deep neural network has
    learned), paired with random cells, by Wilcoxon's one-sided test over the means of groups. Shuffled weights are the
    sanity check of Adebayo et al. (2018, Sanity checks for saliency maps).

    Args:
        examined: What `examine_evidence` returned.
        confidence: Of the intervals, 0..1.
    """
    masked = examined.dropna(subset=["pointing"])

    def of(name: str) -> Overlap | None:
        if masked.empty:
            return None
        measured = share(masked[name].to_numpy(dtype=np.float64), masked["group"].to_numpy(), confidence)
        return {"measured": measured, "chance": float(masked[f"{name}_chance"].mean())}

    falls = examined.groupby("group")[["strongest", "random"]].mean()
    difference = falls["strongest"] - falls["random"]
    return {
        "pointing": of("pointing"),
        "pointing_exact": of("pointing_exact"),
        "inside": of("inside"),
        "intersection_over_union": of("intersection_over_union"),
        "deletion": {
            "strongest": float(examined["strongest"].mean()),
            "random": float(examined["random"].mean()),
            "p": float(wilcoxon(difference, alternative="greater").pvalue) if difference.any() else 1.0,
            "n": len(falls),
        },
        "shuffled_correlation": float(examined["shuffled_correlation"].mean()),
    }


def plot_deletion(examined: pd.DataFrame) -> go.Figure:
    """Draw how far the log-odds of the predicted class fall, by image.

    Args:
        examined: What `examine_evidence` returned.

    Returns:
        A point per image: random cells across, the cells of most evidence up; points above the line are as they should.
    """
    low, high = (float(bound) for bound in np.quantile(examined[["strongest", "random"]], [0, 1]))
    figure = go.Figure()
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"dash": "dot", "color": "#999"}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=examined["random"],
        y=examined["strongest"],
        mode="markers",
        marker={"color": "#1f5a85", "size": 8, "opacity": 0.7},
        text=examined["path"],
        hovertemplate="%{text}<br>random %{x:.2f}, strongest %{y:.2f}<extra></extra>",
    )
    figure.update_xaxes(title="fall of the log-odds without random cells")
    figure.update_yaxes(title="without the cells of most evidence")
    figure.update_layout(
        title=f"Deletion test, {DELETED_CELLS} of 49 cells, {len(examined)} test images",
        template="plotly_white",
        height=480,
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        showlegend=False,
    )
    return figure
