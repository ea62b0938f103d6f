"""Whatever goes wrong: a problem document (RFC 9457) for programs, a plain page for people."""

import json
import traceback
from http import HTTPStatus

from flask import Flask, Response, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException

from app.model import ModelUnavailableError

_TYPES = "urn:chest-cancer:problem:"


class ProblemError(Exception):
    """A request that can't be answered as asked.

    Attributes:
        kind: Last part of the problem's type, for programs.
        title: The same for people; always the same for a kind.
        status: HTTP status.
        detail: What was expected and what was received, this time.
    """

    def __init__(self, kind: str | None, title: str, status: int, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.title = title
        self.status = status
        self.detail = detail


def prefers_html() -> bool:
    """Say whether the client would rather have a page than JSON; without a wish it gets JSON."""
    offered = ["application/json", "application/problem+json", "text/html"]
    return request.accept_mimetypes.best_match(offered) == "text/html"


def init_app(app: Flask) -> None:
    """Answer every error of the app in the same form."""
    app.register_error_handler(ProblemError, _respond)
    app.register_error_handler(ModelUnavailableError, _on_missing_model)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_crash)


def _respond(problem: ProblemError) -> Response:
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
    return response


def _on_missing_model(error: Exception) -> Response:
    response = _respond(ProblemError("no-model", "No model", 503, str(error)))
    response.headers["Retry-After"] = "60"
    return response


def _on_http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error  # a redirect
    status = HTTPStatus(error.code)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        problem = ProblemError("too-large", "Request too large", 413, f"A request may hold up to {limit:,} bytes.")
    else:
        problem = ProblemError(None, status.phrase, status, error.description or status.description)
    response = _respond(problem)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _on_crash(error: Exception) -> Response:
    # Where it happened and what it is, without its text: that might quote what was uploaded.
    trace = "".join(traceback.format_tb(error.__traceback__))
    current_app.logger.error("Request %s failed: %s\n%s", g.request_id, type(error).__name__, trace)
    return _respond(ProblemError(None, "Internal Server Error", 500, "The server failed. Its log says more."))
