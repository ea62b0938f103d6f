"""The real server, as it is started in production."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import numpy as np
import pytest

from properties import examples
from serving import RUN_ID, TOKEN, make_project, serve

BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENDLESS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(scope="module")
def server(trained_project, tmp_path_factory):
    with serve(trained_project, tmp_path_factory.mktemp("server") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two workers, that may train."""
    project = make_project(tmp_path_factory.mktemp("pair") / "project")
    settings = {"CHEST_CANCER_TRAIN_TOKEN": TOKEN, "CHEST_CANCER_TRAIN_COMMAND": json.dumps(ENDLESS)}
    with serve(project, project.parent / "log", WEB_CONCURRENCY="2", **settings) as running:
        yield running


@pytest.fixture(scope="module")
def body(encode):
    """Makes a request's body of an image."""

    def make(pixels) -> bytes:
        return json.dumps({"image": base64.b64encode(encode(pixels)).decode()}).encode()

    return make


def head(length: int) -> bytes:
    return (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def read_response(connection: socket.socket) -> tuple[int, dict | list]:
    response = HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


def resident_megabytes(server) -> int:
    sizes = (Path(f"/proc/{worker}/status").read_text() for worker in server.workers())
    return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in sizes) // 1024


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(server):
    status, document = server.send("POST", "/predict", b"", **{"Content-Length": str(10**12)})
    assert status == 413
    assert document["type"] == "urn:chest-cancer:problem:too-large"


def test_a_body_that_is_too_long_is_answered_and_not_kept(server):
    before = resident_megabytes(server)
    status, document = server.send("POST", "/predict", bytes(50_000_000))
    assert (status, document["type"]) == (413, "urn:chest-cancer:problem:too-large")
    assert resident_megabytes(server) - before < 50


