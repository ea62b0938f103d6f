"""`GET /metrics`: what Prometheus collects. Numbers only, nothing about an image, a file or a client.

With several workers gunicorn.conf.py names a folder in which they count together.
"""

import os
import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.model import ModelSource

blueprint = Blueprint("metrics", __name__)

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUEST_SECONDS = Histogram(
    "chest_cancer_request_seconds", "Time to answer a request", ["method", "path", "status"], buckets=_BUCKETS
)
STAGE_SECONDS = Histogram(
    "chest_cancer_stage_seconds", "Time of a stage: wait, decode or inference", ["stage"], buckets=_BUCKETS
)
IN_PROGRESS = Gauge(
    "chest_cancer_classifications_in_progress", "Requests that hold a place", multiprocess_mode="livesum"
)
ANSWERS = Counter("chest_cancer_answers", "Images answered, by class or by reason of abstention", ["answer"])
PROBLEMS = Counter("chest_cancer_problems", "Requests refused or failed, by kind", ["kind"])


class _ModelCollector(Collector):
    """Collects which model is served, and since when, at each request, so that it is never out of date."""

    def __init__(self, source: ModelSource) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        model = self._source.current
        loaded = GaugeMetricFamily("chest_cancer_model_loaded", "Whether a model is loaded", value=model is not None)
        yield loaded
        if model is not None:
            provenance = model.manifest.provenance
            facts = {
                "version": provenance.code_version,
                "run_id": provenance.mlflow_run_id or "",
                "synthetic": str(model.manifest.data.synthetic).lower(),
                "precision": model.classifier.precision,
            }
            yield InfoMetricFamily("chest_cancer_model", "The served model", value=facts)


def init_app(app: Flask) -> None:
    """Measure every request."""
    app.after_request(_measure)


def _measure(response: Response) -> Response:
    # The rule, not the path: what clients make up must not become a label.
    path = str(request.url_rule) if request.url_rule else "none"
    method = request.method if request.url_rule else "none"
    REQUEST_SECONDS.labels(method, path, response.status_code).observe(time.perf_counter() - g.started)
    return response


@blueprint.get("/metrics")
def show() -> Response:
    """Give the figures of all workers, in Prometheus's text format."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client's own gap
        figures = generate_latest(registry)
    else:
        figures = generate_latest(REGISTRY)
    own = CollectorRegistry()
    own.register(_ModelCollector(ModelSource.of(current_app)))
    return Response(figures + generate_latest(own), content_type=CONTENT_TYPE_LATEST)
