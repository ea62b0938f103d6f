"""How gunicorn serves the app. HOST, PORT, WEB_CONCURRENCY (processes) and THREADS change it."""
# ruff: noqa: N999  # the name by which gunicorn's users know such a file

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

# This machine only, until someone decides otherwise: there are patients' images in the requests.
bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"

worker_class = "app.gunicorn_worker.Worker"
# OpenVINO uses every core for one image: a second process would cost its memory and gain nothing.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
# More than wait for the network at once (MAX_REQUESTS): whoever asks for something else gets one too.
threads = int(os.environ.get("THREADS", "64"))
# OpenVINO's threads do not survive a fork, so each worker makes the app, and with it the model, itself.
preload_app = False

timeout = 60
graceful_timeout = 30
keepalive = 5
# In memory where there is a place for it: on a slow disk the heartbeat file would stop a worker.
_memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # not shared by name, a fresh one inside it
worker_tmp_dir = _memory
control_socket_disable = True
if workers > 1:
    # Where workers count together, see app/metrics.py.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="chest-cancer-metrics-", dir=_memory)

# The app writes its own line for each request; gunicorn's would hold the address and the query.
accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "app.access_log.JsonFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"},
        "stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"},
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        "app": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "app.access": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
    },
}


def post_worker_init(worker: Any) -> None:
    """Load the model in the background, so that neither the start nor the first visitor waits for it."""
    # Not at the top: the process that forks the workers must not start OpenVINO, and needs none of this.
    from app.model import ModelSource, ModelUnavailableError

    def warm_up() -> None:
        try:
            ModelSource.of(worker.wsgi).get()
        except ModelUnavailableError as error:
            worker.log.warning("%s", error)

    threading.Thread(target=warm_up, name="model-warm-up", daemon=True).start()


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001  # gunicorn's signature
    """Remove a worker that has ended from the metrics that workers count together."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # prometheus-client's own gap


def on_exit(server: Any) -> None:  # noqa: ARG001  # gunicorn's signature
    """Remove the folder in which workers count together."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        import shutil

        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
