"""`/`: the page for people. It works without JavaScript; with it, the same form is sent without leaving the page."""

from flask import Blueprint, current_app, g, render_template, request
from flask.typing import ResponseReturnValue

from app.answers import answer
from app.capacity import Capacity
from app.downloads import csv_url, json_url
from app.model import ModelSource, ModelUnavailableError
from app.patient import answer_patient, is_one_patient, records
from app.problems import ProblemError
from app.samples import Sample, samples_of
from app.slices import read_slices
from app.uploads import read_form

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def show() -> ResponseReturnValue:
    """Show the form and the model; without a model, what to do."""
    try:
        model = ModelSource.of(current_app).get()
    except ModelUnavailableError as error:
        return render_template("index.html", unavailable=str(error))
    return render_template("index.html", samples=samples_of(model.manifest), model=model)


@blueprint.post("/")
def classify() -> ResponseReturnValue:
    """Classify the form's images, or the sample whose button was pressed, and show the page with the result."""
    model = ModelSource.of(current_app).get()
    samples = samples_of(model.manifest)
    capacity = Capacity.of(current_app)
    with capacity.admit():
        sample = _sample(request.form["sample"], samples) if "sample" in request.form else None
        uploads = [sample.read()] if sample else read_form(request)
        files = read_slices(uploads, current_app.config["MAX_PIXELS"], model.classifier, capacity)
        answers = answer(files, model, capacity)
        patient = answer_patient(answers, model) if is_one_patient(request) else None
        said = records(answers, patient, model, g.request_id, explain=False)
        return render_template(
            "index.html",
            samples=samples,
            model=model,
            answers=answers,
            patient=patient,
            sample=sample,
            downloads={"CSV": csv_url(said), "JSON": json_url(said)},
        )


def _sample(filename: str, samples: dict[str, Sample]) -> Sample:
    # Only names from the list: this one came from outside.
    if filename not in samples:
        expected = f"one of {', '.join(samples)}" if samples else "none: this model did not learn from phantoms"
        raise ProblemError("no-sample", "No such sample", 400, f"Expected {expected}.")
    return samples[filename]
