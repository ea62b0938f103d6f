"""Phantom studies: a patient from below the lungs to above them, in Hounsfield units, with a mask for every lesion.

Anatomy is painted every few millimetres and interpolated, so that it changes smoothly from slice to slice. A lesion is
an ellipsoid: it shows in as many slices as its height and their distance say. As in the single slices, nothing but the
lesions depends on the label.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.phantoms.anatomy import Anatomy, paint_anatomy
from chest_cancer.imaging.phantoms.canvas import HounsfieldArray, Placement, blob, ellipse, stamp
from chest_cancer.imaging.phantoms.draws import Draws, Stream
from chest_cancer.imaging.phantoms.lesions import add_benign_findings, lung_positions, ventilate
from chest_cancer.imaging.phantoms.patient import Patient, draw_patient
from chest_cancer.imaging.phantoms.scanner import SCANNERS, measure
from chest_cancer.imaging.phantoms.tumours import put_in

STUDY_CLASSES = ("normal", "cancer")

_LOWEST, _HIGHEST = 1.16, -0.14  # levels of the first slice and of the last: neither shows lung
_PAINTED_MM = 6.0
_LESION_LEVELS = (0.14, 0.86)
_DIAMETERS_MM = (4.0, 30.0)
# Of all painted slices this share has benign findings. A lone slice has them always; a patient would have dozens.
_WITH_FINDINGS = 0.12
_WIDEST_LEVELS = (0.05, 0.2, 0.4, 0.6, 1.0)
_TISSUE = 50.0


class Lesion(NamedTuple):
    """An ellipsoid in a lung.

    Attributes:
        centre: x to the patient's left, y to the back from the middle of the cage, z upwards from the lowest end, mm.
        radii: Along x, y and z, mm.
        hounsfield: What it is made of.
        number: Within the patient, from 0.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    hounsfield: float
    number: int


class _VolumeDraws(Draws):
    """Random streams of a slice of a volume: what bones and organs are like is the same in all of them."""

    def of_slice(self, stream: int) -> np.random.Generator:
        if stream in (Stream.WALL, Stream.SPINE, Stream.MEDIASTINUM):
            stream += len(Stream) * 100  # apart from the patient's own, and from every tumour's
            return self._start(0, stream)
        return super().of_slice(stream)


