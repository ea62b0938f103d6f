"""`/train`: start a run, follow it, cancel it, and see how earlier ones did. Only for those who have the token."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from app import access
from app.archives import receiving, require_whole, take_archive
from app.comparison import compare
from app.headers import REPORT_POLICY
from app.jobs import JobRunningError, Jobs, Place
from app.model import ModelSource, ModelUnavailableError
from app.problems import ProblemError, prefers_html
from app.progress import summarise
from app.uploads import read_object
from chest_cancer.jobs.training_job import JobFolder
from chest_cancer.jobs.training_order import OrderError, TrainingOrder, check_order, describe_images, environments
from chest_cancer.parameters.blocks import ModelTrainingParameters

blueprint = Blueprint("training", __name__, url_prefix="/train")

_STREAM_SECONDS = 25
_LOOK_SECONDS = 0.5


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Show the training page, or the form to log in; `?token=` logs in, as the printed link does. JSON for programs."""
    if not current_app.config["TRAIN_TOKEN"] or not prefers_html():
        access.check()
        return jsonify(
            {"environments": environments(_jobs().project), "jobs": _describe_all(), "served_run_id": _served_run()}
        )
    if "token" in request.args:
        return _log_in(request.args["token"])
    if not access.is_logged_in():
        return render_template("login.html"), 401
    return _page({}, {})


def _page(filled: dict[str, Any], problems: dict[str, str]) -> str:
    """The page; with what was filled in and what was wrong with it, by field, where a run was refused."""
    project = _jobs().project
    training = ModelTrainingParameters.model_json_schema()["properties"]
    return render_template(
        "training.html",
        jobs=_describe_all(),
        environments={name: describe_images(project, name) for name in environments(project)},
        epochs=training["epochs"],
        heads=training["head"]["enum"],
        model=ModelSource.of(current_app).current,
        filled=filled,
        problems=problems,
    )


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Begin a session with the token in the form."""
    if not current_app.config["TRAIN_TOKEN"]:
        access.check()
    access.check_origin()
    return _log_in(request.form.get("token", ""))


def _log_in(token: str) -> ResponseReturnValue:
    if not access.is_token(token.strip()):
        return render_template("login.html", failed=True), 401
    access.log_in()
    return redirect(url_for("training.show"), 303)


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session."""
    access.check()
    access.log_out()
    return redirect(url_for("training.show"), 303)


@blueprint.post("")
def start() -> ResponseReturnValue:
    """Start a run: 202 with its address, or back to the page; 400 when nobody can ask for it, 409 beside another."""
    access.check_sender()
    _require_packages()
    with _place() as place, receiving(place.folder.upload, current_app.config):
        if not request.is_json:
            require_whole(request)
        access.check()
        body = read_object(request) if request.is_json else request.form.to_dict()
        if body is None:
            raise ProblemError("invalid-order", "No such run", 400, "Expected a JSON object.")
        try:
            order = _check_order(body, take_archive(request, place.folder.upload))
        except OrderError as error:
            if prefers_html():
                return _page(body, error.problems), 400
            kind = "no-environment" if "environment" in error.problems else "invalid-order"
            raise ProblemError(kind, "No such run", 400, str(error)) from None
        _jobs().train(place, order)
    return _accepted(place.folder)


@blueprint.post("/rollback")
def roll_back() -> ResponseReturnValue:
    """Serve the former model again, by a job; answers as `start` does.

    `version` says which one is served: a page that was opened a while ago must not roll back another one.
    """
    access.check()
    _require_packages()
    version = request.form.get("version")
    if version is not None and not (version.isascii() and version.isdigit() and len(version) < 19):
        detail = "Expected `version` to be the number of the version that is served."
        raise ProblemError("invalid-order", "No such run", 400, detail)
    with _place() as place:
        _jobs().roll_back(place, version)
    return _accepted(place.folder)


def _require_packages() -> None:
    if find_spec("kedro_mlflow") is None:
        detail = "Packages for training are not installed here: `make run` installs them, the image `train` has them."
        raise ProblemError("not-installed", "Training is not installed", 503, detail)


@contextmanager
def _place() -> Iterator[Place]:
    try:
        with _jobs().place() as place:
            yield place
    except JobRunningError:
        detail = "A job runs already, and only one may run at a time. Wait until it ends, or cancel it."
        raise ProblemError("job-running", "A job runs already", 409, detail) from None


def _check_order(body: dict[str, Any], archive: Path | None) -> TrainingOrder:
    project, root = _jobs().project, current_app.config["TRAIN_ROOT"]
    # Seen from the project, where the run starts: the path goes into the record.
    name = str(archive.relative_to(project)) if archive else None
    # A form sends what was not filled in, too.
    given = body if request.is_json else {field: value for field, value in body.items() if field != "csrf" and value}
    return check_order(given, project, root=Path(root) if root else None, archive=name)


