"""Whom the chest phantoms show: a random build, a slice level and a place in the picture."""

from dataclasses import dataclass

import numpy as np

from chest_cancer.imaging.phantoms.canvas import FloatArray, Placement, closed_spline
from chest_cancer.imaging.phantoms.draws import Draws, Stream

# How far a patient's slices reach from the middle one, as a share of the lungs' height: about 20 mm.
_REACH = 0.08
_GOLDEN = 0.6180339887  # steps of this share of a range never come close to one another

# Right half of the thoracic cage from the sternum (0) to the spine (9), in half widths and half depths.
_CAGE = np.array(
    [
        *([0, -0.91], [0.3, -0.97], [0.62, -0.84], [0.88, -0.5], [1, -0.05]),
        *([0.99, 0.35], [0.86, 0.72], [0.58, 0.97], [0.25, 0.97], [0, 0.9]),
    ]
)
# Muscle outside of the cage at the same points, mm: below the armpit, and what the shoulder girdle adds above it.
_MUSCLE_BELOW = np.array([14, 14, 15, 12, 12, 16, 21, 27, 33, 37.0])
_MUSCLE_ABOVE = np.array([8, 15, 28, 38, 46, 54, 50, 34, 20, 16.0])
_FAT_SHARE = np.array([0.5, 0.8, 1, 1.1, 1.1, 1, 0.9, 0.8, 0.7, 0.5])
# Half width of the mediastinum (mm) by slice level (rows) and depth (columns), towards the patient's right and left.
_LEVELS = np.array([0.08, 0.25, 0.45, 0.65, 0.95])
DEPTHS = np.array([-0.93, -0.75, -0.4, -0.05, 0.3, 0.6, 0.95])
_MEDIAL_RIGHT = np.array(
    [
        [34, 34, 32, 28, 25, 22, 24],
        [12, 20, 31, 28, 20, 17, 20],
        [5, 9, 30, 34, 24, 16, 20],
        [6, 12, 26, 26, 16, 14, 19],
        [16, 22, 28, 26, 17, 15, 20],
    ]
)
_MEDIAL_LEFT = np.array(
    [
        [34, 34, 32, 29, 27, 24, 24],
        [10, 16, 24, 29, 34, 31, 22],
        [4, 12, 32, 34, 33, 30, 22],
        [6, 14, 28, 30, 30, 28, 22],
        [16, 24, 30, 28, 26, 26, 22],
    ]
)


@dataclass(frozen=True)
class Patient:
    """Build and slice level; lengths in mm, densities in HU.

    Attributes:
        level: Where the slice lies, from the apex (0) to the base (1) of the lungs.
        width: Half width of the thoracic cage at this level.
        depth: Half depth of the thoracic cage at this level.
        cage: Outline of the cage `[180, 2]`; `muscle` and `body` are the outlines of fascia and skin, point for point.
        muscle: See `cage`.
        body: See `cage`.
        blood: Density of the arteries and the left heart.
        venous: Density of the veins and the right heart.
        cortex: Density of the bones' shell.
        marrow: Density of the bones' inside.
        medial_right: x of the mediastinum's right edge at `DEPTHS`.
        medial_left: x of the mediastinum's left edge at `DEPTHS`.
        mediastinal_fat: Density between the mediastinal organs.
    """

    level: float
    width: float
    depth: float
    cage: FloatArray
    muscle: FloatArray
    body: FloatArray
    blood: float
    venous: float
    cortex: float
    marrow: float
    medial_right: FloatArray
    medial_left: FloatArray
    mediastinal_fat: float

    def wall(self, position: FloatArray, share: float | FloatArray, offset: float | FloatArray = 0.0) -> FloatArray:
        """Points in the chest wall: `position` runs 0 to 18 round the cage, `share` from pleura (0) to fascia (1)."""
        count = len(self.cage)
        index = np.mod(position, 18) * count / 18
        below = index.astype(int) % count
        part = (index % 1)[:, None]
        cage, muscle = (
            ring[below] * (1 - part) + ring[(below + 1) % count] * part for ring in (self.cage, self.muscle)
        )
        outward = muscle - cage
        length = np.hypot(*outward.T)[:, None] + 1e-6
        return np.asarray(cage + outward * (np.reshape(share, (-1, 1)) + np.reshape(offset, (-1, 1)) / length))


def _mirror(half: FloatArray) -> FloatArray:
    """Continue values at the ten points of one half round the other half: `[10, ...]` to `[18, ...]`."""
    return np.concatenate([half, half[-2:0:-1]])


