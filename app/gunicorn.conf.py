"""How gunicorn serves the app. HOST, PORT, WEB_CONCURRENCY (processes) and THREADS change it."""
# ruff: noqa: N999  # the name by which gunicorn's users know such a file

import os
import threading
from pathlib import Path
from typing import Any

# This machine only, until someone decides otherwise: there are patients' images in the requests.
bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"

worker_class = "gthread"
# OpenVINO uses every core for one image: a second process would cost its memory and gain nothing.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = int(os.environ.get("THREADS", "8"))
# OpenVINO's threads do not survive a fork, so each worker makes the app, and with it the model, itself.
preload_app = False

timeout = 60
graceful_timeout = 30
keepalive = 5
# The heartbeat file, in memory where there is a place for it: on a slow disk it would stop a worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True

# The app writes its own line for each request; gunicorn's would hold the address and the query.
accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "%(asctime)s [%(process)d] %(levelname)s %(message)s"},
        "message": {"format": "%(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"},
        "access": {"class": "logging.StreamHandler", "formatter": "message", "stream": "ext://sys.stdout"},
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        "app.access": {"level": "INFO", "handlers": ["access"], "propagate": False},
    },
}


def post_worker_init(worker: Any) -> None:
    """Load the model beside serving, so that neither start nor the first visitor waits for it."""
    # Not at the top: the process that forks the workers must not start OpenVINO, and needs none of this.
    from app.model import ModelSource, ModelUnavailableError

    def warm_up() -> None:
        try:
            ModelSource.of(worker.wsgi).get()
        except ModelUnavailableError as error:
            worker.log.warning("%s", error)

    threading.Thread(target=warm_up, name="model-warm-up", daemon=True).start()
