"""Who may train: whoever has the token, in a bearer header or in a session that began with it.

The session is a signed cookie. Its key is made from the token, so that all workers agree, a restart changes nothing,
and a new token ends every session. One that was ended stays ended, whoever kept its cookie. Whoever sends wrong tokens
again and again has to wait.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, current_app, request, session
from flask.sessions import SecureCookieSessionInterface

from app.attempts import Attempts
from app.ended_sessions import EndedSessions
from app.problems import ProblemError

_SHORTEST_TOKEN = 16
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LIFETIME = timedelta(hours=12)

TRAINING_IS_OFF = (
    "No token is set. Start the app with `make serve`, which makes one and prints the address, or set "
    "CHEST_CANCER_TRAIN_TOKEN to a secret of at least 16 characters."
)


class _Sessions(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002  # Flask's signature
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002  # Flask's signature
        return f"{request.script_root}/train"


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
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=_LIFETIME,
    )
    app.extensions["attempts"] = Attempts()
    folder = Path(app.config["PROJECT"]) / "data" / "training_jobs" / "ended_sessions"
    app.extensions["ended_sessions"] = EndedSessions(folder, _LIFETIME.total_seconds())


def is_token(text: str) -> bool:
    """Say whether a text is the token; this takes the same time for every text.

    Raises:
        ProblemError: Too many wrong ones came before, from this address or from all.
    """
    attempts: Attempts = current_app.extensions["attempts"]
    if seconds := attempts.wait_seconds(request.remote_addr):
        detail = f"Too many wrong tokens. Try again after {seconds} s; a session that has begun goes on."
        raise ProblemError("too-many-attempts", "Too many attempts", 429, detail, seconds)
    if hmac.compare_digest(text.encode(), current_app.config["TRAIN_TOKEN"].encode()):
        return True
    attempts.failed(request.remote_addr)
    return False


def log_in() -> None:
    """Begin a new session; nothing that the browser sent is kept."""
    session.clear()
    session.permanent = True
    session["id"] = secrets.token_urlsafe(24)
    session["csrf"] = secrets.token_urlsafe(24)


def log_out() -> None:
    """End the session, in this browser and for everybody who has its cookie."""
    if is_logged_in():
        current_app.extensions["ended_sessions"].add(session["id"])
    session.clear()


def is_logged_in() -> bool:
    """Say whether the request belongs to a session that began with the token."""
    return "id" in session and session["id"] not in current_app.extensions["ended_sessions"]


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
