"""Random numbers of the chest phantoms: what belongs to a patient, and what to one slice of it."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are drawn for; the values are part of every stream's seed."""

    POSITION = 0
    BUILD = 1
    FRAME = 2
    COUCH = 3
    WALL = 4
    SCAPULAE = 5
    STERNUM = 6
    SPINE = 7
    RIBS = 8
    HILA = 9
    HEART = 10
    MEDIASTINUM = 11
    VESSELS = 12
    DIAPHRAGM = 13
    LUNGS = 14
    HAZE = 15
    FINDINGS = 16
    SCANNER = 17
    WINDOW = 18
    NOISE = 19
    SLICES = 20
    TUMOUR = 21  # of the first class; every class has its own


@dataclass(frozen=True)
class Draws:
    """The random streams of one slice.

    Attributes:
        seed: Seed of the whole set, at least 0.
        patient: Number of the patient within the set, at least 0.
        slice: Number of the slice within the patient, at least 0.
        signature: Share of the traits that are the patient's own, 0 to 1.
    """

    seed: int
    patient: int
    slice: int
    signature: float

    def of_patient(self, stream: int) -> np.random.Generator:
        """Start the stream of a trait.

        With the signature's probability the trait is the patient's own: then all of its slices get the same numbers.
        Else it is drawn anew for every slice. What is own at one signature stays so, number for number, at a higher.

        Args:
            stream: A `Stream`, or a tumour's number.

        Returns:
            A generator at the start of the stream.
        """
        own = self._start(0, stream)
        return own if own.random() < self.signature else self.of_slice(stream)

    def of_slice(self, stream: int) -> np.random.Generator:
        """Start a stream that no other slice has; see `of_patient`."""
        return self._start(1 + self.slice, stream)

    def _start(self, owner: int, stream: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.patient, owner, int(stream))))