def test_each_of_many_clients_gets_the_answer_to_its_own_image(server, body, tumour_probability):
    def ask(left: int, right: int):
        pixels = np.full((64, 64, 3), left, np.uint8)
        pixels[:, 32:] = right
        status, records = server.send("POST", "/predict", body(pixels))
        return status, records[0]["probabilities"]["adenocarcinoma"]

    every = [(left, right) for left in range(0, 256, 12) for right in range(1, 256, 10)]
    count = examples(82, len(every)).max_examples
    pairs = every[:: -(-len(every) // count)]
    means = [(left + right) / 2 for left, right in pairs]
    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(lambda pair: ask(*pair), pairs))
    assert len(answers) >= count
    assert answers == [(200, pytest.approx(tumour_probability(mean), abs=2e-3)) for mean in means]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_nothing_is_written_to_disk_while_uploads_are_answered(server, body, noise_png, tmp_path):
    (worker,) = server.workers()
    trace = tmp_path / "trace"
    calls = "open,openat,creat,rename,renameat,renameat2,mkdir,mkdirat,link,linkat"
    strace = subprocess.Popen(
        ["strace", "-f", "-e", f"trace={calls}", "-o", trace, "-p", str(worker)], stderr=subprocess.PIPE
    )
    try:
        if "attached" not in (said := strace.stderr.readline().decode()):
            pytest.skip(f"strace may not attach here: {said}")
        large = json.dumps({"image": base64.b64encode(noise_png).decode()}).encode()
        for sent in (body(0), large, body(255)[:-9]):
            server.send("POST", "/predict", sent)
        server.send("GET", "/static/no-such-file")  # opening for reading is traced, so the trace works
        server.send("GET", "/openapi.json")
    finally:
        strace.terminate()
        strace.wait()
        strace.stderr.close()
    lines = trace.read_text().splitlines()
    assert any("openapi.json" in line for line in lines)
    assert not [line for line in lines if re.search(r"O_WRONLY|O_RDWR|O_CREAT|creat\(|rename|mkdir|link", line)]


def test_the_log_is_lines_of_json_without_what_was_sent(server):
    server.send("GET", "/nothing/john-doe?patient=doe")
    lines = server.lines()
    assert {"time", "level", "logger"} <= set.intersection(*map(set, lines))
    assert "doe" not in server.log.read_text()


def test_too_many_clients_are_told_so_and_memory_stays_flat(trained_project, tmp_path, body):
    with serve(trained_project, tmp_path / "log", CHEST_CANCER_MAX_REQUESTS="2") as server:
        sent = body(128)
        server.send("POST", "/predict", sent)
        before = resident_megabytes(server)

        def ask(_):
            connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
            statuses = []
            for _ in range(4):
                connection.request("POST", "/predict", sent, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
                assert response.status == 200 or int(response.headers["Retry-After"]) > 0
            connection.close()
            return statuses

        with ThreadPoolExecutor(100) as clients:
            statuses = Counter(status for each in clients.map(ask, range(100)) for status in each)
        assert set(statuses) == {200, 503}
        assert statuses.total() == 400
        assert resident_megabytes(server) - before < 60


SLOW = {
    "heads": b"POST /predict HTTP/1.1\r\nHost: loc",
    "bodies": head(1000) + b'{"image": "',
    "chunks": b"POST /predict HTTP/1.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n",
    "too long ones": head(40_000_000) + b"{",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_hold_up_nobody(server, body, kind):
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(66)]
    try:
        for connection in slow:
            connection.sendall(SLOW[kind])
        seconds = []
        for _ in range(9):
            started = time.perf_counter()
            assert server.send("GET", "/healthz")[0] == 200
            seconds.append(time.perf_counter() - started)
        assert server.send("POST", "/predict", body(0))[0] == 200
        assert statistics.median(seconds) < 0.1
    finally:
        for connection in slow:
            connection.close()


def test_clients_that_stall_are_ended(trained_project, tmp_path):
    with serve(trained_project, tmp_path / "log", CHEST_CANCER_REQUEST_SECONDS="1") as server:
        stalled = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(3)]
        stalled[0].sendall(SLOW["bodies"])
        stalled[1].sendall(SLOW["chunks"])
        stalled[2].sendall(SLOW["heads"])
        for connection in stalled[:2]:
            status, document = read_response(connection)
            assert (status, document["type"]) == (408, "urn:chest-cancer:problem:too-slow")
            assert "within 1 s" in document["detail"]
            with suppress(ConnectionError):  # what comes now belongs to the body, and is no request
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(1000) == b""
        assert stalled[2].recv(1000) == b""
        for connection in stalled:
            connection.close()


def test_an_archive_to_train_on_may_take_longer_to_arrive_than_other_requests(project, tmp_path):
    given = {"TRAIN_TOKEN": TOKEN, "TRAIN_COMMAND": '["true"]', "REQUEST_SECONDS": "1", "MAX_CONTENT_LENGTH": "64"}
    settings = {f"CHEST_CANCER_{name}": value for name, value in given.items()}
    archive = b'--x\r\nContent-Disposition: form-data; name="archive"; filename="a.zip"\r\n\r\nPK\r\n--x--\r\n'
    lines = [
        "POST /train HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", f"Content-Length: {len(archive)}",
        "Content-Type: multipart/form-data; boundary=x", "Connection: close", "", "",
    ]  # fmt: skip
    with serve(project, tmp_path / "log", **settings) as server:
        upload, stalled = (socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(2))
        with upload, stalled:
            upload.sendall("\r\n".join(lines).encode() + archive[:80])
            stalled.sendall(head(50) + b'{"image": "')
            assert read_response(stalled)[0] == 408  # its time is over, and so would be that of the other one
            upload.sendall(archive[80:])
            status, job = read_response(upload)
    assert (status, job["asked"]["data_ingestion.source"].endswith("/upload/a.zip")) == (202, True)


def test_a_study_of_which_nothing_comes_any_more_gives_its_place_back(trained_project, tmp_path):
    limits = {"CHEST_CANCER_SILENT_SECONDS": "1", "CHEST_CANCER_MAX_CONTENT_LENGTH": "64"}
    begun = (
        b"POST /study HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n"
        b'Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"'
    )
    with serve(trained_project, tmp_path / "log", **limits) as server:
        for _ in range(2):  # there is one place
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stalled:
                stalled.sendall(begun)
                status, document = read_response(stalled)
            assert (status, document["type"]) == (408, "urn:chest-cancer:problem:too-slow")
            assert "nothing of it came for 1 s" in document["detail"]


def test_beyond_the_limits_the_oldest_and_the_longest_make_room(trained_project, tmp_path, body):
    limits = {"CHEST_CANCER_MAX_ARRIVALS": "3", "CHEST_CANCER_MAX_BYTES": "100000"}
    with serve(trained_project, tmp_path / "log", **limits) as server, ExitStack() as clients:
        waiting = []
        for _ in range(4):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            waiting.append(clients.enter_context(client))
            client.sendall(head(90_000) + b"{")
        assert read_response(waiting[0])[0] == 408
        waiting[2].sendall(b"a" * 60_000)
        waiting[1].sendall(b"a" * 50_000)
        assert read_response(waiting[2])[0] == 408
        assert server.send("POST", "/predict", body(0))[0] == 200


def test_a_body_in_chunks_is_answered_like_any_other(server, encode):
    data = encode(0)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:50], data[50:])) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(SLOW["chunks"][:-3])
        for start in range(0, len(chunks), 37):
            connection.sendall(chunks[start : start + 37])
        status, records = read_response(connection)
    assert (status, records[0]["image"]) == (200, "Normal")


