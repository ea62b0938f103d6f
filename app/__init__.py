"""The web app: upload a slice, see an answer. It serves without TensorFlow, MLflow or scikit-learn.

Start it with `.venv/bin/gunicorn --config app/gunicorn.conf.py 'app:create_app()'`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from app import access_log, headers, health, pages, prediction, problems
from app.model import ModelSource
from app.uploads import InMemoryRequest

DEFAULTS: dict[str, Any] = {
    "ENV": "local",  # Kedro's environment
    "PROJECT": str(Path(__file__).parents[1]),  # the folder with conf/ and data/
    "MAX_CONTENT_LENGTH": 32 * 1024 * 1024,  # bytes of a request
    "MAX_FILES": 16,  # images of a request
    "MAX_PIXELS": 16_000_000,  # width x height of an image; decoding takes up to about 20 bytes for each
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    Args:
        config: Settings that win over `DEFAULTS` and over the environment, where each is called `CHEST_CANCER_<name>`.

    Returns:
        The app. It loads the model when it first needs it.
    """
    app = Flask(__name__)
    app.request_class = InMemoryRequest
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of a record is for people to read
    app.config.from_mapping(DEFAULTS)
    app.config.from_prefixed_env("CHEST_CANCER")
    app.config.from_mapping(config or {})
    app.extensions["model"] = ModelSource(Path(app.config["PROJECT"]), str(app.config["ENV"]))
    for concern in (access_log, headers, problems):
        concern.init_app(app)
    for blueprint in (pages.blueprint, prediction.blueprint, health.blueprint):
        app.register_blueprint(blueprint)
    return app
