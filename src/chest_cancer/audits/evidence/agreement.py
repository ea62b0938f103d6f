"""Whether evidence maps show what the classifier looked at, and whether that is the lesion."""

from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr, wilcoxon

from chest_cancer.audits.evidence.maps import (
    OVERLAPS,
    blur_cells,
    lesion_cells,
    overlap,
    shuffle_head,
)
from chest_cancer.imaging.evidence import Cells
from chest_cancer.jobs.long_work import follow
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.explanation import explain
from chest_cancer.network.predictions import probability_columns
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.intervals import share
from chest_cancer.storage.figures import Figure

DELETED_CELLS = 5
"""Of 49: a tenth of the image."""

_RANDOM_DRAWS = 2
_SMALLEST = float(np.finfo(np.float32).tiny)


class Overlap(TypedDict):
    """A share measured on true positives, and what maps that know nothing of the lesion would reach."""

    measured: Figure
    chance: float


class Deletion(TypedDict):
    """Fall of the log-odds of the predicted class; `p` is the p-value of the strongest cells against random ones."""

    strongest: float
    random: float
    p: float
    n: int
    groups: int


class Overlaps(TypedDict):
    """How maps of true positives and lesion masks agree.

    Attributes:
        pointing: Share of maps whose peak lies in the lesion or in a cell beside it.
        pointing_exact: Share of maps whose peak lies in a cell that the lesion touches.
        inside: Share of the evidence for the class that lies in cells that the lesion touches.
        intersection_over_union: Intersection over union of those cells and as many cells with the most evidence.
    """

    pointing: Overlap
    pointing_exact: Overlap
    inside: Overlap
    intersection_over_union: Overlap


def compare_with_masks(
    images: ImageFolder, test_predictions: pd.DataFrame, maps: NDArray[np.float32], classifier: Classifier
) -> pd.DataFrame:
    """Compare the maps of true positives with lesion masks.

    Args:
        images: The source's files and, for phantoms, lesion masks.
        test_predictions: A row per test image, with `path`, `label`, `group` and `predicted`.
        maps: Evidence in each, [n, K, h, w].
        classifier: The trained classifier.

    Returns:
        A row per image that was classified correctly and whose lesion lies in what the network saw: `path`, `group`;
        `pointing`, `pointing_exact`, `inside` and `intersection_over_union`, 0..1, each with `<name>_chance`.
    """
    rows = []
    right = (test_predictions["label"] == test_predictions["predicted"]).to_numpy()
    for image, evidence in zip(test_predictions[right].to_dict("records"), maps[right], strict=True):
        mask = images.lesion_mask(image["path"])
        if mask is None or not mask.any():
            continue
        frame = images.standardised(image["path"], classifier.standardisation).frame
        lesion = lesion_cells(mask, frame)
        if lesion.any():
            compared = overlap(explain(classifier.manifest, evidence, image["predicted"]).cells, lesion)
            rows.append({"path": image["path"], "group": image["group"], **compared})
    masked = [f"{name}{end}" for name in OVERLAPS for end in ("", "_chance")]
    return pd.DataFrame(rows, columns=["path", "group", *masked])


def delete_cells(
    images: ImageFolder,
    test_predictions: pd.DataFrame,
    maps: NDArray[np.float32],
    classifier: Classifier,
    seed: int,
) -> pd.DataFrame:
    """Measure what an answer loses without the cells of most evidence, and how much of a map a shuffled head keeps.

    Args:
        images: The source's files.
        test_predictions: A row per test image: `path`, `group`, `predicted` and `probability_<class>`.
        maps: Evidence in each, [n, K, h, w].
        classifier: The trained classifier.
        seed: Random seed for random cells and the shuffled head.

    Returns:
        A row per image: `path`, `group`; `strongest` and `random`, the fall of the log-odds of the predicted class when
        the 5 cells of most evidence, or random ones, are blurred; and `shuffled_correlation`, the rank correlation of
        its map with that of a head whose weights are shuffled, -1..1.
    """
    generator = np.random.default_rng(seed)
    shuffled = Classifier(shuffle_head(classifier.graph, seed), classifier.manifest)
    classes = list(classifier.classes)
    rows = []
    known = test_predictions.to_dict("records")
    seen = [images.standardised(image["path"], classifier.standardisation).pixels for image in known]
    others = shuffled.predict_standardised(seen)
    explained = zip(known, seen, maps, others, strict=True)
    for image, pixels, evidence, other in follow(explained, "Deleting cells", len(known)):
        cells = explain(classifier.manifest, evidence, image["predicted"]).cells
        cells_shuffled = explain(classifier.manifest, other.evidence, image["predicted"]).cells
        draws = [generator.choice(cells.size, DELETED_CELLS, replace=False) for _ in range(_RANDOM_DRAWS)]
        chosen = [np.argsort(-cells, axis=None)[:DELETED_CELLS], *draws]
        after = classifier.predict_standardised([blur_cells(pixels, numbers) for numbers in chosen])
        stated = (image[column] for column in probability_columns(classes))
        before = _log_odds(dict(zip(classes, stated, strict=True)), image["predicted"])
        falls = [before - _log_odds(answer.probabilities, image["predicted"]) for answer in after]
        rows.append(
            {
                "path": image["path"],
                "group": image["group"],
                "strongest": falls[0],
                "random": float(np.mean(falls[1:])),
                "shuffled_correlation": _rank_correlation(cells, cells_shuffled),
            }
        )
    return pd.DataFrame(rows)


def _log_odds(probabilities: dict[str, float], label: str) -> float:
    rest = sum(value for name, value in probabilities.items() if name != label)
    return float(np.log(max(probabilities[label], _SMALLEST)) - np.log(max(rest, _SMALLEST)))


def _rank_correlation(cells: Cells, others: Cells) -> float:
    """Spearman's; 0 where a map is flat."""
    if np.ptp(cells) == 0 or np.ptp(others) == 0:
        return 0.0
    return float(spearmanr(cells, others, axis=None).statistic)


def measure_overlaps(compared: pd.DataFrame, confidence: float) -> Overlaps | None:
    """Average how well maps and masks agree.

    Args:
        compared: What `compare_with_masks` returned.
        confidence: Confidence level of the intervals, 0..1.

    Returns:
        Each share with its interval and n, and what chance would give; None where the data have no lesion masks.
    """
    if compared.empty:
        return None

    def of(name: str) -> Overlap:
        measured = share(compared[name].to_numpy(dtype=np.float64), compared["group"].to_numpy(), confidence)
        return {"measured": measured, "chance": float(compared[f"{name}_chance"].mean())}

    return {
        "pointing": of("pointing"),
        "pointing_exact": of("pointing_exact"),
        "inside": of("inside"),
        "intersection_over_union": of("intersection_over_union"),
    }


def measure_deletion(deleted: pd.DataFrame) -> Deletion:
    """Test whether the strongest cells are worth more than random ones.

    The deletion test is that of Samek et al. (2017, Evaluating the visualization of what a deep neural network has
    learned), paired with random cells, by Wilcoxon's one-sided test over the means of groups.

    Args:
        deleted: What `delete_cells` returned.
    """
    falls = deleted.groupby("group")[["strongest", "random"]].mean()
    difference = falls["strongest"] - falls["random"]
    return {
        "strongest": float(deleted["strongest"].mean()),
        "random": float(deleted["random"].mean()),
        "p": float(wilcoxon(difference, alternative="greater").pvalue) if difference.any() else 1.0,
        "n": len(deleted),
        "groups": len(falls),
    }
