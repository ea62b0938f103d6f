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
    metrics: dict[str, Figure], manifest: dict[str, Any], quarantine: pd.DataFrame, plots: list[go.Figure]
) -> str:
    """Fill the template.

    Args:
        metrics: Figures of the test split.
        manifest: The classifier's manifest.
        quarantine: `path` and `reason` of each file that was not used.
        plots: In the order in which they appear.

    Returns:
        A page that needs no network: Plotly's script is inside, once.
    """
    divisions = [
        plot.to_html(full_html=False, include_plotlyjs=position == 0, config={"displaylogo": False})
        for position, plot in enumerate(plots)
    ]
    return _TEMPLATES.get_template("report.html").render(
        metrics=metrics,
        manifest=manifest,
        data=manifest["data"],
        quarantine=quarantine.to_dict("records"),
        plots=divisions,
    )
