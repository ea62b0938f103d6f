"""The report, one HTML page, and the cards of model and data, in Markdown: all are filled from the same figures."""

from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, select_autoescape
from PIL import Image
from plotly.offline import get_plotlyjs

from chest_cancer.imaging.pictures import picture_url
from chest_cancer.network.manifest import Manifest
from chest_cancer.parameters import FeatureExtractionParameters
from chest_cancer.reporting.limitations import (
    Audits,
    count_twins,
    find_data_limitations,
    find_limitations,
    sentence,
)
from chest_cancer.reporting.style import percent
from chest_cancer.statistics.intervals import Figure, in_words
from chest_cancer.statistics.metrics import PREVALENCES

_TITLES = {
    "accuracy": "accuracy",
    "roc_auc": "area under the ROC curve",
    "average_precision": "average precision",
    "loss": "cross-entropy, nats",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "brier": "Brier score",
    "ece": "calibration error",
    "ece_uncalibrated": "calibration error before temperature scaling",
    "coverage": "answered (coverage)",
    "selective_accuracy": "accuracy of the answers",
    "not_sure": "called not sure",
    "false_refusal": "called not a chest CT slice",
}
_TITLES |= {f"ppv_at_prevalence_{percent}": f"PPV if {percent} % had disease" for percent in PREVALENCES}
_TITLES |= {f"npv_at_prevalence_{percent}": f"NPV if {percent} % had disease" for percent in PREVALENCES}
_HEADLINES = ("accuracy", "roc_auc", "sensitivity", "specificity")
_GROUPS = {
    "Telling classes apart": ("accuracy", "roc_auc", "average_precision", "loss"),
    "At the operating threshold": ("sensitivity", "specificity", "ppv", "npv"),
    "Predictive values elsewhere": tuple(f"{kind}_at_prevalence_{p}" for p in PREVALENCES for kind in ("ppv", "npv")),
    "Trust in probabilities": ("brier", "ece", "ece_uncalibrated"),
    "Abstention": ("coverage", "selective_accuracy", "not_sure", "false_refusal"),
}


class Row(NamedTuple):
    """A figure of `metrics.json` and what people call it."""

    name: str
    title: str
    figure: Figure


def _for_markdown(words: object) -> str:
    """Keep names of files and classes from being read as markup."""
    plain = str(words).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(plain.split())


_TEMPLATES = Environment(
    loader=PackageLoader("chest_cancer.reporting", "."),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "figure": in_words,
    "percent": percent,
    "twins": count_twins,
    "sentence": sentence,
    "plain": _for_markdown,
}


def render_report(
    metrics: dict[str, Figure],
    manifest: Manifest,
    quarantine: pd.DataFrame,
    audits: Audits,
    plots: dict[str, go.Figure],
    confidence: float,
    promotion: str,
    evidence_examples: Image.Image,
) -> str:
    """Fill the report's template.

    Args:
        metrics: Figures of the test split.
        manifest: The classifier's manifest.
        quarantine: `path` and `reason` of each file that was not used.
        audits: By the name that the template knows; each empty where it was not made.
        plots: The same.
        confidence: Of all intervals, 0..1.
        promotion: What the gate of the model registry said.
        evidence_examples: Test images under their evidence maps.

    Returns:
        A page that needs no network: Plotly's script is inside, once.
    """
    divisions = {
        name: plot.to_html(
            full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
        )
        for name, plot in plots.items()
        if plot.data
    }
    return _TEMPLATES.get_template("report.html").render(
        **_about(metrics, manifest, audits, confidence),
        quarantine=quarantine.to_dict("records"),
        promotion=promotion,
        evidence_examples=picture_url(evidence_examples, lossless=False),
        audits=audits,
        plots=divisions,
        script=get_plotlyjs() if divisions else "",
    )


def render_model_card(
    metrics: dict[str, Figure],
    manifest: Manifest,
    test_predictions: pd.DataFrame,
    audits: Audits,
    confidence: float,
) -> str:
    """Fill the model card's template.

    Args:
        metrics: Figures of the test split.
        manifest: The classifier's manifest.
        test_predictions: A row per distinct test image, with `label` and `predicted`.
        audits: By name; each empty where it was not made.
        confidence: Of all intervals, 0..1.

    Returns:
        Markdown.
    """
    return _TEMPLATES.get_template("model_card.md").render(
        **_about(metrics, manifest, audits, confidence),
        audits=audits,
        tested=len(test_predictions),
        wrong=int((test_predictions["label"] != test_predictions["predicted"]).sum()),
    )


def render_data_card(
    manifest: Manifest,
    split_table: pd.DataFrame,
    quarantine: pd.DataFrame,
    audits: Audits,
    parameters: FeatureExtractionParameters,
) -> str:
    """Fill the data card's template.

    Args:
        manifest: The classifier's manifest.
        split_table: A row per image file: `label`, `format`, `mode`, `width`, `height`, `group`, `split` and
            `source_split`.
        quarantine: `path` and `reason` of each file that was not used.
        audits: By name; each empty where it was not made.
        parameters: The block `feature_extraction`.

    Returns:
        Markdown.
    """
    is_copy = split_table["split"] == "copy"
    counts = pd.crosstab(split_table["label"], split_table["split"].mask(is_copy))
    kinds = (split_table["format"] + ", " + split_table["mode"]).value_counts()
    return _TEMPLATES.get_template("data_card.md").render(
        data=manifest.data,
        limitations=find_data_limitations(manifest.data, audits),
        quarantine=quarantine.to_dict("records"),
        reasons=quarantine["reason"].str.split(":").str[0].value_counts().to_dict(),
        groups=int(split_table["group"].nunique()),
        formats=[f"{kind} ({count})" for kind, count in kinds.items()],
        width=(int(split_table["width"].min()), int(split_table["width"].max())),
        height=(int(split_table["height"].min()), int(split_table["height"].max())),
        splits=list(counts.columns),
        classes={name: row.to_list() for name, row in counts.iterrows()},
        copies=is_copy.groupby(split_table["label"]).sum().to_dict(),
        kept_split=bool(split_table["source_split"].notna().any()),
        standardisation=parameters.standardisation,
        augmented=parameters.augmentation.enabled,
        similarity=parameters.groups.similarity,
    )


def _about(metrics: dict[str, Figure], manifest: Manifest, audits: Audits, confidence: float) -> dict[str, Any]:
    groups = {
        title: [Row(name, _TITLES[name], metrics[name]) for name in names if name in metrics]
        for title, names in _GROUPS.items()
    }
    rest = [Row(name, name.replace("_", " ", 1), figure) for name, figure in metrics.items() if name not in _TITLES]
    return {
        "headlines": [Row(name, _TITLES[name], metrics[name]) for name in _HEADLINES if name in metrics],
        "groups": {title: rows for title, rows in groups.items() if rows},
        "by_class": rest,
        "limitations": find_limitations(metrics, manifest.data, audits, confidence),
        "manifest": manifest,
        "data": manifest.data,
        "level": percent(confidence),
    }
