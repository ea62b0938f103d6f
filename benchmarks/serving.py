"""The web app under load, beside the bare graph and beside the way of the public projects, in turn, in one run.

`.venv/bin/python -m benchmarks.serving` needs a model (`kedro run`), two free cores and about seven minutes.
"""

import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from PIL import Image

from benchmarks.rates import ceiling
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.phantoms.generate import generate_phantom
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import GRAPH_FILE, QUANTISED_FILES, Classifier

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "data/06_models/classifier"
CLIENTS, SECONDS, CEILING_SECONDS, ROUNDS = 16, 60, 15, 3
OURS = ["gunicorn", "--config", "app/gunicorn.conf.py", "app:create_app()"]
REFERENCE = ["benchmarks.reference_app", str(PROJECT / "data/06_models/model.keras"), "{port}"]


def main() -> None:
    classifier = Classifier.load(FOLDER)
    files = [_png(generate_phantom("normal", 99, i).image) for i in range(8)]
    bare, decode = _bare(classifier, files)
    precision = classifier.precision
    del classifier
    ceilings, loads = [], []
    for _ in range(ROUNDS):
        ceilings.append(_ceiling(precision))
        with _server(OURS, PROJECT, "/readyz") as (port, pid, ready):
            single = _load(port, files, 1, 20)
            loads.append(_load(port, files, CLIENTS, SECONDS))
            overload = _load(port, files, 200, 20)
            _ask_at_length(port, files)
            memory = _memory(pid)
    with tempfile.TemporaryDirectory() as folder, _server(REFERENCE, Path(folder), "/") as (port, _, _):
        reference = _load(port, files, 1, 20)

    rates = [len(load["ok"]) / SECONDS for load in loads]
    shares = [rate / limit for rate, limit in zip(rates, ceilings, strict=True)]
    limit = median(ceilings)
    p99 = median(quantiles(load["ok"], n=100)[98] for load in loads)
    p50, slow = median(single["ok"]), median(reference["ok"])
    print(
        f"| {CLIENTS} clients for {SECONDS} s, {os.cpu_count()} cores, {precision} | measured | limit |\n"
        "| --- | --- | --- |"
    )
    print(
        f"| images/s, {ROUNDS} rounds in turn | {', '.join(f'{rate:.1f}' for rate in rates)}; of benchmark_app's "
        f"{limit:.1f}, median: {median(shares):.2f} | 0.85 of it |"
    )
    print(f"| answers other than 200 | {sum(len(load['other']) for load in loads)} | 0 |")
    print(f"| p99 | {p99:.2f} s, {p99 * limit / CLIENTS:.2f} of the ideal {CLIENTS / limit:.2f} s | 3 times it |")
    print(
        f"| one client, p50 | {p50 * 1000:.0f} ms, {p50 / (bare + decode):.2f} of graph {bare * 1000:.0f} + decode "
        f"{decode * 1000:.0f} ms | 1.35 times it |"
    )
    print(f"| model loaded for each request | {slow * 1000:.0f} ms, {slow / p50:.1f} times one client | 10 times |")
    print(f"| memory, resident, after all | {memory} MB | 400 MB |")
    print(f"| ready after | {ready:.1f} s | 2.5 s |")
    statuses = sorted({status for status, _ in overload["other"]} | {200})
    print(
        f"| 200 clients for 20 s | {len(overload['ok'])} answered, {len(overload['other'])} refused: {statuses} "
        "| 200, 503 |"
    )


def _bare(classifier: Classifier, files: list[bytes]) -> tuple[float, float]:
    """Median seconds of the graph alone and of decoding alone, for one image."""
    graph, decoding = [], []
    for i in range(40):
        start = time.perf_counter()
        pixels = standardise(decode_image(files[i % len(files)]).pixels, classifier.standardisation).pixels
        decoded = time.perf_counter()
        classifier.predict_standardised([pixels])
        graph.append(time.perf_counter() - decoded)
        decoding.append(decoded - start)
    return median(graph[5:]), median(decoding[5:])


def _ceiling(precision: str) -> float:
    """Images a second of OpenVINO's own benchmark on the same graph."""
    int8 = precision == "int8"
    graph, rest = (QUANTISED_FILES[0], "fp32") if int8 else (GRAPH_FILE, precision)
    return ceiling(FOLDER / graph, rest, 1, "throughput", CEILING_SECONDS)


@contextmanager
def _server(command: list[str], folder: Path, path: str) -> Iterator[tuple[int, int, float]]:
    """Start a server: its port, its process and the seconds until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        cwd=folder,
        env=os.environ | {"PORT": str(port), "PYTHONPATH": str(PROJECT), "MALLOC_ARENA_MAX": "2"},  # as `make serve`
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            try:
                with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                    connection.request("GET", path)
                    assert connection.getresponse().status in (200, 404)
                break
            except ConnectionError:
                time.sleep(0.02)
        yield port, process.pid, time.perf_counter() - start
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _load(port: int, files: list[bytes], clients: int, seconds: float) -> dict[str, list]:
    """Seconds of each 200, and status and seconds of everything else."""
    bodies = [json.dumps({"image": base64.b64encode(file).decode()}).encode() for file in files]
    end = time.perf_counter() + seconds

    def ask(client: int) -> list[tuple[int, float]]:
        answers: list[tuple[int, float]] = []
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while (start := time.perf_counter()) < end:
                connection.request(
                    "POST",
                    "/predict",
                    bodies[(client + len(answers)) % len(bodies)],
                    {"Content-Type": "application/json"},
                )
                try:
                    response = connection.getresponse()
                    response.read()
                except OSError:
                    answers.append((0, time.perf_counter() - start))
                    connection.close()
                    continue
                answers.append((response.status, time.perf_counter() - start))
                if response.status == 503:
                    time.sleep(float(response.headers["Retry-After"]) / 4)
        return answers

    with ThreadPoolExecutor(clients) as threads:
        answers = [answer for each in threads.map(ask, range(clients)) for answer in each]
    return {
        "ok": [taken for status, taken in answers if status == 200],
        "other": [(status, taken) for status, taken in answers if status != 200],
    }


def _ask_at_length(port: int, files: list[bytes]) -> None:
    """Send what takes most: 16 images in a request, one of 16 million pixels, one of 30 MB."""
    large = _png(np.asarray(Image.open(io.BytesIO(files[0])).resize((4000, 4000))))
    for images in ([files[i % len(files)] for i in range(16)], [large], [bytes(30_000_000)]):
        parts = (
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n%s\r\n' % one for one in images
        )
        body = b"".join(parts) + b"--x--\r\n"
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("POST", "/predict", body, {"Content-Type": "multipart/form-data; boundary=x"})
            connection.getresponse().read()
    time.sleep(8)  # memory is given back some seconds later


def _memory(pid: int) -> int:
    """Resident memory of master and workers, MB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    texts = [Path(f"/proc/{process}/status").read_text() for process in [pid, *children]]
    return sum(int(size) for text in texts for size in re.findall(r"VmRSS:\s+(\d+)", text)) // 1024


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
