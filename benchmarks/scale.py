"""Ingestion, grouping and split of a million images, and how many near pairs are missed: a table of docs/benchmarks.md.

`python -m benchmarks.scale` draws an index and embeddings, float16 on disk, of patients with twenty slices each. Slices
of a patient lie on a way from one embedding to another, with noise, so that many are near each other, and some nearly.
With `--features`, a folder of a run's features, embeddings lie between those of its images; else between drawn ones.
Small pictures are drawn likewise, between those of phantoms. Ingestion is measured apart: its images are taken as
opened. Each step is a process of its own. Beside other work, its seconds of processor time say more than those on the
clock.
"""

import argparse
import base64
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.drawn_source import DrawnSource, already_opened
from benchmarks.processes import run
from benchmarks.project import ROOT, machine
from chest_cancer.datasets.mapped_arrays import MappedArraysDataset
from chest_cancer.imaging.perceptual_hash import SIDE, perceptual_hash, pictures_of
from chest_cancer.imaging.phantoms.generate import PHANTOM_CLASSES, generate_phantoms
from chest_cancer.imaging.pixels import grey_to_rgb
from chest_cancer.network.embedding import CHANNELS, directions, means_of
from chest_cancer.network.features import positions_of
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.pipelines.feature_extraction.splitting import check_no_group_crosses, split_by_group
from chest_cancer.statistics.near_duplicates import (
    ROUNDING,
    group_by_similarity,
    group_near_duplicates,
    join_identities,
)
from chest_cancer.statistics.neighbourhoods import neighbourhoods

_SLICES = 20
"""Images of a patient."""
_PATIENTS_AT_ONCE = 500
_TRAITS, _DRAWN = 100, 2000
_COPIED = 0.05
_PHANTOMS, _MIRRORED = 200, 100
"""Pictures that others lie between; each hundredth image shows another one mirrored."""
_SEED = 17
_BLOCK = 4096
_CHECKED = 5000
"""Images that are compared with all others."""
INGESTION, EXTRACTION = Parameters().data_ingestion, Parameters().feature_extraction

Vectors = NDArray[np.float32]
Blocks = Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]


