"""What browsers may do with our pages: very little."""

from flask import Flask, Response, g, request

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
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with that a browser does not even tell ourselves that a form is our own (`Origin: null`).
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def init_app(app: Flask) -> None:
    """Send the headers with every answer."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    response.headers.update(_HEADERS)
    if "policy" in g:  # a page of another making
        response.headers["Content-Security-Policy"] = g.policy
    if request.endpoint != "static":
        # Answers hold patients' images: no cache may keep them.
        response.headers["Cache-Control"] = "no-store"
    return response
