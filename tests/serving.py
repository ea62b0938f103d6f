"""A project after a run, with a tiny model, and the real server on it: what the app's and the browser's tests share."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from chest_cancer.network.classifier import Classifier, self_test_image
from chest_cancer.network.manifest import Manifest
from chest_cancer.storage.recoverable_folder import RecoverableFolder
from conftest import PROJECT
from manifests import manifest_of

TOKEN = "a-token-of-enough-characters"
RUN_ID = "5fa5a1e684634dff"

CLASSIFIER = "data/06_models/classifier"
METRICS = f"{CLASSIFIER}/metrics.json"
FIGURES = {
    "loss": {"value": 0.682, "low": 0.643, "high": 0.718, "n": 48},
    "sensitivity": {"value": 0.917, "low": 0.742, "high": 0.977, "n": 24},
}
NEW_FIGURES = {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}}
PROMOTED = "2026-11-23T06:40:00+00:00"

# The contract of the real graph without its 58 MB: the brighter the image, the more it is "adenocarcinoma".
_GRAPH = """
tiny (uint8[N, 224, 224, 3] image) => (float[N, 2] probabilities, float[N, 3] embedding, float[N, 2, 7, 7] evidence) {
  pixels = Cast <to = 1> (image)
  channels_first = Transpose <perm = [0, 3, 1, 2]> (pixels)
  scaled = Div (channels_first, full)
  cells = AveragePool <kernel_shape = [32, 32], strides = [32, 32]> (scaled)
  embedding = ReduceMean <keepdims = 0> (scaled, spatial)
  score = Gemm (embedding, kernel, bias)
  probabilities = Softmax <axis = 1> (score)
  evidence = Conv (cells, filters)
}
"""
_KERNEL = np.array([[4 / 3, 0]] * 3, dtype=np.float32)


@cache
def tiny_classifier(run_id: str = RUN_ID) -> Classifier:
    """A classifier in milliseconds."""
    graph = onnx.parser.parse_graph(_GRAPH)
    constants = {
        "full": np.array(255, dtype=np.float32),
        "spatial": np.array([2, 3], dtype=np.int64),
        "kernel": _KERNEL,
        "bias": np.array([-2, 0], dtype=np.float32),
        "filters": np.ascontiguousarray(_KERNEL.T.reshape(2, 3, 1, 1) / 49),
    }
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    # Evidence is counted from a black image.
    manifest = manifest_of(provenance={"mlflow_run_id": run_id}, average_scores=[-2.0, 0.0])
    classifier = Classifier(model.SerializeToString(), manifest)
    (said,) = classifier.predict([self_test_image()])
    return with_changes(classifier, self_test={"probabilities": said.probabilities})


def with_changes(classifier: Classifier, **changes: Any) -> Classifier:
    """The same classifier; its manifest says something else."""
    manifest = Manifest.model_validate(classifier.manifest.model_dump() | changes)
    return Classifier(classifier.graph, manifest, quantised=classifier.quantised)


def make_project(project: Path) -> Path:
    """A project's folder after a run: the real catalog, a tiny classifier, figures."""
    (project / "conf" / "local").mkdir(parents=True)
    shutil.copytree(PROJECT / "conf" / "base", project / "conf" / "base")
    promote(project / CLASSIFIER, tiny_classifier(), FIGURES)
    return project


def promote(
    folder: Path, classifier: Classifier, figures: dict[str, Any], version: str = "1", former: str | None = None
) -> None:
    """Put a model into the served place, as the end of a run does that was promoted."""
    served = RecoverableFolder(folder)
    with served.locked(), served.replacement() as place:
        classifier.save(place)
        (place / "metrics.json").write_text(json.dumps(figures))
        (place / "version.json").write_text(json.dumps({"version": version, "promoted": PROMOTED, "former": former}))


def prepare_training(project: Path) -> list[str]:
    """Make what `training_stub.py` needs, and return the command that runs it."""
    for environment in ("quick", "patient", "failing", "endless", "held", "refused", "silent"):
        (project / "conf" / environment).mkdir()
    shutil.copytree(project / CLASSIFIER, project / "former")
    promote(project / "new", tiny_classifier("a-new-run"), NEW_FIGURES, "2", former="1")
    return [sys.executable, str(Path(__file__).with_name("training_stub.py"))]


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: On this machine.
        process: gunicorn's master.
        log: What it prints.
    """

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Ask, and return status and JSON."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, json.load(response)

    def lines(self) -> list[dict[str, Any]]:
        """Read its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def workers(self) -> list[int]:
        """Name its workers' processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]


@contextmanager
def serve(project: Path, log: Path, **settings: str) -> Iterator[Server]:
    """Start the server as in production, wait until it is ready, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PORT": str(port),
        "CHEST_CANCER_PROJECT": str(project),
        "CHEST_CANCER_ENV": "local",
        **settings,
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "app/gunicorn.conf.py", "app:create_app()"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(port, process, log)
    try:
        _wait_until_ready(server, f"{settings.get('SCRIPT_NAME', '')}/readyz")
        yield server
    finally:
        # The whole group: a worker that hangs outlives its master.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(server: Server, path: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and server.process.poll() is None:
        try:
            # A connection that is kept would count among those that a test opens.
            status, _ = server.send("GET", path, Connection="close")
        except ConnectionError:
            time.sleep(0.05)
        else:
            assert status == 200
            return
    pytest.fail(f"The server did not become ready:\n{server.log.read_text()}")