class PhantomStudy:
    """A synthetic patient in slices from the feet to the head; each is drawn when it is asked for.

    Attributes:
        label: `normal` or `cancer`.
        seed: Of the whole set.
        patient: Number of the patient within the set, from 0.
        spacing_mm: From slice to slice.
        pixel_mm: Side of a pixel.
        side: Rows and columns.
        lesions: In the order of their numbers; none in a normal patient.
    """

    def __init__(self, label: str, seed: int, patient: int, *, slices: int | None = None, side: int = 256) -> None:
        """Draw a patient; the same arguments always give the same voxels.

        Args:
            label: One of `STUDY_CLASSES`.
            seed: Seed of the whole set, at least 0.
            patient: Number of the patient within the set, at least 0.
            slices: How many; None for a number between 60 and 200, which is the patient's.
            side: Rows and columns of a slice.

        Raises:
            ValueError: The label is unknown.
        """
        if label not in STUDY_CLASSES:
            raise ValueError(
                f"Invalid value received for argument `label`. Expected one of {STUDY_CLASSES}. Received: {label!r}"
            )
        self.label, self.patient, self.side = label, patient, side
        self.seed = seed
        rng = self._draws(0).of_patient(Stream.POSITION)
        self._height = rng.uniform(210, 270)  # of the lungs, mm
        self._slices = int(rng.integers(60, 201)) if slices is None else slices
        self.spacing_mm = (_LOWEST - _HIGHEST) * self._height / self._slices
        self._placement = self._place()
        self.pixel_mm = 1 / self._placement.scale
        self._painted = lru_cache(maxsize=4)(self._paint)
        self.lesions = tuple(self._draw_lesions()) if label == "cancer" else ()

    def __len__(self) -> int:
        """Number of slices."""
        return self._slices

    def slice(self, number: int) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Draw a slice.

        Args:
            number: From the feet, from 0.

        Returns:
            Hounsfield units `[side, side]`, int16, -2000 where nothing is measured; and where lesions are, bool.
        """
        picture, lung = self._at(self._z(number))
        mask = np.zeros(picture.shape, np.bool_)
        for lesion in self.lesions:
            if (coverage := self._section(lesion, self._z(number))) is not None:
                picture, where = put_in(picture, coverage * lung, lesion.hounsfield)
                mask |= where
        measured = measure(picture, self._placement, self._draws(number), SCANNERS["a"])
        return np.rint(measured).astype(np.int16), mask

    def slices_of(self, lesion: Lesion) -> range:
        """Return the numbers of the slices that cut a lesion."""
        low, high = (lesion.centre[2] + sign * lesion.radii[2] for sign in (-1, 1))
        return range(math.ceil(low / self.spacing_mm - 0.5), math.floor(high / self.spacing_mm - 0.5) + 1)

    def _draws(self, number: int) -> Draws:
        return _VolumeDraws(self.seed, self.patient, number, 1.0)

    def _z(self, number: int) -> float:
        return (number + 0.5) * self.spacing_mm

    def _level(self, z: float) -> float:
        return _LOWEST - z / self._height

    def _patient(self, level: float) -> Patient:
        return draw_patient(self._draws(0).of_patient(Stream.BUILD), level)

    def _place(self) -> Placement:
        """Choose the field of view: the whole body at every level."""
        bodies = np.concatenate([self._patient(level).body for level in _WIDEST_LEVELS])
        low, high = bodies.min(axis=0), bodies.max(axis=0)
        rng = self._draws(0).of_patient(Stream.FRAME)
        scale = self.side / (rng.uniform(1.03, 1.15) * float((high - low).max()))
        centre = self.side / 2 - (low + high) / 2 * scale + rng.uniform(-0.02, 0.02, 2) * self.side
        return Placement(self.side, self.side, (scale, scale), float(rng.normal(0, 0.02)), (centre[0], centre[1]))

    def _at(self, z: float) -> tuple[HounsfieldArray, HounsfieldArray]:
        """Return what is there (HU) and the lung's share of every pixel, between the two slices that are painted."""
        below = int(z // _PAINTED_MM)
        share = np.float32(z / _PAINTED_MM - below)
        (low, low_lung), (high, high_lung) = (self._painted(number)[:2] for number in (below, below + 1))
        return low + share * (high - low), low_lung + share * (high_lung - low_lung)

    def _paint(self, number: int) -> tuple[HounsfieldArray, HounsfieldArray, Anatomy]:
        draws = self._draws(number)
        level = self._level(number * _PAINTED_MM)
        patient = self._patient(level)
        anatomy = paint_anatomy(draws, patient, self._placement)
        _end_lungs(anatomy, patient)
        rng = draws.of_slice(Stream.POSITION)
        has_findings = rng.random() < _WITH_FINDINGS and np.count_nonzero(anatomy.lung > 0.9) > 0.01 * self.side**2
        picture = add_benign_findings(anatomy, draws) if has_findings else ventilate(anatomy, draws)
        return picture, anatomy.lung, anatomy

    def _draw_lesions(self) -> list[Lesion]:
        rng = self._draws(0).of_patient(Stream.TUMOUR)
        lesions = []
        for number in range(int(rng.integers(1, 5))):
            diameter = rng.uniform(*_DIAMETERS_MM)
            radii = np.clip(diameter * rng.uniform(0.85, 1.15, 3), *_DIAMETERS_MM) / 2
            z = (_LOWEST - rng.uniform(*_LESION_LEVELS)) * self._height
            positions, reach = lung_positions(self._painted(round(z / _PAINTED_MM))[2])
            roomy = positions[reach >= min(0.7 * diameter / 2, float(np.quantile(reach, 0.7)))]
            x, y = roomy[rng.integers(len(roomy))]
            lesions.append(Lesion((float(x), float(y), float(z)), tuple(radii.tolist()), rng.uniform(0, 60), number))
        return lesions

    def _section(self, lesion: Lesion, z: float) -> HounsfieldArray | None:
        """Return the share of every pixel that a lesion covers at a height; None where it isn't cut."""
        away = (z - lesion.centre[2]) / lesion.radii[2]
        if abs(away) >= 1:
            return None
        share = float(np.sqrt(1 - away**2))
        # The same outline at each height, so that the lesion is one body.
        rng = self._draws(lesion.number).of_slice(Stream.TUMOUR)
        across, along, _ = lesion.radii
        outline = blob(rng, np.array(lesion.centre[:2]), share * across, share * along, 0.08)
        return stamp(self._placement, [outline], 0.5)


def generate_studies(studies: int, seed: int, *, slices: int | None = None, side: int = 256) -> Iterator[PhantomStudy]:
    """Draw patients, normal and with cancer in turn; see `PhantomStudy`."""
    for patient in range(studies):
        yield PhantomStudy(STUDY_CLASSES[patient % 2], seed, patient, slices=slices, side=side)


def _end_lungs(anatomy: Anatomy, patient: Patient) -> None:
    """Close the lungs, in place, towards their apex and below their lowest recess."""
    level, width, depth = patient.level, patient.width, patient.depth
    sides = ((-1, patient.medial_right), (1, patient.medial_left))
    if level < 0.12:
        share = float(np.interp(level, [-0.04, 0.12], [0, 1.6]))
        inner = [(side, float(np.median(np.abs(medial)))) for side, medial in sides]
        left = [
            ellipse(side * (edge + width) / 2, 0, share * (width - edge) / 2 + 0.1, share * depth + 0.1)
            for side, edge in inner
        ]
        gone = anatomy.lung * (1 - stamp(anatomy.placement, left, 1.5))
    elif level > 0.9:
        share = float(np.interp(level, [0.9, 1.08], [0.5, 1.5]))
        domes = [ellipse(side * 0.5 * width, 0, 0.62 * share * width, 1.1 * share * depth) for side, _ in sides]
        gone = anatomy.lung * stamp(anatomy.placement, domes, 2.5)
    else:
        return
    anatomy.hounsfield[:] += gone * (np.float32(_TISSUE) - anatomy.hounsfield)
    anatomy.lung[:] -= gone
