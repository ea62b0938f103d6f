"""Seconds of each audit of the data, on images that are drawn here: `python -m benchmarks.audits`.

None of these passes an image through the network (regions, which does, is on request), so embeddings are drawn too:
those of a patient lie near each other, and classes lie apart by less. Files are copies of a few phantoms under other
names, since what they show changes no time; nine in a hundred of the images have a second file.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from chest_cancer.audits.registry import DATA_AUDITS
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.phantoms.generate import PHANTOM_CLASSES, generate_phantoms
from chest_cancer.network.embedding import CHANNELS
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.pipelines.data_audit import create_pipeline
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.statistics.near_duplicates import group_by_similarity, join_by_identity

_DRAWN = 40
_SLICES = 4
"""Images of a patient."""
_TRAITS = 30
"""Things that embeddings differ in: those of a network have far fewer than numbers."""
_COPIED = 0.09
_SEED = 17


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audits", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10000], help="counts of distinct images")
    parser.add_argument("--audits", nargs="+", help="names of audits; by default all")
    arguments = parser.parse_args()
    for count in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            inputs = _draw(count, Path(folder))
            print(f"\n{count} distinct images\n\n| node | seconds | of processor time |\n| --- | --- | --- |")
            _measure(inputs, arguments.audits)


def _measure(made: dict[str, Any], names: list[str] | None) -> None:
    on = [audit for audit in DATA_AUDITS if audit.switch is None]
    facts = [audit.facts_dataset for audit in on if names is None or audit.name in names]
    total = np.zeros(2)
    for node in create_pipeline().to_outputs(*facts).nodes:
        start = np.array([time.perf_counter(), time.process_time()])
        made |= node.run({name: made[name] for name in node.inputs})
        spent = np.array([time.perf_counter(), time.process_time()]) - start
        print(f"| {node.short_name} | {spent[0]:.1f} | {spent[1]:.1f} |", flush=True)
        total += spent
    print(f"| all | {total[0]:.1f} | {total[1]:.1f} |")


def _draw(count: int, folder: Path) -> dict[str, Any]:
    """Make what the audits take."""
    generator, parameters = np.random.default_rng(_SEED), Parameters()
    patients = np.arange(count) // _SLICES
    classes = patients % len(PHANTOM_CLASSES)
    embeddings = _embed(patients, classes, generator)
    table = pd.DataFrame(
        {
            "label": np.array(PHANTOM_CLASSES)[classes],
            "patient": [f"{patient:064x}" for patient in patients],
            "pixel_sha256": [f"{image:064x}" for image in range(count)],
            "mode": "L",
            "format": "PNG",
            "scaling": "8 bits",
            "coloured": np.where(generator.random(count) < 0.02, 0.01, 0),
            "letters": generator.integers(0, 2, count),
            "source_split": generator.choice(["train", "test"], count, p=[0.8, 0.2]),
            "split": "train",
        }
    )
    near = group_by_similarity(embeddings[:, :CHANNELS], parameters.feature_extraction.groups.similarity)
    table = table.assign(near_duplicates=near, group=join_by_identity(near, patients))
    copies = table[generator.random(count) < _COPIED]
    table = pd.concat([table, copies], ignore_index=True)
    table = table.assign(
        path=[f"{row}.png" for row in range(len(table))], content_sha256=[f"{row:064x}" for row in range(len(table))]
    )
    table = table.join(_write(folder, table["path"].to_list()))
    stated = {"sex": generator.choice(["F", "M"], len(table)), "scanner": generator.choice(list("abc"), len(table))}
    source = SourceRecord(
        kind="phantom", location="phantom", sha256=None, synthetic=True, fingerprint="", files=len(table), bytes=0
    )
    return {
        "raw_images": ImageFolder(folder, source),
        "split_table": table,
        "features": {"pixel_sha256": table["pixel_sha256"].to_numpy()[:count].astype("U64"), "embedding": embeddings},
        "image_metadata": pd.DataFrame({"path": table["path"], **stated}),
        "quarantine": pd.DataFrame({"path": [], "reason": []}),
        "data_summary": {},
        "params:feature_extraction": parameters.feature_extraction,
        "params:model_evaluation": parameters.model_evaluation,
        "params:seed": _SEED,
    }


def _embed(patients: Any, classes: Any, generator: np.random.Generator) -> Any:
    """Draw embeddings, [n, 1024]."""
    of_classes = generator.normal(0, 0.5, (classes.max() + 1, _TRAITS))
    of_patients = generator.normal(0, 1, (patients.max() + 1, _TRAITS))
    own = generator.normal(0, 0.5, (len(patients), _TRAITS))
    traits = of_classes[classes] + of_patients[patients] + own
    seen = traits @ generator.normal(0, 0.3, (_TRAITS, 2 * CHANNELS)) + generator.normal(0, 0.2, (len(own), 1024))
    return np.log1p(np.exp(seen)).astype(np.float32)


def _write(folder: Path, paths: list[str]) -> pd.DataFrame:
    """Write files, and return what the index says of each picture."""
    drawn = []
    for phantom in generate_phantoms(PHANTOM_CLASSES, _DRAWN, _SEED):
        image = Image.fromarray(phantom.image)
        file = folder / ".drawn.png"
        image.save(file)
        drawn.append((file.read_bytes(), image.width, image.height, perceptual_hash(np.asarray(image.convert("RGB")))))
    for place, path in enumerate(paths):
        (folder / path).write_bytes(drawn[place % _DRAWN][0])
    columns = ["bytes", "width", "height", "perceptual_hash"]
    rows = [(len(data), *others) for data, *others in drawn]
    return pd.DataFrame([rows[place % _DRAWN] for place in range(len(paths))], columns=columns)


if __name__ == "__main__":
    main()
