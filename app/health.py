"""What an orchestrator asks: is the process up, can it answer."""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from app.model import ModelSource

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that the process is up."""
    return {"status": "up"}


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Say that the model is loaded, loading it if need be; 503 when there is none."""
    model = ModelSource.of(current_app).get()
    return {"status": "ready", "classes": model.classifier.classes, "precision": model.classifier.precision}
