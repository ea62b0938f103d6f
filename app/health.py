"""Health checks for an orchestrator: is the process up, and can it answer?"""

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
    """Say that the model is loaded and has passed its self-test; load it if need be; 503 when there is no model.

    `self_test` is the largest difference between the self-test's probabilities and those in the manifest.
    """
    model = ModelSource.of(current_app).get()
    return {
        "status": "ready",
        "classes": model.classifier.classes,
        "precision": model.classifier.precision,
        "run_id": model.manifest.provenance.mlflow_run_id,
        "self_test": model.self_test,
    }
