"""Procedural chest CT slices, with a mask for every tumour: synthetic data that needs no network.

A patient has a body, a couch, a window, a scanner and, unless normal, a tumour, which its slices show at other heights.
How much of that they really have in common is the patient's signature: it turns up and down what a model gains from
slices of one patient on both sides of a split.

Anatomy, picture size, window and noise come from other random streams than the tumour. The same seed, patient and slice
with another label therefore give the same picture outside of the tumour, and nothing else tells the classes apart.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.draws import Draws, Stream
from chest_cancer.imaging.phantoms.lesions import add_benign_findings
from chest_cancer.imaging.phantoms.scanner import SCANNERS, ScannerName, scan
from chest_cancer.imaging.phantoms.tumours import add_tumour

PHANTOM_CLASSES: tuple[str, ...] = ("normal", "adenocarcinoma", "squamous_cell", "large_cell")
PHANTOM_VERSION: int = 2  # raise it whenever a pixel changes: stored features are keyed by it

_DRAWN_AHEAD = 32


@dataclass(frozen=True)
class Phantom:
    """One synthetic slice.

    Attributes:
        image: Windowed slice `[H, W]`, uint8.
        lesion_mask: True where the tumour lies `[H, W]`; empty for "normal".
        label: One of `PHANTOM_CLASSES`, the same for all slices of a patient.
        patient: Number of the patient within the set, from 0.
        slice: Number of the slice within the patient, from 0; the order says nothing about its height.
    """

    image: NDArray[np.uint8]
    lesion_mask: NDArray[np.bool_]
    label: str
    patient: int
    slice: int


def generate_phantom(
    label: str, seed: int, patient: int, number: int = 0, signature: float = 1.0, scanner: ScannerName = "a"
) -> Phantom:
    """Generate one phantom; the same arguments always give the same pixels.

    Args:
        label: One of `PHANTOM_CLASSES`.
        seed: Seed of the whole set, at least 0.
        patient: Number of the patient within the set, at least 0.
        number: Number of the slice within the patient, at least 0.
        signature: Share of a patient's traits that its slices have in common, 0 to 1.
        scanner: One of `SCANNERS`.

    Returns:
        The slice with its tumour mask.

    Raises:
        ValueError: If the label is unknown.
    """
    if label not in PHANTOM_CLASSES:
        raise ValueError(
            f"Invalid value received for argument `label`. Expected one of {PHANTOM_CLASSES}. Received: label={label!r}"
        )
    draws = Draws(seed, patient, number, signature)
    anatomy = draw_anatomy(draws)
    picture = add_benign_findings(anatomy, draws)
    picture, mask = add_tumour(picture, anatomy, label, draws)
    return Phantom(scan(picture, anatomy.placement, draws, SCANNERS[scanner]), mask, label, patient, number)


def _in_turn(classes: int, slices_per_patient: tuple[int, int], seed: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Number patients, from `start` on, and their slices without end: a patient of each class, slice by slice in turn.

    These patients have as many slices as one another, so that all classes have as many images too.
    """
    low, high = slices_per_patient
    usual = low + (high + 1 - low) / 3
    for first in itertools.count(start, classes):
        slices = int(Draws(seed, first, 0, 1.0).of_patient(Stream.SLICES).triangular(low, usual, high + 1))
        yield from ((first + place, number) for number in range(min(slices, high)) for place in range(classes))


def generate_phantoms(
    classes: Sequence[str],
    images: int,
    seed: int,
    *,
    slices_per_patient: tuple[int, int] = (1, 1),
    patient_signature: float = 1.0,
    scanner: ScannerName = "a",
) -> Iterator[Phantom]:
    """Generate a balanced set, class after class in turn, patient after patient.

    Args:
        classes: Labels to take turns, each one of `PHANTOM_CLASSES`; a patient has one.
        images: Number of phantoms. The last patients may lack slices.
        seed: Seed of the whole set, at least 0.
        slices_per_patient: Fewest and most, at least 1; the usual number lies a third of the way up.
        patient_signature: Share of a patient's traits that its slices have in common: 0 none, 1 all.
        scanner: One of `SCANNERS`; each has its own patients.

    Yields:
        Phantom `index` of the set, for every index below `images`; it does not depend on how many there are.
    """
    start = SCANNERS[scanner].first_patient // len(classes) * len(classes)
    turns = itertools.islice(_in_turn(len(classes), slices_per_patient, seed, start), images)

    def draw(turn: tuple[int, int]) -> Phantom:
        patient, number = turn
        return generate_phantom(classes[patient % len(classes)], seed, patient, number, patient_signature, scanner)

    # NumPy lets go of the interpreter while it draws, so threads share the cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(itertools.islice(turns, _DRAWN_AHEAD)):
            yield from pool.map(draw, batch)
