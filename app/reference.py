"""`/openapi.json`: the interface, for programs; `/reference`: the same as a page for people."""

import json
from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue

from app.jobs import Jobs
from chest_cancer import __version__
from chest_cancer.jobs.training_order import environments

_FILE = Path(__file__).with_name("openapi.json")

blueprint = Blueprint("reference", __name__)


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    """Return the description in OpenAPI 3.1."""
    return jsonify(_description())


@blueprint.get("/reference")
def show() -> ResponseReturnValue:
    """Show the description as a page."""
    limits = {name: current_app.config[name] for name in ("MAX_CONTENT_LENGTH", "MAX_FILES", "MAX_PIXELS")}
    return render_template("reference.html", description=_description(), limits=limits)


def _description() -> dict[str, Any]:
    description: dict[str, Any] = json.loads(_FILE.read_text())
    description["info"]["version"] = __version__
    body = description["paths"]["/train"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body["properties"]["environment"]["enum"] = environments(Jobs.of(current_app).project)
    return description
