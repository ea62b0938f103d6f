"""The report: one HTML page."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader

from chest_cancer.pipelines.model_evaluation.metrics import Figure

_TEMPLATES = Environment(
    loader=PackageLoader("chest_cancer.pipelines.model_evaluation", "."), autoescape=True, trim_blocks=True
)


def render_report(
    metrics: dict[str, Figure],
    manifest: dict[str, Any],
    quarantine: pd.DataFrame,
    audits: dict[str, dict[str, Any]],
    plots: dict[str, go.Figure],
) -> str:
    """Fill the template.

    Args:
        metrics: Figures of the test split.
        manifest: The classifier's manifest.
        quarantine: `path` and `reason` of each file that was not used.
        audits: `duplicates`, `leakage` and `shortcuts`; each empty where it was not made.
        plots: By the name that the template knows.

    Returns:
        A page that needs no network: Plotly's script is inside, once.
    """
    divisions = {
        name: plot.to_html(full_html=False, include_plotlyjs=position == 0, config={"displaylogo": False})
        for position, (name, plot) in enumerate(plots.items())
    }
    return _TEMPLATES.get_template("report.html").render(
        metrics=metrics,
        manifest=manifest,
        data=manifest["data"],
        quarantine=quarantine.to_dict("records"),
        audits=audits,
        plots=divisions,
    )