@blueprint.get("/jobs")
def list_jobs() -> ResponseReturnValue:
    """List the jobs, the newest first."""
    access.check()
    return jsonify(_describe_all())


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> ResponseReturnValue:
    """Describe a job."""
    access.check()
    return jsonify(_describe(_find(job_id)))


@blueprint.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> ResponseReturnValue:
    """End a job and everything that it started; 409 when it has ended already."""
    access.check()
    folder = _find(job_id)
    if not _jobs().cancel(folder):
        raise ProblemError("job-ended", "The job has ended", 409, "Expected a job that runs.")
    return _accepted(folder)


@blueprint.get("/jobs/<job_id>/reports/<name>")
def report(job_id: str, name: str) -> ResponseReturnValue:
    """Show a report that the job's run wrote."""
    access.check()
    folder = _find(job_id)
    if name not in folder.reports():
        raise ProblemError("no-report", "No such report", 404, "Expected one of the `reports` of the job.")
    if not name.endswith(".html"):
        return Response((folder.path / name).read_text(), mimetype="text/plain")
    response = Response((folder.path / name).read_text(), mimetype="text/html")
    g.policy = REPORT_POLICY
    return response


@blueprint.get("/compare")
def show_comparison() -> ResponseReturnValue:
    """Show two jobs, `?job=` and `?job=`, side by side."""
    access.check()
    chosen = request.args.getlist("job")
    if len(chosen) != 2:
        raise ProblemError("not-two", "Not two runs", 400, f"Expected two runs to compare. Received: {len(chosen)}.")
    first, second = (_jobs().status(_find(job_id)) for job_id in sorted(chosen))
    return render_template("comparison.html", first=first, second=second, **compare(first, second))


@blueprint.get("/jobs/<job_id>/events")
def follow(job_id: str) -> ResponseReturnValue:
    """Send a job's description whenever it changes, as server-sent events, for a while: browsers connect again."""
    access.check()
    folder = _find(job_id)
    places: threading.Semaphore = current_app.extensions["streams"]
    if not places.acquire(blocking=False):
        detail = "Too many pages follow jobs. Ask for the job's own address now and then instead."
        raise ProblemError("busy", "Too busy", 503, detail, 5)
    response = Response(stream_with_context(_events(folder)), mimetype="text/event-stream")
    response.call_on_close(places.release)
    return response


def _events(folder: JobFolder) -> Iterator[str]:
    stopping: threading.Event = current_app.extensions["stopping"]
    end = time.monotonic() + _STREAM_SECONDS
    sent = None
    yield "retry: 1000\n\n"
    while time.monotonic() < end:
        job = _describe(folder)
        if job != sent:
            yield f"data: {json.dumps(job)}\n\n"
            sent = job
        if job["status"] != "running":
            yield "event: end\ndata: {}\n\n"
            return
        if stopping.wait(_LOOK_SECONDS):
            return


def _accepted(folder: JobFolder) -> ResponseReturnValue:
    if prefers_html():
        return redirect(url_for("training.show"), 303)
    response = jsonify(_describe(folder))
    response.headers["Location"] = url_for("training.show_job", job_id=folder.path.name)
    return response, 202


def _jobs() -> Jobs:
    return Jobs.of(current_app)


def _find(job_id: str) -> JobFolder:
    folder = _jobs().find(job_id)
    if folder is None:
        raise ProblemError("no-job", "No such job", 404, "Expected the id of a job in /train/jobs.")
    return folder


def _describe_all() -> list[dict[str, Any]]:
    return [_describe(folder) for folder in _jobs().folders()]


def _describe(folder: JobFolder) -> dict[str, Any]:
    """Return what is known of a job, for the page and for programs."""
    job = _jobs().status(folder)
    before = _jobs().before(job) if job.status == "running" else None
    return {
        "id": job.id,
        "url": url_for("training.show_job", job_id=job.id),
        "status": job.status,
        "task": job.task,
        "environment": job.environment,
        "started": job.started,
        "ended": job.ended,
        "run_id": job.run_id,
        "promoted": job.promoted,
        "served": job.run_id is not None and job.run_id == _served_run(),
        "version": job.version,
        "error": job.error,
        "figures": job.figures,
        "asked": job.asked,
        "data": job.data,
        "reports": {name: url_for("training.report", job_id=job.id, name=name) for name in folder.reports()},
        "estimated_by": before.started if before else None,
        **summarise(list(folder.events()), job.status, before.seconds if before else None),
        "log": folder.log_tail(),
    }


def _served_run() -> str | None:
    try:
        run: str | None = ModelSource.of(current_app).get().manifest.provenance.mlflow_run_id
    except ModelUnavailableError:
        return None
    return run
