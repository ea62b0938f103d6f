"""The three tumours of the chest phantoms. A tumour is its patient's own; every slice cuts it at another height."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from chest_cancer.imaging.phantoms.anatomy import Anatomy
from chest_cancer.imaging.phantoms.canvas import FloatArray, HounsfieldArray, smooth_field, stamp, strip
from chest_cancer.imaging.phantoms.draws import Draws, Stream
from chest_cancer.imaging.phantoms.lesions import lung_positions, round_blob

# A tumour's faintest coverage of a pixel: less is dropped, so that the mask has an end.
_FAINTEST = 0.04
# A cut at the end of the patient's slices still has this share of a tumour's full radius.
_RADIUS_AT_THE_END = 0.75
_SMALLEST_MM = 3.0
# Where a tumour may lie is drawn among so many points, each next to a lung position if it lies in the lung.
_CANDIDATES = 600
_GRID_MM = 3.0
# A place with too little room is not ruled out, or tumours would jump from slice to slice: its odds fall by this power.
_SOFTNESS = 6


@dataclass(frozen=True)
class _Cut:
    """A slice through a tumour.

    Attributes:
        anatomy: The slice.
        positions: Lung positions, mm, `[N, 2]`.
        reach: Their distance to the lung's edge, mm, `[N]`.
        own: Stream of the tumour as a whole: place, size, number of its parts. Its use does not depend on the slice.
        anew: Stream of what every cut shows differently.
    """

    anatomy: Anatomy
    positions: FloatArray
    reach: FloatArray
    own: np.random.Generator
    anew: np.random.Generator

    @cached_property
    def _near(self) -> KDTree:
        return KDTree(self.positions)

    def share(self, middle: float = 0.0) -> float:
        """Radius here as a share of the full one of a part whose middle lies at `middle`, -1 to 1; 0: not cut."""
        height = self.anatomy.offset - middle
        return float(np.sqrt(max(0.0, 1 - (1 - _RADIUS_AT_THE_END**2) * height**2)))

    def away(self) -> FloatArray:
        """Distance from every lung position to the nearest hilum, mm, `[N]`."""
        gaps = self.positions[None] - self.anatomy.hila[:, None]
        return np.asarray(np.min(np.hypot(*gaps.transpose(2, 0, 1)), axis=0))

    def choose(self, likely: FloatArray) -> FloatArray:
        """Choose a lung position (mm, `[2]`) with odds `likely` `[N]`, in all slices of a patient much the same one.

        The tumour's stream draws points in the cage; the position next to the luckiest of them is taken.
        """
        points = self.own.uniform(-1, 1, (_CANDIDATES, 2)) * np.abs(self.anatomy.cage).max(axis=0)
        luck = self.own.gumbel(size=_CANDIDATES)
        gaps, nearest = self._near.query(points)
        chance = np.where(gaps < _GRID_MM, likely[nearest], 0)
        if not chance.any():
            return np.asarray(self.positions[np.argmax(likely)])
        with np.errstate(divide="ignore"):
            return np.asarray(self.positions[nearest[np.argmax(np.log(chance) + luck)]])


def _spicules(rng: np.random.Generator, place: FloatArray, radius: float, count: int) -> list[FloatArray]:
    """Return thin wedges that radiate from a nodule."""
    wedges = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.15, count):
        reach, base = radius * rng.uniform(1.3, 2.5), rng.uniform(0.5, 1.2)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * base
        bend = across * rng.normal(0, 4)
        wedges.append(
            place + np.array([0.7 * radius * along + across, reach * along + bend, 0.7 * radius * along - across])
        )
    return wedges


def _adenocarcinoma(cut: _Cut) -> HounsfieldArray:
    """Peripheral, spiculated foci, often with a ground-glass rim and a tail to the pleura."""
    anatomy, reach, rng = cut.anatomy, cut.reach, cut.own
    away = cut.away()
    coverage = np.zeros_like(anatomy.lung)
    for focus in range(int(rng.integers(3, 6))):
        radius, middle = (rng.uniform(12, 17), 0.0) if focus == 0 else (rng.uniform(8, 13), rng.uniform(-1, 1))
        room = np.minimum(reach / min(0.7 * radius, np.quantile(reach, 0.6)), 1) * np.minimum(22 / reach, 1)
        place = cut.choose(away**2 * room**_SOFTNESS)
        radius *= cut.share(middle)
        shapes = [round_blob(rng, place, 0.85 * radius, 0.1)]
        rims = [round_blob(rng, place, 1.25 * radius, 0.12)]
        has_tail, tail_mm, rim_share = rng.random() < 0.5, rng.uniform(1.2, 2.4), rng.uniform(0, 0.12)
        if radius < _SMALLEST_MM:
            continue
        shapes += _spicules(cut.anew, place, radius, int(cut.anew.integers(22, 34)))
        if has_tail:
            pleura = anatomy.cage[np.argmin(np.hypot(*(anatomy.cage - place).T))]
            shapes.append(strip(np.linspace(place, pleura, 8), tail_mm, taper=False))
        coverage = np.maximum(coverage, stamp(anatomy.placement, shapes, 0.4))
        coverage = np.maximum(coverage, stamp(anatomy.placement, rims, 0.18 * radius) * rim_share)
    return coverage


def _squamous_cell(cut: _Cut) -> HounsfieldArray:
    """Central mass on the hilum, with a thick-walled cavity and, mostly, collapsed lung behind it."""
    placement, positions, rng = cut.anatomy.placement, cut.positions, cut.own
    radius = rng.uniform(22, 32) * cut.share()
    hilum = cut.anatomy.hila[rng.integers(2)]
    outward = np.sign(hilum[0])
    nearest = positions[np.argsort(np.hypot(*(positions - hilum).T))[:40]]
    offset = np.array([outward * rng.uniform(0.4, 0.8), rng.normal(0, 0.2)])
    place = nearest[int(rng.random() * len(nearest))] + radius * offset
    centre = place + rng.normal(0, 0.1, 2) * radius
    holes = [round_blob(rng, centre, radius * rng.uniform(0.4, 0.65), 0.12)]
    mass = stamp(placement, [round_blob(rng, place, radius, 0.08)], 0.6, holes)
    if rng.random() < 0.85:
        aim = (0 if outward > 0 else np.pi) + rng.normal(0, 0.5)
        turns = aim + rng.uniform(0.35, 0.6) * np.array([-1, 1])
        tips = place + radius * rng.uniform(1.9, 2.8) * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        share = rng.uniform(0.6, 0.9)
        bronchi = []
        for turn in cut.anew.uniform(0.1, 0.9, 4):  # air that stayed in the bronchi of the collapsed lung
            end = tips[0] + turn * (tips[1] - tips[0])
            bronchi.append(strip(np.linspace(place + 0.45 * (end - place), end, 6), cut.anew.uniform(1.5, 3)))
        wedge = stamp(placement, [np.array([place, *tips])], 0.8, bronchi) * share
        mass = np.maximum(mass, wedge * (1 - stamp(placement, holes, 0.6)))
    return np.asarray(mass, dtype=np.float32)


def _large_cell(cut: _Cut) -> HounsfieldArray:
    """Large, peripheral, lobulated and sharply bordered, with patches of necrosis."""
    placement, reach, rng = cut.anatomy.placement, cut.reach, cut.own
    radius = rng.uniform(32, 44)
    room = np.minimum(reach / min(0.5 * radius, np.quantile(reach, 0.7)), 1)
    place = cut.choose(cut.away() ** 2 * room**_SOFTNESS)
    radius *= cut.share()
    lumps = [round_blob(rng, place, 0.8 * radius, 0.06)]
    necrosis, grain = rng.uniform(0.2, 0.4), rng.uniform(5, 8)
    count = int(cut.anew.integers(9, 14))
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False) + cut.anew.normal(0, 0.12, count):
        centre = place + radius * cut.anew.uniform(0.68, 0.85) * np.array([np.cos(angle), np.sin(angle)])
        lumps.append(round_blob(cut.anew, centre, radius * cut.anew.uniform(0.2, 0.32), 0.05))
    mass = stamp(placement, lumps, 0.5)
    patches = np.clip(1.2 * smooth_field(cut.anew, placement, grain) - 0.2, 0, 1)
    return np.asarray(mass * (1 - necrosis * patches * (mass > 0.9)), dtype=np.float32)


_TUMOURS = {"adenocarcinoma": _adenocarcinoma, "squamous_cell": _squamous_cell, "large_cell": _large_cell}


def add_tumour(
    picture: HounsfieldArray, anatomy: Anatomy, label: str, draws: Draws
) -> tuple[HounsfieldArray, NDArray[np.bool_]]:
    """Put the tumour that `label` names into a slice.

    Args:
        picture: The slice `[H, W]`, HU.
        anatomy: Its lung mask and landmarks.
        label: One of the phantom classes; "normal" changes nothing.
        draws: The slice's random streams; each class has its own among them.

    Returns:
        The new picture, and the mask `[H, W]` outside of which it equals the old one.
    """
    if label == "normal":
        return picture, np.zeros(picture.shape, dtype=np.bool_)
    stream = Stream.TUMOUR + list(_TUMOURS).index(label)
    own, anew = draws.of_patient(stream), draws.of_slice(stream)
    density, mottle, grain = own.uniform(0, 60), own.uniform(6, 22), own.uniform(3, 8)
    cut = _Cut(anatomy, *lung_positions(anatomy), own, anew)
    coverage = _TUMOURS[label](cut) * anatomy.lung
    inside = density + mottle * smooth_field(anew, anatomy.placement, grain)
    return put_in(picture, coverage, inside)


def put_in(
    picture: HounsfieldArray, coverage: HounsfieldArray, inside: HounsfieldArray | float
) -> tuple[HounsfieldArray, NDArray[np.bool_]]:
    """Put a tumour into a slice, where it is denser.

    Args:
        picture: The slice `[H, W]`, HU.
        coverage: The tumour's share of every pixel, 0 to 1 `[H, W]`.
        inside: What the tumour is made of, HU.

    Returns:
        The new picture, and the mask `[H, W]` outside of which it equals the old one, once it is measured, too.
    """
    coverage = np.where(coverage > _FAINTEST, coverage, 0)
    # The scanner's blur reaches one pixel further than the tumour.
    wide = np.pad(coverage > 0, 1)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    mask = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    return np.asarray(picture + coverage * np.maximum(inside - picture, 0), dtype=np.float32), mask