@dataclass(frozen=True)
class Position:
    """Where a slice lies.

    Attributes:
        middle: Level of the middle of what the patient's slices show, 0 (apex of the lungs) to 1 (base).
        offset: How far the slice lies from there, -1 to 1, in shares of the slices' reach.
    """

    middle: float
    offset: float

    @property
    def level(self) -> float:
        """Level of the slice, 0 (apex of the lungs) to 1 (base)."""
        return self.middle + _REACH * self.offset


def draw_position(draws: Draws) -> Position:
    """Choose where the slice lies: the slices of a patient keep apart."""
    rng = draws.of_patient(Stream.POSITION)
    middle, start = float(rng.triangular(0.2, 0.45, 0.8)), rng.random()
    return Position(middle, 2 * ((start + draws.slice * _GOLDEN) % 1) - 1)


def draw_patient(rng: np.random.Generator, level: float) -> Patient:
    """Draw a build and show it at a level; the densities say whether contrast medium was given."""
    size = rng.normal(1, 0.07)
    width = size * rng.uniform(118, 142) * np.interp(level, [0, 0.1, 0.25, 0.45, 1], [0.42, 0.6, 0.83, 0.97, 1])
    depth = size * rng.uniform(72, 96) * np.interp(level, [0, 0.1, 0.25, 0.5, 1], [0.5, 0.66, 0.84, 1, 1.02])
    unit = _mirror(_CAGE)
    unit[10:, 0] *= -1
    lean = 1 + rng.normal(0, 0.025, (18, 1))
    cage = closed_spline(unit * lean * (width, depth))
    outward = closed_spline(unit / np.hypot(*unit.T)[:, None])
    girdle = np.clip((0.42 - level) / 0.34, 0, 1) ** 0.8
    build = rng.uniform(0.75, 1.35)
    thickness = _mirror(build * _MUSCLE_BELOW + girdle * rng.uniform(0.8, 1.15) * _MUSCLE_ABOVE)
    thickness = thickness * rng.normal(1, 0.06, 18)
    muscle = cage + outward * closed_spline(thickness[:, None])
    fat = rng.gamma(2.2, 4.0) + 4
    layer = closed_spline((_mirror(_FAT_SHARE) * fat * rng.normal(1, 0.08, 18))[:, None])[:, 0]
    if rng.random() < 0.5:
        around = np.arange(len(cage)) * 18 / len(cage)
        bulge = np.exp(-(((around - 2.3) / 0.9) ** 2)) + np.exp(-(((around - 15.7) / 0.9) ** 2))
        layer = layer + bulge * rng.uniform(4, 36) * np.clip(1 - abs(level - 0.5) / 0.32, 0, 1)
    enhanced = rng.random() < 0.55
    rows = [np.array([np.interp(level, _LEVELS, c) for c in t.T]) for t in (_MEDIAL_RIGHT, _MEDIAL_LEFT)]
    scale = size * rng.uniform(0.85, 1.2)
    right, left = (scale * row * rng.normal(1, 0.07, 7) for row in rows)
    return Patient(
        level=level,
        width=width,
        depth=depth,
        cage=cage,
        muscle=muscle,
        body=muscle + outward * layer[:, None],
        blood=rng.uniform(120, 320) if enhanced else rng.uniform(35, 50),
        venous=rng.uniform(90, 260) if enhanced else rng.uniform(35, 50),
        cortex=rng.uniform(380, 800),
        marrow=rng.uniform(150, 320),
        medial_right=-right,
        medial_left=left,
        mediastinal_fat=rng.uniform(-100, 30),
    )


def draw_placement(rng: np.random.Generator, patient: Patient) -> Placement:
    """Choose picture size, zoom, roll and place, as if someone had cropped exported slices around the middle one."""
    low, high = patient.body.min(axis=0), patient.body.max(axis=0)
    aspect = rng.uniform(1.15, 1.5)
    width = int(rng.integers(300, 513))
    height = int(np.clip(width / aspect, 220, 512))
    zoom = rng.uniform(1.04, 1.2) * min(width / (high[0] - low[0]), height / (high[1] - low[1]) * rng.uniform(1, 1.12))
    stretch = rng.uniform(0.97, 1.03)
    middle = (low + high) / 2 * zoom
    shift = rng.uniform(-0.02, 0.02, 2) * (width, height)
    centre = np.array([width, height]) / 2 - middle + shift
    scale = (float(zoom * stretch), float(zoom / stretch))
    return Placement(height, width, scale, float(rng.normal(0, 0.035)), (float(centre[0]), float(centre[1])))
