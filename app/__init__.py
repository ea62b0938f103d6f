"""The web app: upload a slice, see an answer. It serves without TensorFlow, MLflow or scikit-learn.

Start it with `.venv/bin/gunicorn --config app/gunicorn.conf.py 'app:create_app()'`.
"""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

DEFAULTS: dict[str, Any] = {
    "ENV": "local",  # Kedro's environment
    "PROJECT": str(Path(__file__).parents[1]),  # the folder with conf/ and data/
    "MAX_CONTENT_LENGTH": 32 * 1024 * 1024,  # bytes of a request
    "MAX_FILES": 16,  # images of a request
    "MAX_PIXELS": 16_000_000,  # width x height of an image; decoding takes up to about 20 bytes for each
    "MAX_REQUESTS": 32,  # requests with images that are worked on or wait at once
    "MAX_BYTES": 64 * 1024 * 1024,  # bytes of all these requests together, and of those on their way
    "MAX_ARRIVALS": 256,  # requests that are on their way at once; beyond it the oldest ends
    "MAX_DECODES": 2,  # images decoded at once
    "MAX_STREAMS": 8,  # training pages that follow a job at once, each on a thread of its own
    "REQUEST_SECONDS": 30,  # for a request to arrive, to wait and to be answered
    "SILENT_SECONDS": 60,  # without a byte of a request that is read while it arrives: a study, or an archive
    "PROXIES": 0,  # in front of the app: that many X-Forwarded-* are believed
    "ALLOWED_HOSTS": [],  # names under which the app answers, all where none is given; ".example.org" for all below it
    "CORS_ORIGINS": [],  # whose pages may send images from a browser
    "MAX_STUDIES": 1,  # studies in memory at once
    "MAX_STUDY_SLICES": 2000,  # of a study, all its series together
    "MAX_STUDY_BYTES": 1024 * 1024 * 1024,  # of an upload of a study, and of its slices in memory
    "STUDY_SECONDS": 600,  # for each request of a study, in place of REQUEST_SECONDS
    "STUDY_IDLE_SECONDS": 60,  # a study that nobody asks about is let go
    "TRAIN_TOKEN": "",  # whoever has it may train; training over the web is off without one
    "TRAIN_COMMAND": [sys.executable, "-m", "kedro", "run"],
    "TRAIN_ROOT": "",  # the folder whose folders and archives may be trained on; none without one
    "TRAIN_UPLOAD_BYTES": 1024 * 1024 * 1024,  # of an archive to train on, which is on the disk until its run ends
    "TRAIN_UPLOAD_SECONDS": 3600,  # for it to arrive
    "ROLLBACK_COMMAND": [sys.executable, "-m", "kedro", "record", "rollback"],
    "MLFLOW_ADDRESS": "",  # of MLflow's pages, as a browser reaches them
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    Args:
        config: Settings that win over `DEFAULTS` and over the environment, where each is called `CHEST_CANCER_<name>`.

    Returns:
        The app. It loads the model when it first needs it.

    Raises:
        ValueError: A setting has another type than its default, a limit is below 1, or the token for training is too
            short.
    """
    # Here, not at the top: gunicorn's master imports this package for its worker class, and needs none of this.
    from app import (
        access,
        access_log,
        headers,
        health,
        metrics,
        pages,
        prediction,
        presentation,
        problems,
        proxies,
        reference,
        study,
        training,
        uploads,
    )
    from app.capacity import Capacity
    from app.jobs import Jobs
    from app.model import ModelSource
    from app.studies import Studies

    app = Flask(__name__)
    app.request_class = uploads.InMemoryRequest
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of a record is for people to read
    app.config.from_mapping(DEFAULTS)
    app.config.from_prefixed_env("CHEST_CANCER")
    app.config.from_mapping(config or {})
    _check(app.config)
    project = Path(app.config["PROJECT"])
    app.extensions["jobs"] = Jobs(
        project, app.config["TRAIN_COMMAND"], app.config["ROLLBACK_COMMAND"], str(app.config["ENV"])
    )
    app.extensions["model"] = ModelSource(project, str(app.config["ENV"]))
    app.extensions["capacity"] = Capacity(app.config)
    app.extensions["studies"] = Studies(app.config)
    app.extensions["streams"] = threading.BoundedSemaphore(app.config["MAX_STREAMS"])
    app.extensions["stopping"] = threading.Event()
    for concern in (access_log, metrics, headers, problems, proxies, uploads, access, presentation):
        concern.init_app(app)
    for module in (pages, prediction, study, training, health, metrics, reference):
        app.register_blueprint(module.blueprint)
    return app


def _check(settings: Mapping[str, Any]) -> None:
    for name, default in DEFAULTS.items():
        value = settings[name]
        least = min(default, 1) if type(default) is int else 0
        if type(default) is int and (type(value) is not int or value < least):
            expected = f"a whole number of at least {least}"
        elif type(default) is list and not (type(value) is list and all(isinstance(part, str) for part in value)):
            expected = 'a JSON list of texts, such as ["one"]'
        else:
            continue
        raise ValueError(f"Invalid value for CHEST_CANCER_{name}: expected {expected}. Received: {value!r}")
