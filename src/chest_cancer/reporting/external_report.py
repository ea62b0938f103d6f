"""The page of an external validation, filled from its facts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.network.manifest import Manifest
from chest_cancer.reporting.ranked_limitations import FIRST
from chest_cancer.reporting.style import percent
from chest_cancer.reporting.templates import divisions, fill_page
from chest_cancer.statistics.metrics import by_heading
from chest_cancer.storage.figures import Figure, StoredFigure, title_of

_FIRST = ("patient_roc_auc", "patient_sensitivity", "patient_specificity", "roc_auc", "accuracy", "coverage", "ece")
"""What the first screen shows, so far as it is known."""


class Sides(NamedTuple):
    """A figure at both sites, and what people call it."""

    name: str
    title: str
    external: StoredFigure
    internal: StoredFigure | None
    difference: Figure | None


def render_external_report(
    facts: dict[str, Any],
    manifest: Manifest,
    quarantine: pd.DataFrame,
    plots: Mapping[str, go.Figure],
    confidence: float,
) -> str:
    """Fill the template of the page.

    Args:
        facts: All that was found, as `external_validation.json` holds it.
        manifest: The classifier's manifest.
        quarantine: `path` and `reason` of each file that was not used.
        plots: `roc`, `reliability` and `grey_levels`.
        confidence: Confidence level of all intervals, 0..1.

    Returns:
        An HTML page that needs no network.
    """
    rows = {name: Sides(name, title_of(name), **sides) for name, sides in facts["figures"].items()}
    groups, by_class = by_heading(rows)
    return fill_page(
        "external_report.html",
        [],
        divisions(plots),
        facts=facts,
        manifest=manifest,
        quarantine=quarantine.to_dict("records"),
        headlines=[rows[name] for name in _FIRST if name in rows],
        groups=groups,
        by_class=by_class,
        titles={name: title_of(name) for name in ("ece", "brier", "loss")},
        level=percent(confidence),
        first=FIRST,
    )
