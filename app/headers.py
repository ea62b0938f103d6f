"""What browsers may do with our pages: very little, and pages of other origins nothing that no setting allows."""

from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",  # data: is a result's picture, blob: the preview of a file not yet sent
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
REPORT_POLICY = "; ".join(
    [
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "frame-ancestors 'none'",
    ]
)
"""A report draws its plots by scripts inside of it, and may do nothing else: it doesn't even count as of this site."""
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with that a browser does not even tell ourselves that a form is our own (`Origin: null`).
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Never for what a session or a token opens.
_SHARED = ("prediction.predict", "reference.description")
_CORS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type, Content-Encoding, X-Request-ID",
    "Access-Control-Expose-Headers": "X-Request-ID, Retry-After",
    "Access-Control-Max-Age": "600",
}


def init_app(app: Flask) -> None:
    """Send the headers with every answer.

    Raises:
        ValueError: One of `CORS_ORIGINS` is no origin.
    """
    for origin in app.config["CORS_ORIGINS"]:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin:
            raise ValueError(
                "Invalid value for CHEST_CANCER_CORS_ORIGINS: expected origins such as https://viewer.example, without "
                f"a path. Received: {origin!r}"
            )
    app.after_request(_add)


def _add(response: Response) -> Response:
    response.headers.update(_HEADERS)
    if "policy" in g:  # a page of another making
        response.headers["Content-Security-Policy"] = g.policy
    if request.endpoint != "static":
        # Answers hold patients' images: no cache may keep them.
        response.headers["Cache-Control"] = "no-store"
        if response.is_streamed:
            response.headers["X-Accel-Buffering"] = "no"  # nginx would hold back what is told as it comes
    if request.endpoint in _SHARED and current_app.config["CORS_ORIGINS"]:
        response.vary.add("Origin")
        if (origin := request.headers.get("Origin")) in current_app.config["CORS_ORIGINS"]:
            response.headers.update(_CORS | {"Access-Control-Allow-Origin": origin})
    return response
