"""Whether predictions hold when images change in ways that do not change what they show.

After Hendrycks and Dietterich, 2019, Benchmarking neural network robustness to common corruptions and perturbations.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from tqdm import tqdm

from chest_cancer.classifier import Classifier
from chest_cancer.datasets.image_folder import ImageFolder
from chest_cancer.pipelines.model_evaluation.intervals import Figure, share
from chest_cancer.pipelines.model_evaluation.metrics import disease_class, probability_columns
from chest_cancer.pipelines.model_evaluation.perturbations import PERTURBATIONS
from chest_cancer.pipelines.model_evaluation.roc import area_of_classes, area_under_roc, placements

MOST_IMAGES = 64
"""Of a larger test set so many are drawn: each is sent through the network once for every perturbation."""

_FIGURES = {"flipped": "changed answers", "accuracy": "accuracy", "roc_auc": "AUC"}
_COLOUR = "#1f5a85"


def predict_perturbed_images(
    images: ImageFolder, test_predictions: pd.DataFrame, classifier: Classifier, seed: int
) -> pd.DataFrame:
    """Send test images through the classifier, unchanged and under every perturbation.

    Args:
        images: The source's files.
        test_predictions: A row per test image, with `path`, `label` and `group`.
        classifier: The trained classifier.
        seed: Of the noise, and of the draw among more than `MOST_IMAGES` images.

    Returns:
        A row per image and perturbation: `perturbation` (its label; None for the unchanged image), `path`, `label`,
        `group`, `predicted`, `abstained` and `probability_<class>`.
    """
    sample = test_predictions.sample(min(len(test_predictions), MOST_IMAGES), random_state=seed).sort_values("path")
    known = sample[["path", "label", "group"]].itertuples(index=False)
    rows: list[tuple[object, ...]] = []
    with tqdm(total=len(sample) * (len(PERTURBATIONS) + 1), desc="Robustness", unit="image", mininterval=0.5) as bar:
        for number, (path, label, group) in enumerate(known):
            original = images.pixels(path)
            changed = [
                perturbation(original, np.random.default_rng([seed, number, i]))
                for i, perturbation in enumerate(PERTURBATIONS)
            ]
            names = (None, *(perturbation.label for perturbation in PERTURBATIONS))
            for name, answer in zip(names, classifier.predict([original, *changed]), strict=True):
                rows.append((name, path, label, group, answer.label, answer.abstained, *answer.probabilities.values()))
            bar.update(len(names))
    columns = ["perturbation", "path", "label", "group", "predicted", "abstained"]
    return pd.DataFrame(rows, columns=[*columns, *probability_columns(list(classifier.classes))])


def measure_robustness(
    perturbed_predictions: pd.DataFrame, classes: list[str], normal_class: str | None, confidence: float
) -> pd.DataFrame:
    """Measure how far each perturbation changes answers, accuracy and the area under the ROC curve.

    Args:
        perturbed_predictions: What `predict_perturbed_images` returned.
        classes: Class names, in the order of the classifier.
        normal_class: The class without disease, or None.
        confidence: Of the intervals, 0..1.

    Returns:
        A row for the unchanged images (`perturbation` "none") and for each perturbation: `perturbation`, `strength`,
        `label`, `n`, and `flipped` (share whose predicted class changes), `accuracy`, `roc_auc` and `abstained`, each
        with `<name>_low` and `<name>_high`.
    """
    unchanged = perturbed_predictions[perturbed_predictions["perturbation"].isna()].reset_index(drop=True)
    disease = disease_class(classes, normal_class)
    rows = [
        {"perturbation": "none", "strength": 0.0, "label": "unchanged"}
        | _figures(unchanged, unchanged, classes, disease, confidence)
    ]
    for perturbation in PERTURBATIONS:
        changed = perturbed_predictions[perturbed_predictions["perturbation"] == perturbation.label]
        changed = changed.set_index("path").loc[unchanged["path"]].reset_index()
        names = {"perturbation": perturbation.name, "strength": perturbation.strength, "label": perturbation.label}
        rows.append(names | _figures(changed, unchanged, classes, disease, confidence))
    return pd.DataFrame(rows)


def _figures(
    rows: pd.DataFrame, unchanged: pd.DataFrame, classes: list[str], disease: str, confidence: float
) -> dict[str, float]:
    groups = rows["group"].to_numpy()
    figures = {
        "flipped": share((rows["predicted"] != unchanged["predicted"]).to_numpy(), groups, confidence),
        "accuracy": share((rows["predicted"] == rows["label"]).to_numpy(), groups, confidence),
        "roc_auc": _area(rows, classes, disease, confidence),
        "abstained": share(rows["abstained"].to_numpy(dtype=bool), groups, confidence),
    }
    result: dict[str, float] = {"n": len(rows)}
    for name, figure in figures.items():
        result |= {name: figure["value"], f"{name}_low": figure["low"], f"{name}_high": figure["high"]}
    return result


def _area(rows: pd.DataFrame, classes: list[str], disease: str, confidence: float) -> Figure:
    """Of disease against none for two classes, the mean of each class against the rest for more."""
    groups = rows["group"].to_numpy()
    scores: NDArray[np.float64] = rows[probability_columns(classes)].to_numpy(dtype=np.float64)
    numbers = rows["label"].map(classes.index).to_numpy(dtype=np.int64)
    placed = np.stack([placements(numbers == k, scores[:, k]) for k in range(len(classes))], axis=1)
    if len(classes) > 2:
        return area_of_classes(numbers, placed, groups, confidence)[0]
    k = classes.index(disease)
    return area_under_roc(numbers == k, placed[:, k], groups, confidence)


def plot_robustness(robustness: pd.DataFrame) -> go.Figure:
    """Draw changed answers, accuracy and area under the ROC curve of each perturbation.

    Args:
        robustness: What `measure_robustness` returned.

    Returns:
        Points with intervals, a row per perturbation; dotted lines show the unchanged images.
    """
    figure = make_subplots(cols=len(_FIGURES), shared_yaxes=True, subplot_titles=list(_FIGURES.values()))
    for column, name in enumerate(_FIGURES, start=1):
        values = robustness[name]
        figure.add_scatter(
            x=values,
            y=robustness["label"],
            mode="markers",
            marker={"color": _COLOUR, "size": 9},
            error_x={
                "array": robustness[f"{name}_high"] - values,
                "arrayminus": values - robustness[f"{name}_low"],
                "color": _COLOUR,
                "thickness": 1.5,
            },
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            row=1,
            col=column,
        )
        figure.add_vline(x=values.iloc[0], line_dash="dot", line_color="#999", row=1, col=column)
        figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%" if name != "roc_auc" else ".1f", row=1, col=column)
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(
        title=f"Robustness, {int(robustness['n'].iloc[0])} test images",
        template="plotly_white",
        height=560,
        margin={"l": 160, "r": 20, "t": 90, "b": 60},
        showlegend=False,
    )
    return figure
