"""How values are written on the pages: filters of the templates."""

import time
from datetime import datetime
from typing import Any

from flask import Flask
from markupsafe import Markup

from app.answers import display_name
from app.evidence import signed
from chest_cancer.imaging.windows import WINDOWS
from chest_cancer.jobs.model_files import FIRST_FIGURES, StoredFigure, title_of
from chest_cancer.network.patients import as_probability
from chest_cancer.parameters.sources import source_name
from chest_cancer.parameters.values import Window

_EPOCH_NAMES = {
    "loss": "Training loss",
    "accuracy": "Training accuracy",
    "val_loss": "Validation loss",
    "val_accuracy": "Validation accuracy",
}
_CURVE_WIDTH, _CURVE_HEIGHT = 300, 100


def init_app(app: Flask) -> None:
    """Give the filters to the templates."""
    for function in (
        as_probability, curve_svg, display_name, duration, epoch_figure_name, figure, figure_name, inline_code, is_main,
        is_share, moment, percent, report_name, signed, source_name, step_name, time_left, window_name,
    ):  # fmt: skip
        app.add_template_filter(function)


def figure_name(name: str) -> str:
    """Return what people call a figure."""
    title = title_of(name)
    return title[:1].upper() + title[1:]


def epoch_figure_name(name: str) -> str:
    """Return what people call a figure of an epoch."""
    return _EPOCH_NAMES.get(name) or figure_name(name)


def step_name(node: str) -> str:
    """Return what people call a node, e.g. "Train head" for `model_training.train_head_node`."""
    return node.rpartition(".")[2].removesuffix("_node").replace("_", " ").capitalize()


def is_main(name: str) -> bool:
    """Say whether a figure is shown at once; the others are shown on request."""
    return name in FIRST_FIGURES


def is_share(figure: StoredFigure, name: str) -> bool:
    """Say whether a figure lies between 0 and 1 by its nature, and can be drawn on that scale."""
    return name != "loss" and figure["value"] is not None and 0 <= figure["low"] <= figure["high"] <= 1


def figure(figure: StoredFigure) -> str:
    """Write a figure with its interval."""
    if figure["value"] is None:
        return "unknown"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def percent(probability: float) -> str:
    """Write a probability in percent; it is never rounded to 0 % or 100 %."""
    if probability < 0.001:
        return "< 0.1 %"
    if probability > 0.999:
        return "> 99.9 %"
    return f"{probability * 100:.1f} %"


def window_name(window: Window) -> str:
    """Return what people call a window, with level and width in Hounsfield units where the window alone says them."""
    if isinstance(window, str):
        if window not in WINDOWS:
            return {"three": "of lung, mediastinum and bone in a colour each", "file": "that the file names"}[window]
        level, width = WINDOWS[window]
        return f"of the {window}: level {level:g}, width {width:g} HU"
    return f"of level {window[0]:g}, width {window[1]:g} HU"


def moment(written: str) -> str:
    """Write a time in UTC, to the minute."""
    return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC"


def duration(job: dict[str, Any]) -> str:
    """Write how long a job took; nothing while it runs."""
    if job["ended"] is None:
        return ""
    took = datetime.fromisoformat(job["ended"]) - datetime.fromisoformat(job["started"])
    seconds = round(took.total_seconds())
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def time_left(end: float) -> str:
    """Write how long it is until a time in seconds since 1970; `training.js` goes on counting."""
    left = end - time.time()
    if left < 60:
        return "a minute" if left > 0 else "no time"
    return f"{round(left / 60)} min" if left < 5400 else f"{left / 3600:.1f} h"


def report_name(file: str) -> str:
    """Return what people call a report."""
    return {"report.html": "Report"}.get(file) or file.partition(".")[0].replace("_", " ").capitalize()


def inline_code(text: str) -> Markup:
    """Turn `backticks` into code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def curve_svg(curve: list[list[float | None]], best: dict[str, float] | None = None) -> Markup:
    """Draw training and validation loss over epochs, both on one scale that begins at 0, and mark the best epoch."""
    losses = [value for point in curve for value in point[1:] if value is not None]
    top, last = max(losses, default=1.0) or 1.0, max(point[0] or 1 for point in curve)
    lines = Markup("").join(
        Markup('<polyline class="{}" points="{}"/>').format(name, _points(curve, column, top, last))
        for column, name in ((1, "training"), (2, "validation"))
    )
    marks = Markup("")
    if best:
        x, y = _place(best["epoch"], best["val_loss"], top, last)
        marks = Markup('<path class="best" d="M{0} 0V{1}"/><path class="best point" d="M{0} {2}h0"/>').format(
            f"{x:.1f}", _CURVE_HEIGHT, f"{y:.1f}"
        )
    return Markup(
        '<svg class="curve" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="Training and validation loss over {} epochs, from 0 to {}{}">{}{}</svg>'
    ).format(
        _CURVE_WIDTH, _CURVE_HEIGHT, last, f"{top:.2f}", f"; best epoch {best['epoch']}" if best else "", lines, marks
    )


def _place(epoch: float, loss: float, top: float, last: float) -> tuple[float, float]:
    return epoch / last * _CURVE_WIDTH, (1 - loss / top) * _CURVE_HEIGHT


def _points(curve: list[list[float | None]], column: int, top: float, last: float) -> str:
    return " ".join(
        "{:.1f},{:.1f}".format(*_place(point[0] or 0, value, top, last))
        for point in curve
        if (value := point[column]) is not None
    )
