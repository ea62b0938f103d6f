"""The real server, as it is started in production."""

import base64
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving import serve


@pytest.fixture(scope="module")
def server(trained_project, tmp_path_factory):
    with serve(trained_project, tmp_path_factory.mktemp("server") / "log") as running:
        yield running


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(server):
    status, document = server.send("POST", "/predict", b"", **{"Content-Length": str(10**12)})
    assert status == 413
    assert document["type"] == "urn:chest-cancer:problem:too-large"


def test_the_server_answers_each_client_with_its_own_image_and_stops_when_told(server, encode, tumour_probability):
    def ask(brightness):
        body = json.dumps({"image": base64.b64encode(encode(brightness)).decode()}).encode()
        status, records = server.send("POST", "/predict", body)
        return status, records[0]["probabilities"]["adenocarcinoma"]

    levels = list(range(0, 256, 4))
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, levels))
    assert answers == [(200, pytest.approx(tumour_probability(level), abs=1e-4)) for level in levels]

    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=10) == 0
    access = [line for line in server.lines() if line["logger"] == "app.access"]
    assert sum(line["path"] == "/predict" and line["status"] == 200 for line in access) == len(levels)
