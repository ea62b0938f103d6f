"""Log in lines of JSON: one for each request, with the id that its answer has; never names or contents of files."""

import json
import logging
import re
import time
import traceback
import uuid

from flask import Flask, Response, g, request

from app.arrivals import ARRIVAL

logger = logging.getLogger("app.access")

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class JsonFormatter(logging.Formatter):
    """Writes each message as a line of JSON; of an error it writes where it happened, but not its text."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        facts = record.__dict__.get("facts") or {"message": record.getMessage()}
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            **facts,
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            # An error's text might quote what was uploaded.
            line["trace"] = "".join(traceback.format_tb(record.exc_info[2]))
        return json.dumps(line)


def init_app(app: Flask) -> None:
    """Give every request an id and a line."""
    app.before_request(_start)
    app.after_request(_finish)


def _start() -> None:
    arrival = ARRIVAL.get()
    g.started = arrival.started if arrival else time.perf_counter()
    received = request.headers.get("X-Request-ID", "")
    # A proxy's id is kept, so that its log and ours can be joined; anything else could forge a log line.
    g.request_id = received if _ACCEPTED_ID.fullmatch(received) else uuid.uuid4().hex


def _finish(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    if arrival := ARRIVAL.get():
        arrival.answered = time.perf_counter()
    facts = {
        "method": request.method,
        # The rule, not the path: of an address that does not exist nothing is known, so nothing is kept.
        "path": str(request.url_rule) if request.url_rule else None,
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.started) * 1000, 1),
        "request_id": g.request_id,
    }
    logger.info("%(method)s %(path)s %(status)s", facts, extra={"facts": facts})
    return response
