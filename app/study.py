"""`/study`: a CT series, slice by slice and together. `/studies`: the same piece by piece, for the viewer on that page.

`POST /study` takes a whole study and answers it, without a script and with any number of processes. The viewer opens a
study, sends its files in parts, asks for slices and answers as they come, and closes it.
"""

import json
import os
from collections.abc import Iterator

from flask import Blueprint, Response, current_app, jsonify, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from app import access, metrics
from app.capacity import Capacity
from app.model import ModelSource, ModelUnavailableError
from app.problems import ProblemError, allow_more_time, prefers_html
from app.studies import OpenStudy, Studies
from app.study_answers import Series, choose_series, series_record, shown_slice, slice_record, study_record
from app.study_files import add_files
from chest_cancer.imaging.windows import WINDOWS
from chest_cancer.network.studies import SliceAnswer, answer_slices, sum_up

blueprint = Blueprint("study", __name__)


@blueprint.before_request
def take_time() -> None:
    """A study takes longer than a slice: to arrive, and to be answered."""
    allow_more_time(current_app.config["STUDY_SECONDS"])


@blueprint.get("/study")
def show() -> ResponseReturnValue:
    """Show the form, and the viewer where a script can run."""
    try:
        model = ModelSource.of(current_app).get()
    except ModelUnavailableError as error:
        return render_template("study.html", unavailable=str(error))
    # A study that is open is known to one process.
    has_viewer = "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    return render_template("study.html", model=model, windows=WINDOWS, has_viewer=has_viewer)


@blueprint.post("/study")
def answer_whole() -> ResponseReturnValue:
    """Answer the study that a form holds: a page with a table of slices, or JSON."""
    model, capacity = ModelSource.of(current_app).get(), Capacity.of(current_app)
    with Studies.of(current_app).place() as arriving:
        add_files(request, arriving.add, capacity)
        series = choose_series(arriving.finish(), arriving, _number_of_series(), model)
        answer = sum_up(model.manifest, _answers(series, capacity))
        if prefers_html():
            return render_template("study.html", model=model, series=series, answer=answer, windows=WINDOWS)
        slices = [slice_record(one, series) for one in answer.slices]
        return jsonify({**series_record(series), "answers": slices, "study": study_record(answer, series)})


@blueprint.post("/studies")
def open_study() -> ResponseReturnValue:
    """Open a study without files."""
    access.check_origin()  # another site's page could take the place
    ModelSource.of(current_app).get()
    study = Studies.of(current_app).open()
    address = url_for("study.close", study_id=study.id)
    return {"id": study.id, "address": address}, 201, {"Location": address}


@blueprint.post("/studies/<study_id>/files")
def add(study_id: str) -> ResponseReturnValue:
    """Add files; each is decoded before this is answered."""
    with Studies.of(current_app).use(study_id) as study:
        add_files(request, study.add, Capacity.of(current_app))
        return {"slices": study.arriving.slices, "not_used": sum(study.arriving.refused.values())}


@blueprint.get("/studies/<study_id>/answers")
def follow(study_id: str) -> ResponseReturnValue:
    """Send what the series is, then the answer to each slice as it comes, then that to the study: a JSON object a line.

    From now on the study takes no more files.
    """
    model = ModelSource.of(current_app).get()
    with Studies.of(current_app).use(study_id) as study:
        series = choose_series(study.volumes(), study.arriving, _number_of_series(), model)
    return Response(stream_with_context(_lines(study, series)), mimetype="application/x-ndjson")


def _lines(study: OpenStudy, series: Series) -> Iterator[str]:
    stopping = current_app.extensions["stopping"]
    yield _line(series=series_record(series) | {"positive_name": series.positive_name})
    answers: list[SliceAnswer] = []
    try:
        with Studies.of(current_app).use(study.id):
            for one in _answers(series, Capacity.of(current_app)):
                if study.closed.is_set() or stopping.is_set():
                    return
                answers.append(one)
                yield _line(slice=shown_slice(one, series))
    except ProblemError as problem:
        yield _line(problem={"title": problem.title, "status": problem.status, "detail": problem.detail})
        return
    answer = sum_up(series.model.manifest, answers)
    page = render_template("study_answer.html", answer=answer, series=series, model=series.model, in_viewer=True)
    yield _line(study=study_record(answer, series), html=page)


@blueprint.get("/studies/<study_id>/slices/<int:number>")
def show_slice(study_id: str, number: int) -> ResponseReturnValue:
    """Send the Hounsfield units of a slice: int16, little-endian, row by row."""
    with Studies.of(current_app).use(study_id) as study:
        volumes, chosen = study.volumes(), _number_of_series()
        if not (0 <= chosen < len(volumes) and number < len(volumes[chosen])):
            raise ProblemError("no-slice", "No such slice", 404, "Expected the number of a slice, from 0.")
        return Response(volumes[chosen].hounsfield[number].astype("<i2").tobytes(), mimetype="application/octet-stream")


@blueprint.delete("/studies/<study_id>")
def close(study_id: str) -> ResponseReturnValue:
    """Let a study go; answers that are under way end."""
    studies = Studies.of(current_app)
    with studies.use(study_id) as study:
        studies.close(study)
    return "", 204


def _answers(series: Series, capacity: Capacity) -> Iterator[SliceAnswer]:
    """Answer slice by slice; between two slices other requests get their turn."""
    answers = answer_slices(series.model.classifier, series.volume)
    while True:
        with capacity.infer():
            one = next(answers, None)
        if one is None:
            return
        metrics.ANSWERS.labels(one.reason or (one.prediction and one.prediction.leaning)).inc()
        yield one


def _number_of_series() -> int:
    text = request.args.get("series", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1


def _line(**content: object) -> str:
    return json.dumps(content) + "\n"
