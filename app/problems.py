"""What is answered when something goes wrong: a problem document (RFC 9457) for programs, a plain page for people."""

import json
import logging
import time
import traceback
from contextlib import suppress
from http import HTTPStatus

from flask import Flask, Response, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException

from app import metrics
from app.arrivals import ARRIVAL
from app.model import ModelUnavailableError

logger = logging.getLogger(__name__)

_BLOCK = 64 * 1024
_TYPES = "urn:chest-cancer:problem:"


class ProblemError(Exception):
    """A request that can't be answered as asked.

    Attributes:
        kind: Last part of the problem's type, for programs.
        title: Name of the problem for people, always the same for one kind.
        status: HTTP status.
        detail: What was expected and what was received, this time.
        retry_seconds: Seconds after which it is worth trying again; None where it is not.
    """

    def __init__(
        self, kind: str | None, title: str, status: int, detail: str, retry_seconds: int | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.title = title
        self.status = status
        self.detail = detail
        self.retry_seconds = retry_seconds


def prefers_html() -> bool:
    """Say whether the client would rather have a page than JSON; without a preference it gets JSON."""
    offered = ["application/json", "application/problem+json", "text/html"]
    return request.accept_mimetypes.best_match(offered) == "text/html"


def init_app(app: Flask) -> None:
    """Answer every error of the app in the same form."""
    app.register_error_handler(ProblemError, _respond)
    app.register_error_handler(ModelUnavailableError, _on_missing_model)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_crash)


def _respond(problem: ProblemError) -> Response:
    _discard_body()
    metrics.PROBLEMS.labels(problem.kind or HTTPStatus(problem.status).phrase).inc()
    if prefers_html():
        response = Response(render_template("problem.html", problem=problem))
    else:
        document = {
            "type": f"{_TYPES}{problem.kind}" if problem.kind else "about:blank",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "request_id": g.request_id,
        }
        response = Response(json.dumps(document), mimetype="application/problem+json")
    response.status_code = problem.status
    if problem.retry_seconds is not None:
        response.headers["Retry-After"] = str(problem.retry_seconds)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _discard_body() -> None:
    """Read a limited part of what the client still sends: else it may find the connection closed before our answer."""
    stream, limit = request.environ["wsgi.input"], 2 * current_app.config["MAX_CONTENT_LENGTH"]
    # Set where the server marks the end of the body; elsewhere reading on could wait for ever.
    if not request.environ.get("wsgi.input_terminated") or (request.content_length or 0) > limit:
        return
    with suppress(OSError, ValueError):  # the client is gone, or what it sends is no body
        while limit > 0 and not is_late() and (block := stream.read(_BLOCK)):
            limit -= len(block)


def _on_missing_model(error: Exception) -> Response:
    return _respond(ProblemError("no-model", "No model", 503, str(error), retry_seconds=60))


def _on_http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error  # a redirect
    status = HTTPStatus(error.code)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        problem = ProblemError("too-large", "Request too large", 413, _explain_size())
    else:
        problem = ProblemError(None, status.phrase, status, error.description or status.description)
    response = _respond(problem)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _explain_size() -> str:
    limit = request.max_content_length or 0
    if request.content_length is None or request.content_length > limit:
        return f"A request may hold up to {limit:,} bytes."
    parts, memory = request.max_form_parts, request.max_form_memory_size
    return f"A form may have up to {parts:,} parts, with up to {memory:,} bytes that are not in files."


def allow_more_time(seconds: float) -> None:
    """Let the body of this request, which is longer than what is collected, take longer than `REQUEST_SECONDS`."""
    g.seconds = seconds
    if arrival := ARRIVAL.get():
        arrival.seconds = seconds


def is_late() -> bool:
    """Say whether the request did not arrive in its time, or the server gave up on the rest of it."""
    arrival = ARRIVAL.get()
    if arrival is not None and (arrival.is_cut_short or arrival.is_whole):
        return arrival.is_cut_short
    return bool(time.perf_counter() - g.started >= time_allowed())


def refuse_if_late() -> None:
    """Refuse a request whose end may be missing: reading has ended by then (`app.gunicorn_worker`).

    Raises:
        ProblemError: It came too slowly.
    """
    if is_late():
        detail = (
            f"The request did not arrive within {time_allowed():g} s, nothing of it came for "
            f"{current_app.config['SILENT_SECONDS']:g} s, or the server had no room for it."
        )
        raise ProblemError("too-slow", "Request too slow", 408, detail)


def time_allowed() -> float:
    """Seconds that this request may take to arrive."""
    seconds: float = g.get("seconds", current_app.config["REQUEST_SECONDS"])
    return seconds


def _on_crash(error: Exception) -> Response:
    # Where it happened and what it is, without its text: that might quote what was uploaded.
    trace = "".join(traceback.format_tb(error.__traceback__))
    facts = {"request_id": g.request_id, "error": type(error).__name__, "trace": trace}
    logger.error("Request %(request_id)s failed: %(error)s\n%(trace)s", facts, extra={"facts": facts})
    detail = "The server failed. Its log has the details, under the request's id."
    return _respond(ProblemError(None, "Internal Server Error", 500, detail))
