"""`/`: the page for people. It works without JavaScript; with it, the same form is sent without leaving the page."""

from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from app.answers import answer, display_name
from app.model import Figure, Model, ModelSource, ModelUnavailableError
from app.problems import ProblemError
from app.samples import SAMPLES
from app.slices import read_slices
from app.uploads import Upload, read_form

blueprint = Blueprint("pages", __name__)

_FIGURE_NAMES = {"roc_auc": "ROC AUC", "loss": "Loss (cross-entropy)"}


@blueprint.get("/")
def show() -> ResponseReturnValue:
    """Show the form and the model; without a model, what helps."""
    try:
        model = ModelSource.of(current_app).get()
    except ModelUnavailableError as error:
        return render_template("index.html", samples=SAMPLES, unavailable=str(error))
    return render_template("index.html", samples=SAMPLES, model=model)


@blueprint.post("/")
def classify() -> ResponseReturnValue:
    """Classify the form's images, or the sample whose button was pressed, and show the page with the result."""
    model = ModelSource.of(current_app).get()
    uploads = [_read_sample(request.form["sample"])] if "sample" in request.form else read_form(request)
    slices = read_slices(uploads, current_app.config["MAX_PIXELS"], model.classifier.standardisation)
    answers = answer(slices, model)
    return render_template("index.html", samples=SAMPLES, model=model, answers=answers)


def _read_sample(filename: str) -> Upload:
    # Only names from the list: this one came from outside.
    if filename not in SAMPLES:
        raise ProblemError("no-sample", "No such sample", 400, f"Expected one of {', '.join(SAMPLES)}.")
    return SAMPLES[filename].read()


@blueprint.app_template_filter("class_name")
def class_name(label: str, model: Model) -> str:
    """Return what people call a class."""
    return display_name(label, model.manifest["normal_class"])


@blueprint.app_template_filter("figure_name")
def figure_name(name: str) -> str:
    """Return what people call a figure."""
    return _FIGURE_NAMES.get(name) or name.replace("_", " ").capitalize()


@blueprint.app_template_filter("is_share")
def is_share(figure: Figure, name: str) -> bool:
    """Say whether a figure lies between 0 and 1 by its nature, and can be drawn on that scale."""
    return name != "loss" and 0 <= figure["low"] <= figure["high"] <= 1


@blueprint.app_template_filter("source_name")
def source_name(data: dict[str, Any]) -> str:
    """Return where the training images came from; of a path on our own disk only its end, for the rest is ours."""
    location: str = data["location"]
    return location if data["kind"] in ("google_drive", "https") else Path(location).name


@blueprint.app_template_filter("percent")
def percent(probability: float) -> str:
    """Write a probability; never as the 0 % or 100 % that it is not."""
    if probability < 0.001:
        return "< 0.1 %"
    if probability > 0.999:
        return "> 99.9 %"
    return f"{probability * 100:.1f} %"
