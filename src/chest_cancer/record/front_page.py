"""What people see when they open a run in MLflow: a description, and its plots on one page."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from chest_cancer.record.contents import EXTERNAL_TABLE, FIGURES_TABLE, HEADLINES
from chest_cancer.record.run_name import Change
from chest_cancer.record.tracking import NOTE_TAG, connect, local_artifacts, tracking_uri
from chest_cancer.storage.figures import StoredFigure, figures_in, title_of

PLOTS_PAGE = "plots.html"
_PLOTS = "plots"
_MOST_CHARACTERS = 5_000
"""What every MLflow server takes of a tag."""
_FILES = (
    "report.html", PLOTS_PAGE, FIGURES_TABLE, "data_report.html", "external_validation.html", EXTERNAL_TABLE,
    "model_card.md",
)  # fmt: skip
_STYLE = "body{font-family:sans-serif;max-width:64rem;margin:1rem auto;padding:0 1rem;background:#fff;color:#1f272d}"


def present(run_id: str, changes: Sequence[Change]) -> None:
    """Describe a run by what it has recorded so far, and put its plots on one page.

    The stages of one `dvc repro` share a run: each of them describes it anew.

    Args:
        run_id: Id of the run here.
        changes: Parameters that are not the default.
    """
    client, folder = connect(tracking_uri()), local_artifacts(run_id)
    plots = sorted((folder / _PLOTS).rglob("*.json"), key=lambda path: (len(path.parts), path))
    if plots:
        client.log_text(run_id, _page(plots), PLOTS_PAGE)
    client.set_tag(run_id, NOTE_TAG, describe(folder, changes))


def describe(folder: Path, changes: Sequence[Change]) -> str:
    """Describe a run in Markdown: the verdict, what was changed, the gate's decision, the headline figures, the files.

    MLflow shows the first lines, and the rest on a click.

    Args:
        folder: Of its artifacts; what it has not recorded is left out.
        changes: Parameters that are not the default.
    """
    verdict, promotion, metrics = (folder / name for name in ("verdict.txt", "promotion.json", "metrics.json"))
    parts = []
    if verdict.is_file():
        parts.append(f"**{verdict.read_text().strip()}**")
    parts.append(_sentence_of(changes))
    if promotion.is_file():
        parts.append(f"**The gate:** {json.loads(promotion.read_text())['reason']}")
    if metrics.is_file():
        parts.append(_table_of_figures(figures_in(json.loads(metrics.read_text()))))
    if there := [f"`{name}`" for name in _FILES if (folder / name).is_file()]:
        parts.append(f"Under *Artifacts*: {', '.join(there)}.")
    return "\n\n".join(parts)[:_MOST_CHARACTERS]


def _sentence_of(changes: Sequence[Change]) -> str:
    if not changes:
        return "All parameters have their default."
    listed = (f"`{name}` {_verbatim(value)} ({_verbatim(default)})" for name, default, value in changes)
    return f"**Changed, with the default in brackets:** {', '.join(listed)}"


def _table_of_figures(figures: dict[str, StoredFigure]) -> str:
    from chest_cancer.statistics.intervals import in_words  # SciPy is behind it

    rows = [(title_of(name), in_words(figures[name]), str(figures[name]["n"])) for name in HEADLINES if name in figures]
    lines = [("figure", "value [interval]", "n"), ("---", "---", "---"), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _verbatim(value: Any) -> str:
    """Write a value so that nothing in it is Markdown."""
    text = str(value).replace("`", "'").replace("\n", " ")
    return "none" if value is None else f"`{text}`" if text else "empty"


def _page(plots: Sequence[Path]) -> str:
    return "".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Plots</title><style>{_STYLE}</style>',
            "</head><body><h1>Plots</h1>",
            *_drawn(plots),
            "</body></html>",
        ]
    )


def _drawn(plots: Sequence[Path]) -> Iterator[str]:
    """Draw plots; the first one brings Plotly with it, so that the page needs no network."""
    from plotly import io

    read = [(path, io.from_json(path.read_text())) for path in plots]
    drawn = [(path, figure) for path, figure in read if figure.data]  # those of an audit that was not run are empty
    for number, (path, figure) in enumerate(drawn):
        yield f"<h2>{escape(path.stem.removesuffix('_plot').replace('_', ' '))}</h2>"
        yield io.to_html(figure, full_html=False, include_plotlyjs=number == 0, config={"displaylogo": False})