def test_who_asks_whether_to_send_the_body_is_told_once(server, body):
    sent = body(0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head(len(sent)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(sent)
        assert connection.recv(100_000).startswith(b"HTTP/1.1 200 OK")


def test_several_requests_come_over_one_connection(server, body):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    for brightness, expected in ((0, "Normal"), (255, "Adenocarcinoma Cancer"), (0, "Normal")):
        connection.request("POST", "/predict", body(brightness), {"Content-Type": "application/json"})
        assert json.load(connection.getresponse())[0]["image"] == expected
    connection.close()


def test_a_killed_worker_comes_back_while_the_other_goes_on(pair, body):
    killed = pair.workers()[0]
    os.kill(killed, signal.SIGKILL)
    statuses = []
    end = time.monotonic() + 20
    while time.monotonic() < end and (killed in pair.workers() or len(pair.workers()) < 2 or len(statuses) < 20):
        try:
            statuses.append(pair.send("POST", "/predict", body(0))[0])
        except ConnectionError:
            statuses.append("was being answered by the killed one")
    assert len(pair.workers()) == 2
    assert statuses.count(200) >= len(statuses) - 1


def test_workers_count_together(pair, body):
    def answers():
        text, end = "", time.monotonic() + 30
        while f'run_id="{RUN_ID}"' not in text:  # whichever worker answers, it may still be loading
            assert time.monotonic() < end
            connection = HTTPConnection("127.0.0.1", pair.port, timeout=30)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
        return float(
            (re.search(r'^chest_cancer_answers_total\{answer="normal"\} (\S+)', text, re.MULTILINE) or [0, 0])[1]
        )

    before = answers()
    for _ in range(10):
        pair.send("POST", "/predict", body(0))
    assert answers() - before == 10


def test_a_job_survives_the_worker_that_started_it(pair):
    status, job = pair.send("POST", "/train", b"{}", **BEARER)
    assert status == 202
    workers = pair.workers()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    while set(pair.workers()) & set(workers):
        time.sleep(0.02)
    for _ in range(4):  # whichever worker answers
        assert pair.send("GET", job["url"], **BEARER)[1]["status"] == "running"
        assert pair.send("POST", "/train", b"{}", **BEARER)[0] == 409
    assert pair.send("POST", f"{job['url']}/cancel", **BEARER)[0] == 202
    end = time.monotonic() + 15
    while (ended := pair.send("GET", job["url"], **BEARER)[1])["status"] == "running" and time.monotonic() < end:
        time.sleep(0.05)
    assert ended["status"] == "cancelled"


def test_a_request_that_is_under_way_is_answered_when_the_server_is_told_to_stop(server, body):
    sent = body(0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head(len(sent)) + sent[:50])
        server.send("GET", "/healthz")  # by now the other request is being read
        server.process.send_signal(signal.SIGTERM)
        while server.lines()[-1].get("message") != "Handling signal: term":
            time.sleep(0.02)
        connection.sendall(sent[50:])
        status, records = read_response(connection)
    assert (status, records[0]["image"]) == (200, "Normal")
    assert server.process.wait(timeout=15) == 0
