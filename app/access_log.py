"""One line of JSON for each request, with an id that the answer carries too. Never names or contents of files."""

import json
import logging
import re
import time
import uuid

from flask import Flask, Response, g, request

logger = logging.getLogger("app.access")

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def init_app(app: Flask) -> None:
    """Give every request an id and a line."""
    app.before_request(_start)
    app.after_request(_finish)


def _start() -> None:
    g.started = time.perf_counter()
    received = request.headers.get("X-Request-ID", "")
    # A proxy's id is kept, so that its log and ours can be joined; anything else could forge a log line.
    g.request_id = received if _ACCEPTED_ID.fullmatch(received) else uuid.uuid4().hex


def _finish(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "method": request.method,
        # The rule, not the path: of an address that does not exist nothing is known, so nothing is kept.
        "path": str(request.url_rule) if request.url_rule else None,
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.started) * 1000, 1),
        "request_id": g.request_id,
    }
    logger.info(json.dumps(line))
    return response
