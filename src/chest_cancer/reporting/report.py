"""The report, an HTML page, and the model card, in Markdown, filled from the same figures."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.network.manifest import Manifest
from chest_cancer.parameters.sources import source_name
from chest_cancer.reporting.pictures import Gallery
from chest_cancer.reporting.ranked_limitations import FIRST, find_limitations
from chest_cancer.reporting.style import percent
from chest_cancer.reporting.templates import (
    TEMPLATES,
    AuditedPart,
    divisions,
    fill_page,
    fill_sections,
    other_patients_of,
)
from chest_cancer.reporting.verdict import judge
from chest_cancer.statistics.metrics import by_heading
from chest_cancer.storage.figures import StoredFigure, figures_in, patients_of, title_of

_FIRST_SCREEN = {
    "Patients, by all images of each": ("patient_roc_auc", "patient_sensitivity", "patient_specificity"),
    "Images, one by one": ("roc_auc", "sensitivity", "specificity", "accuracy", "coverage"),
}
"""What can be seen at once, so far as it was measured."""


class Row(NamedTuple):
    """A figure of `metrics.json` and what people call it."""

    name: str
    title: str
    figure: StoredFigure


class ClassAnswers(NamedTuple):
    """What became of the test images of a class: the shares that were answered, rightly and wrongly."""

    name: str
    answered: StoredFigure
    right: StoredFigure
    wrong: StoredFigure


def render_report(
    metrics: dict[str, Any],
    manifest: Manifest,
    quarantine: pd.DataFrame,
    audits: list[AuditedPart],
    plots: dict[str, go.Figure],
    confidence: float,
    promotion: str,
    gallery: Gallery,
) -> str:
    """Fill the report's template.

    Args:
        metrics: Figures of the test split, and whether patients are known.
        manifest: The classifier's manifest.
        quarantine: `path` and `reason` of each file that was not used.
        audits: What the audits found, in the order of the page.
        plots: `confusion`, `roc`, `reliability` and `history`.
        confidence: Confidence level of all intervals, 0..1.
        promotion: What the gate of the model registry said.
        gallery: Test images under their evidence maps.

    Returns:
        An HTML page that needs no network.
    """
    return fill_page(
        "report.html",
        fill_sections(audits, manifest=manifest, metrics=metrics),
        divisions(plots),
        **_about(metrics, manifest, audits, confidence),
        quarantine=quarantine.to_dict("records"),
        promotion=promotion,
        gallery=gallery,
        verdict=judge(metrics, manifest, audits),
        about=_made_of(manifest),
        tested=_tested(metrics),
        first=FIRST,
    )


def render_model_card(
    metrics: dict[str, Any],
    manifest: Manifest,
    test_predictions: pd.DataFrame,
    audits: list[AuditedPart],
    confidence: float,
) -> str:
    """Fill the model card's template.

    Args:
        metrics: Figures of the test split, and whether patients are known.
        manifest: The classifier's manifest.
        test_predictions: A row per distinct test image, with `label`, `predicted` and `reason`.
        audits: What the audits found.
        confidence: Confidence level of all intervals, 0..1.

    Returns:
        Markdown.
    """
    answered = test_predictions["reason"].isna()
    return TEMPLATES.get_template("reporting/model_card.md").render(
        **_about(metrics, manifest, audits, confidence),
        audits={part.name: part.facts for part in audits},
        tested=len(test_predictions),
        wrong=int((answered & (test_predictions["label"] != test_predictions["predicted"])).sum()),
        abstained=int((~answered).sum()),
    )


def _made_of(manifest: Manifest) -> str:
    """When, by which run, and from which data and code the classifier was made, in words."""
    made, data = manifest.provenance, manifest.data
    run = "" if made.mlflow_run_id is None else f" by MLflow run {made.mlflow_run_id[:8]}"
    commit = "" if made.git_commit is None else f", commit {made.git_commit[:8]}"
    changed = " with changes that are in no commit" if made.git_clean is False else ""
    return (
        f"Made on {_in_words(made.created)}{run} (chest-cancer {made.code_version}{commit}{changed}): VGG16 with a "
        f"{manifest.head} head, from {data.files} files of {source_name(data.location)} (data {data.digest[:8]})."
    )


def _in_words(created: str) -> str:
    try:
        moment = datetime.fromisoformat(created).astimezone(UTC)
    except ValueError:
        return created
    return f"{moment.day} {moment:%B %Y}, {moment:%H:%M} UTC"


def _tested(metrics: Mapping[str, Any]) -> dict[str, int | None] | None:
    """How many patients were tested, and how many of them are positive; None where that was not counted."""
    counts = {
        name: metrics[f"patient_{figure}"]["n"] if f"patient_{figure}" in metrics else None
        for name, figure in (("all", "accuracy"), ("positive", "sensitivity"), ("negative", "specificity"))
    }
    return None if counts["all"] is None else counts


def _about(metrics: dict[str, Any], manifest: Manifest, audits: list[AuditedPart], confidence: float) -> dict[str, Any]:
    rows = {name: Row(name, title_of(name), figure) for name, figure in figures_in(metrics).items()}
    groups, by_class = by_heading(rows)
    return {
        "headlines": {
            title: [rows[name] for name in names if name in rows]
            for title, names in _FIRST_SCREEN.items()
            if any(name in rows for name in names)
        },
        "answers_by_class": [
            ClassAnswers(name, *(metrics[f"{kind}_{name}"] for kind in ("coverage", "recall", "wrong")))
            for name in manifest.classes
            if f"coverage_{name}" in metrics
        ],
        "groups": groups,
        "by_class": by_class,
        "patients": patients_of(metrics),
        "other": other_patients_of(audits),
        "limitations": find_limitations(metrics, manifest, audits, confidence),
        "manifest": manifest,
        "data": manifest.data,
        "level": percent(confidence),
    }
