"""Who may train: whoever has the token, in a bearer header or in a session that began with it.

The session is a signed cookie. Its key is made from the token, so that all workers agree, a restart changes nothing,
and a new token ends every session.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, current_app, request, session
from flask.sessions import SecureCookieSessionInterface

from app.problems import ProblemError

_SHORTEST_TOKEN = 16
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

TRAINING_IS_OFF = (
    "No token is set. Start the app with `make serve`, which makes one and prints the address, or set "
    "CHEST_CANCER_TRAIN_TOKEN to a secret of at least 16 characters."
)


class _Sessions(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002  # Flask's signature
        return request.is_secure


def init_app(app: Flask) -> None:
    """Set sessions up.

    Raises:
        ValueError: The token is too short to be a secret.
    """
    token = str(app.config["TRAIN_TOKEN"])
    if 0 < len(token) < _SHORTEST_TOKEN:
        raise ValueError(
            f"Invalid value for CHEST_CANCER_TRAIN_TOKEN: expected at least {_SHORTEST_TOKEN} characters. "
            f"Received: {len(token)}. Make one with python -c 'import secrets; print(secrets.token_urlsafe(24))'."
        )
    app.session_interface = _Sessions()
    app.config.update(
        TRAIN_TOKEN=token,
        SECRET_KEY=hashlib.sha256(b"chest-cancer session " + token.encode()).digest() if token else None,
        SESSION_COOKIE_NAME="chest_cancer_session",
        SESSION_COOKIE_PATH="/train",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
    )


def is_token(text: str) -> bool:
    """Say whether a text is the token; this takes the same time for every text."""
    return hmac.compare_digest(text.encode(), current_app.config["TRAIN_TOKEN"].encode())


def log_in() -> None:
    """Begin a new session; nothing that the browser sent is kept."""
    session.clear()
    session.permanent = True
    session["operator"] = True
    session["csrf"] = secrets.token_urlsafe(24)


def log_out() -> None:
    """End the session in this browser."""
    session.clear()


def is_logged_in() -> bool:
    """Say whether the request belongs to a session that began with the token."""
    return session.get("operator") is True


def check_sender() -> bool:
    """Let a request through only if it has the token; its body is not read for that.

    Returns:
        Whether it belongs to a session, and so needs its CSRF token too: see `check`.

    Raises:
        ProblemError: No token is set; the request lacks it; or another site's page made the request.
    """
    if not current_app.config["TRAIN_TOKEN"]:
        raise ProblemError("training-off", "Training over the web is off", 403, TRAINING_IS_OFF)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_token(token.strip()):
        return False
    if not is_logged_in():
        detail = "Expected the token, as `Authorization: Bearer <token>` or by logging in at /train."
        raise ProblemError("no-token", "Token needed", 401, detail)
    if request.method not in _SAFE_METHODS:
        check_origin()
    return True


def check() -> None:
    """Let a request through only if it has the token, and if a browser did not send it for another site's page.

    Raises:
        ProblemError: As `check_sender`, or the session's CSRF token is missing.
    """
    # A browser sends the cookie by itself, whichever page made it send the request.
    if check_sender() and request.method not in _SAFE_METHODS:
        sent = request.form.get("csrf") or request.headers.get("X-CSRF-Token", "")
        if not hmac.compare_digest(sent.encode(), session["csrf"].encode()):
            detail = "Expected the session's CSRF token, in the form field `csrf` or in the header X-CSRF-Token."
            raise ProblemError("no-csrf-token", "CSRF token needed", 403, detail)


def check_origin() -> None:
    """Refuse what a page of another origin sends.

    Raises:
        ProblemError: The browser names another origin.
    """
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if (origin is not None and urlsplit(origin).netloc != request.host) or site not in ("same-origin", "none"):
        raise ProblemError("cross-origin", "Cross-origin request", 403, "Expected a request from this site's own page.")
