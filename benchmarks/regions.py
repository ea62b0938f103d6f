"""Where the information is, in phantoms and in a folder of class folders: a table of docs/results.md.

`python -m benchmarks.regions --patients 200 --side 112 --store build/regions`. In phantoms only the tumour tells the
classes apart, and it lies in a lung: with the lungs blacked out, chance is wanted, and the lungs alone should do as
well as the whole. `--images folder` looks at pictures instead, a group of near-duplicates as a patient. With
`--side 112` the network sees images of half the side, in a quarter of the time; the store keeps what it gave.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.patients import CLASSES, DEFAULTS, make_base
from chest_cancer.audits.regions.blackening import BLACKENING_VERSION, REGIONS, Pixels, blacken
from chest_cancer.audits.regions.measuring import compare_regions
from chest_cancer.audits.regions.words import describe_regions
from chest_cancer.imaging.chest import find_chest
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.frame import SIDE
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.pixels import DecodedImage, grey_to_rgb
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.embedding import means_of
from chest_cancer.network.extraction import extract_stored
from chest_cancer.statistics.intervals import in_words
from chest_cancer.statistics.near_duplicates import group_near_duplicates
from chest_cancer.storage.feature_store import FeatureStore, RowKey

EXTRACTION = DEFAULTS.feature_extraction
KEEP_DAYS = 3650


class Slice(NamedTuple):
    """A slice, its class and, where it is known, the number of its patient."""

    image: DecodedImage
    label: str
    patient: int | None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regions", description=__doc__)
    parser.add_argument("--patients", type=int, default=200, help="phantoms, a slice each")
    parser.add_argument("--images", type=Path, help="a folder of class folders; else phantoms")
    parser.add_argument("--side", type=int, default=SIDE, help="of the network's input, in pixels")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--store", type=Path, required=True, help="folder of features")
    arguments = parser.parse_args()
    slices = [*(_of_folder(arguments.images) if arguments.images else _phantoms(arguments.patients, arguments.seed))]
    chests = [find_chest(each.image) for each in slices]
    seen = [place for place, chest in enumerate(chests) if chest.lungs.any()]
    slices, chests = [slices[place] for place in seen], [chests[place] for place in seen]

    def load(positions: Sequence[int]) -> list[Pixels]:
        place = positions[0] // len(REGIONS)
        left = [*blacken(standardise(slices[place].image.pixels, EXTRACTION.standardisation), chests[place]).values()]
        shown = (Image.fromarray(left[position % len(REGIONS)]) for position in positions)
        return [np.asarray(each.resize((arguments.side,) * 2, Image.Resampling.BILINEAR)) for each in shown]

    keys = [RowKey(each.image.digest, f"{BLACKENING_VERSION}-{region}") for each in slices for region in REGIONS]
    store = FeatureStore(arguments.store, KEEP_DAYS)
    outputs = extract_stored(keys, load, make_base(side=arguments.side), store, EXTRACTION, "regions")
    embeddings = np.asarray(outputs["embedding"]).reshape(len(slices), len(REGIONS), -1)
    by_region = {region: embeddings[:, place] for place, region in enumerate(REGIONS)}
    names = sorted({each.label for each in slices})
    numbers = np.array([names.index(each.label) for each in slices])
    patients = [each.patient for each in slices if each.patient is not None]
    hashes = [perceptual_hash(each.image.pixels) for each in slices]
    groups = (
        np.array(patients)
        if patients
        else group_near_duplicates(means_of(by_region["whole"]), hashes, EXTRACTION.groups.similarity)
    )
    found = compare_regions(by_region, numbers, groups, DEFAULTS.model_evaluation, arguments.seed)
    print(f"{arguments.side} pixels a side; lungs found in {len(slices)}; {len(np.unique(groups))} groups.\n")
    print("| what is left | AUC | less than whole images | n |\n| --- | --- | --- | --- |")
    for row in found:
        print(f"| {row['title']} | {in_words(row['roc_auc'])} | {in_words(row['less'])} | {row['roc_auc']['n']} |")
    print(f"\n{describe_regions(found)}")


def _phantoms(patients: int, seed: int) -> Iterator[Slice]:
    for phantom in generate_phantoms(CLASSES, patients, seed):
        pixels = grey_to_rgb(phantom.image)
        height, width = phantom.image.shape
        yield Slice(DecodedImage(pixels, "PNG", "L", width, height, "8 bits"), phantom.label, phantom.patient)


def _of_folder(folder: Path) -> Iterator[Slice]:
    """Each distinct picture once."""
    digests = set()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        image = decode_image(path.read_bytes())
        if image.digest not in digests:
            digests.add(image.digest)
            yield Slice(image, path.parent.name, None)


if __name__ == "__main__":
    main()
