"""How pages and cards are filled: one Jinja environment, and the sections that audits bring."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape

from chest_cancer.parameters.sources import source_name
from chest_cancer.reporting.limitation import sentence
from chest_cancer.reporting.style import percent
from chest_cancer.statistics.intervals import in_words

if TYPE_CHECKING:  # a slow import, which pages without a plot don't need
    import plotly.graph_objects as go


class AuditedPart(NamedTuple):
    """What an audit found, for the report.

    Attributes:
        name: Name of the audit and of the folder with its `section.html`.
        title: Heading of its section.
        facts: What it found; empty where nothing was.
        plots: Plots by name; empty where they were not drawn.
    """

    name: str
    title: str
    facts: dict[str, Any]
    plots: dict[str, "go.Figure"]


class Section(NamedTuple):
    """A filled section of a page; `limits` are the titles of the limitations that it found."""

    name: str
    title: str
    html: str
    limits: list[str]


_CONFIG = {"displayModeBar": False, "responsive": True}
_TITLE = 50
"""Pixels that a title takes."""


def _for_markdown(words: object) -> str:
    """Keep names of files and classes from being read as markup."""
    plain = str(words).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(plain.split())


def _with_code(words: str) -> Markup:
    """Show what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704  # escaped before


TEMPLATES = Environment(
    loader=PackageLoader("chest_cancer", "."),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "figure": in_words,
    "percent": percent,
    "source_name": source_name,
    "sentence": sentence,
    "plain": _for_markdown,
    "with_code": _with_code,
}


def divisions(plots: Mapping[str, "go.Figure"]) -> dict[str, str]:
    """Turn plots into HTML that needs Plotly's script once on the page; empty plots are left out.

    A title becomes a caption, which wraps where the page is narrow.
    """
    return {name: _captioned(plot) for name, plot in plots.items() if plot.data}


def _captioned(plot: "go.Figure") -> str:
    margin = plot.layout.margin.t
    untitled = deepcopy(plot).update_layout(title=None, margin_t=None if margin is None else max(margin - _TITLE, 25))
    drawn = untitled.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG)
    title = plot.layout.title.text
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    return f'<figure class="plot">{caption}{drawn}</figure>'


def fill_sections(parts: list[AuditedPart], **known: Any) -> list[Section]:
    """Fill the sections of the audits that found something.

    Args:
        parts: What the audits found.
        known: Further values that sections may use.
    """
    return [
        Section(
            part.name,
            part.title,
            TEMPLATES.get_template(f"audits/{part.name}/section.html").render(
                facts=part.facts, plots=divisions(part.plots), **known
            ),
            [limitation["title"] for limitation in part.facts.get("limitations", [])],
        )
        for part in parts
        if part.facts
    ]


def other_patients_of(parts: list[AuditedPart]) -> dict[str, Any] | None:
    """Take what the leakage audit says of other patients; None where it says nothing."""
    return next((part.facts.get("other_patients") for part in parts if part.name == "leakage"), None)


def fill_page(template: str, sections: list[Section], plots: Mapping[str, str], **values: Any) -> str:
    """Fill a page: HTML that needs no network. Plotly's script is included once if there is a plot.

    Args:
        template: File name of the template.
        sections: Result of `fill_sections`.
        plots: Result of `divisions`.
        values: Further values that the template uses.
    """
    drawn = plots or any("plotly-graph-div" in section.html for section in sections)
    page = TEMPLATES.get_template(f"reporting/{template}")
    return page.render(sections=sections, plots=plots, script=_script() if drawn else "", **values)


def _script() -> str:
    from plotly.offline import get_plotlyjs  # on use, as above

    return str(get_plotlyjs())
