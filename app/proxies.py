"""What a proxy in front says of the client's request, and which names of this site are known."""

from flask import Flask, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from app.problems import ProblemError

_CHECKS = ("health.healthz", "health.readyz")
"""An orchestrator asks for these by an address, not by the site's name."""


def init_app(app: Flask) -> None:
    """Believe as many proxies as are said to be in front, and answer only under the names that are allowed."""
    # Whoever reaches the app directly could say anything, so nothing is believed unless a proxy is said to be there.
    if count := app.config["PROXIES"]:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # Flask's own way to add middleware
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count
        )
    app.before_request(_check_host)


def _check_host() -> None:
    allowed = current_app.config["ALLOWED_HOSTS"]
    if allowed and request.endpoint not in _CHECKS and not host_is_trusted(request.host, allowed):
        raise ProblemError("unknown-host", "Unknown host", 400, "Expected a name of this site in the header Host.")
