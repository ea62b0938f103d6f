"""The real server, as it is started in production."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from conftest import PROJECT


@pytest.fixture(scope="module")
def server(trained_project, tmp_path_factory):
    """Port, process and log of a running server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PORT": str(port),
        "CHEST_CANCER_PROJECT": str(trained_project),
        "CHEST_CANCER_ENV": "local",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "app/gunicorn.conf.py", "app:create_app()"]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_ready(port, process, log)
        yield port, process, log
    finally:
        # The whole group: a worker that hangs outlives its master.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            status, _ = _send(port, "GET", "/readyz")
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            assert status == 200
            return
    pytest.fail(f"The server did not become ready:\n{log.read_text()}")


def _send(port: int, method: str, address: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, address, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, json.load(response)


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(server):
    port, _, _ = server
    status, document = _send(port, "POST", "/predict", b"", **{"Content-Length": str(10**12)})
    assert status == 413
    assert document["type"] == "urn:chest-cancer:problem:too-large"


def test_the_server_answers_each_client_with_its_own_image_and_stops_when_told(server, encode, tumour_probability):
    port, process, log = server

    def ask(brightness):
        body = json.dumps({"image": base64.b64encode(encode(brightness)).decode()}).encode()
        status, records = _send(port, "POST", "/predict", body)
        return status, records[0]["probabilities"]["adenocarcinoma"]

    levels = list(range(0, 256, 4))
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, levels))
    assert answers == [(200, pytest.approx(tumour_probability(level), abs=1e-4)) for level in levels]

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    access = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert sum(line["path"] == "/predict" and line["status"] == 200 for line in access) == len(levels)
