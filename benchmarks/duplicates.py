"""Changed copies that are found again, and distinct slices that are taken for one: a table of docs/results.md.

`python -m benchmarks.duplicates --images a.zip`. Thirty slices, each of another group by the embedding alone, are
measured; method and threshold were chosen on sixty others, `--choosing`. What the embedding joins is not counted.
"""

import argparse
import itertools
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.changes import Pixels, as_jpeg, at_half_size, cropped, framed, mirrored, turned, with_line
from benchmarks.patients import BATCH, make_network
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.perceptual_hash import perceptual_hash, pictures_of
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.same_picture import find_same_pictures
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.embedding import means_of
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.statistics.near_duplicates import group_by_similarity

MEASURED, CHOSEN_ON, PAIRS_OF_CHANGES = 30, 60, 8
DEFAULTS = Parameters()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duplicates", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a zip of slices")
    parser.add_argument("--choosing", action="store_true", help="on the slices that the threshold was chosen on")
    arguments = parser.parse_args()
    pictures = _distinct(arguments.images)
    order = np.random.default_rng(0).permutation(_one_of_each_group(pictures))
    chosen = order[len(order) // 2 :][:CHOSEN_ON] if arguments.choosing else order[:MEASURED]
    slices = [pictures[row] for row in chosen]
    hashes = [perceptual_hash(pixels) for pixels in slices]

    print("| change | found |\n| --- | --- |")
    total = 0
    for name, change in CHANGES.items():
        found, _ = _found([change(pixels) for pixels in slices], np.arange(len(slices)), hashes)
        total += found
        print(f"| {name} | {found} of {len(slices)} |")
    print(f"| all of these | {total} of {len(slices) * len(CHANGES)} |")

    generator, pairs = np.random.default_rng(1), list(itertools.combinations(CHANGES.values(), 2))
    twice = [
        pairs[i][1](pairs[i][0](pixels))
        for pixels in slices
        for i in generator.choice(len(pairs), PAIRS_OF_CHANGES, replace=False)
    ]
    found, others = _found(twice, np.repeat(np.arange(len(slices)), PAIRS_OF_CHANGES), hashes)
    print(f"| two at once, {PAIRS_OF_CHANGES} pairs of changes drawn for each slice | {found} of {len(twice)} |")
    joined = len(find_same_pictures(hashes).left)
    print(f"\n{joined} of {len(slices) * (len(slices) - 1) // 2} pairs of distinct slices joined; ", end="")
    print(f"of slices with two changes and another slice {others} of {len(twice) * (len(slices) - 1)}.")
    print(f"1,000 hashes compared: {_seconds(hashes):.1f} s of processor time.")


def brighter(pixels: Pixels) -> Pixels:
    return np.clip(1.2 * pixels + 20, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "mirrored": mirrored,
    "JPEG of quality 40": as_jpeg,
    "half size": at_half_size,
    "a drawn line": with_line,
    "turned by 3°": turned,
    "cropped by 4 % at each edge": cropped,
    "brighter (1.2 times, and 20 levels more)": brighter,
    "a white frame, 5 % wide": framed,
}


def _distinct(archive: Path) -> list[Pixels]:
    found: dict[str, Pixels] = {}
    with zipfile.ZipFile(archive) as files:
        for name in sorted(files.namelist()):
            try:
                decoded = decode_image(files.read(name))
            except UnreadableImageError:
                continue
            found.setdefault(decoded.digest, decoded.pixels)
    return list(found.values())


def _one_of_each_group(pictures: list[Pixels]) -> list[int]:
    network, choice = make_network(), DEFAULTS.feature_extraction.standardisation
    inputs = [standardise(pixels, choice).pixels for pixels in pictures]
    starts = range(0, len(inputs), BATCH)
    embeddings = [network(np.stack(inputs[start : start + BATCH]))["embedding"] for start in starts]
    groups = group_by_similarity(means_of(np.concatenate(embeddings)), DEFAULTS.feature_extraction.groups.similarity)
    return np.unique(groups, return_index=True)[1].tolist()


def _found(changed: list[Pixels], originals: NDArray[np.int64], hashes: list[str]) -> tuple[int, int]:
    """How many are found to be their originals, and how often one is taken for another slice."""
    pairs = find_same_pictures([perceptual_hash(pixels) for pixels in changed], hashes)
    own = originals[pairs.left] == pairs.right
    return int(np.count_nonzero(own)), int(np.count_nonzero(~own))


def _seconds(hashes: list[str]) -> float:
    """A thousand pictures of as many slices as there are, each with its own noise."""
    levels = pictures_of(hashes * (1000 // len(hashes) + 1))[:1000]
    noisy = levels.astype(float) + np.random.default_rng(2).normal(0, 8, levels.shape)
    small = [np.repeat(each[..., None], 3, axis=2) for each in np.clip(noisy, 0, 255).astype(np.uint8)]
    thousand = [perceptual_hash(pixels) for pixels in small]
    start = time.process_time()
    find_same_pictures(thousand)
    return time.process_time() - start


if __name__ == "__main__":
    main()