def main() -> None:
    arguments = _arguments()
    if arguments.step:
        STEPS[arguments.step](arguments)
        return
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        options = ["--features", str(arguments.features)] if arguments.features else []

        def measured(step: str, rows: int) -> None:
            command: list[str | Path] = [sys.executable, "-m", "benchmarks.scale", "--step", step]
            command += ["--rows", str(rows), "--folder", folder, *options]
            cost = run(command, folder / "log.txt", ROOT)
            print(f"| {step} | {rows} | {cost.wall:.0f} | {cost.cpu:.0f} | {cost.memory:.0f} |", flush=True)

        print("| step | images | seconds | of processor time | peak memory, MB |\n| --- | --- | --- | --- | --- |")
        for step in STEPS:
            if step != "checking":
                measured(step, arguments.rows)
        for step in ("drawing", "checking"):
            measured(step, arguments.checked)
        print(f"\n{(folder / 'checked.txt').read_text()}\n")
        print(f"Measured in {time.perf_counter() - started:.0f} s on: {machine()}; {time.strftime('%F')}.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="images that are indexed, grouped and split")
    parser.add_argument("--checked", type=int, default=100_000, help="images among which missed pairs are counted")
    parser.add_argument("--features", type=Path, help="a folder of features that a run has made")
    parser.add_argument("--folder", type=Path, help="where about 6 KB are written for each image")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_args()


def draw(arguments: argparse.Namespace) -> None:
    """Write an index and embeddings of distinct images, in a random order; a few images have a second file."""
    count, folder, generator = arguments.rows, arguments.folder, np.random.default_rng(_SEED)
    some = _means(arguments.features) if arguments.features else _draw_means(generator)
    order = generator.permutation(count)
    embeddings = np.empty((count, 2 * CHANNELS), np.float16)
    for start, vectors in _walk(np.unique(np.asarray(some, np.float32), axis=0), count, generator):
        embeddings[order[start : start + len(vectors)]] = np.tile(vectors, 2)[: count - start]
    patients = np.empty(count, np.int64)
    patients[order] = np.arange(count) // _SLICES
    digests = np.array([f"{image:064x}" for image in range(count)])
    MappedArraysDataset(filepath=str(folder / "features")).save({"pixel_sha256": digests, "embedding": embeddings})
    pictures = np.empty((count, SIDE, SIDE), np.uint8)
    for start, part in _draw_pictures(count, generator):
        pictures[order[start : start + len(part)]] = part[: count - start]
    hashes = [base64.b64encode(picture).decode() for picture in pictures]
    pd.DataFrame({"perceptual_hash": hashes}).to_parquet(folder / "pictures.parquet")
    files = np.sort(np.concatenate([np.arange(count), np.flatnonzero(generator.random(count) < _COPIED)]))
    known = pd.Series([f"{patient:064x}" for patient in patients[files]]).where(patients[files] % 2 == 0)
    index = pd.DataFrame(
        {
            "path": [f"{row:09d}.png" for row in range(len(files))],
            "label": np.array(["adenocarcinoma", "benign", "normal"])[patients[files] % 3],
            "patient": known,
            "study": pd.Series(None, index=known.index, dtype=known.dtype),
            "source_split": pd.Series(None, index=known.index, dtype=known.dtype),
            "pixel_sha256": digests[files],
        }
    )
    index.to_parquet(folder / "index.parquet")


def _draw_means(generator: np.random.Generator) -> Vectors:
    """Draw spatial means like a network's: many are 0, and a few traits explain most of the rest."""
    traits = generator.normal(0, 1, (_DRAWN, _TRAITS)) / np.sqrt(np.arange(1, _TRAITS + 1))
    return np.maximum(traits @ generator.normal(0, 1, (_TRAITS, CHANNELS)) + 1, 0).astype(np.float32)


def _walk(some: Vectors, count: int, generator: np.random.Generator) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """Slices of patients, each on a way between neighbours among some embeddings."""
    unit = directions(some)
    near = np.argsort(-(unit @ unit.T), axis=1)[:, 1:21]
    logarithms = np.log(some + 0.02)
    for start in range(0, count, _PATIENTS_AT_ONCE * _SLICES):
        patients = (_PATIENTS_AT_ONCE, 1, 1)
        one = generator.integers(0, len(some), _PATIENTS_AT_ONCE)
        other, third = near[one, generator.integers(0, 20, len(one))], near[one, generator.integers(0, 20, len(one))]
        first, second, goal = (logarithms[rows][:, None] for rows in (one, other, third))
        share = generator.random(patients)
        far, noise = generator.uniform(0.3, 1.5, patients), generator.uniform(0.08, 0.25, patients)
        place = generator.random((_PATIENTS_AT_ONCE, _SLICES, 1))
        own = 0.25 * generator.standard_normal((_PATIENTS_AT_ONCE, 1, CHANNELS), np.float32)
        shaken = noise * generator.standard_normal((_PATIENTS_AT_ONCE, _SLICES, CHANNELS), np.float32)
        slices = first + share * (second - first) + own + place * far * (goal - second) + shaken
        yield start, np.maximum(np.exp(slices) - 0.02, 0).reshape(-1, CHANNELS).astype(np.float16)


def _draw_pictures(count: int, generator: np.random.Generator) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Slices of patients, each on a way between the pictures of phantoms; a few show the one before mirrored."""
    phantoms = generate_phantoms(PHANTOM_CLASSES, _PHANTOMS, _SEED)
    some = pictures_of([perceptual_hash(grey_to_rgb(phantom.image)) for phantom in phantoms]).astype(np.float32)
    for start in range(0, count, _PATIENTS_AT_ONCE * _SLICES):
        first, second, goal = (some[generator.integers(0, len(some), (_PATIENTS_AT_ONCE, 1))] for _ in range(3))
        share, far, place = (
            generator.random((_PATIENTS_AT_ONCE, slices, 1, 1), np.float32) for slices in (1, 1, _SLICES)
        )
        own = generator.normal(0, 10, (_PATIENTS_AT_ONCE, 1, SIDE // 4, SIDE // 4)).repeat(4, axis=2).repeat(4, axis=3)
        noise = 4 * generator.standard_normal((_PATIENTS_AT_ONCE, _SLICES, SIDE, SIDE), np.float32)
        slices = first + share * (second - first) + own + place * far * (goal - second) + noise
        pictures = slices.clip(0, 255).astype(np.uint8).reshape(-1, SIDE, SIDE)
        pictures[_MIRRORED - 1 :: _MIRRORED] = pictures[_MIRRORED - 2 :: _MIRRORED, :, ::-1]
        yield start, pictures


def _means(features: Path) -> NDArray[np.floating]:
    return means_of(MappedArraysDataset(filepath=str(features)).load()["embedding"])


def check(arguments: argparse.Namespace) -> None:
    """Compare some images with all others: how many of their near pairs are found."""
    means, limit = _means(arguments.folder / "features"), EXTRACTION.groups.similarity - ROUNDING
    count = len(means)
    unit = directions(np.asarray(means, np.float32))
    some = np.sort(np.random.default_rng(_SEED).choice(count, min(count, _CHECKED), replace=False))
    chosen = np.isin(np.arange(count), some)
    others = [np.arange(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK)]
    true = _near(((some, columns) for columns in others), unit, limit)
    found = _near(_of_some(neighbourhoods(count, unit.__getitem__), chosen), unit, limit)
    share = np.isin(true, found).mean()
    (arguments.folder / "checked.txt").write_text(
        f"Of {count} images {len(some)} were compared with all others, too. {len(true)} of these pairs are near "
        f"(cosine of {EXTRACTION.groups.similarity:g} or more), and {share:.5f} of them are found."
    )


def _of_some(blocks: Blocks, chosen: NDArray[np.bool_]) -> Blocks:
    """Of what is compared with what, that of which one side was chosen."""
    for rows, columns in blocks:
        yield rows[chosen[rows]], columns
        yield rows[~chosen[rows]], columns[chosen[columns]]


def _near(blocks: Blocks, unit: Vectors, limit: float) -> NDArray[np.int64]:
    """Near pairs of rows, each once and as one number."""
    pairs = [np.empty(0, np.int64)]
    for rows, columns in blocks:
        left, right = np.nonzero(unit[rows] @ unit[columns].T >= limit)
        low, high = np.minimum(rows[left], columns[right]), np.maximum(rows[left], columns[right])
        pairs.append((low * len(unit) + high)[low < high])
    return np.unique(np.concatenate(pairs))


def group(arguments: argparse.Namespace) -> None:
    means = _means(arguments.folder / "features")
    np.save(arguments.folder / "groups.npy", group_by_similarity(means, EXTRACTION.groups.similarity))


def group_with_pictures(arguments: argparse.Namespace) -> None:
    hashes = pd.read_parquet(arguments.folder / "pictures.parquet")["perceptual_hash"]
    means = _means(arguments.folder / "features")
    np.save(arguments.folder / "groups.npy", group_near_duplicates(means, hashes, EXTRACTION.groups.similarity))


def split(arguments: argparse.Namespace) -> None:
    folder = arguments.folder
    images = pd.read_parquet(folder / "index.parquet")
    features = MappedArraysDataset(filepath=str(folder / "features")).load()
    images["group"] = np.load(folder / "groups.npy")[positions_of(images, features)]
    images["group"] = join_identities(images["group"].to_numpy(), images)
    images["split"] = split_by_group(images, EXTRACTION.split, _SEED)
    check_no_group_crosses(images)
    images.to_parquet(folder / "split.parquet")


def ingest(arguments: argparse.Namespace) -> None:
    """Index images that are opened already, pictures or CT slices by the step's name, and write the tables."""
    source = DrawnSource.of(arguments.rows, "dcm" if "DICOM" in arguments.step else "png")
    with already_opened():
        index, _, _, metadata = index_images(source, INGESTION, None, bytes(32))
    index.to_parquet(arguments.folder / "index.parquet")
    metadata.to_parquet(arguments.folder / "metadata.parquet")


STEPS = {
    "ingestion": ingest,
    "ingestion of DICOM": ingest,
    "drawing": draw,
    "grouping": group,
    "grouping with pictures": group_with_pictures,
    "split": split,
    "checking": check,
}

if __name__ == "__main__":
    main()
