"""Anatomy of the chest phantoms: one axial slice, from the table to the bronchi, in Hounsfield units."""

import math
from dataclasses import dataclass

import numpy as np

from chest_cancer.imaging.phantom_canvas import (
    Canvas,
    FloatArray,
    Frame,
    HounsfieldArray,
    blob,
    closed_spline,
    ellipse,
    stamp,
    strip,
)

_AIR, _FAT, _MUSCLE = -1000.0, -100.0, 50.0

# Right half of the thoracic cage from the sternum (0) to the spine (9), in half widths and half depths.
_CAGE = np.array(
    [[0, -0.91], [0.3, -0.97], [0.62, -0.84], [0.88, -0.5], [1, -0.05], [0.99, 0.35], [0.86, 0.72], [0.58, 0.97]]
    + [[0.25, 0.97], [0, 0.9]]
)  # fmt: skip
# Muscle outside of the cage at the same points, mm: below the armpit, and what the shoulder girdle adds above it.
_MUSCLE_BELOW = np.array([14, 14, 15, 12, 12, 16, 21, 27, 33, 37.0])
_MUSCLE_ABOVE = np.array([8, 15, 28, 38, 46, 54, 50, 34, 20, 16.0])
_FAT_SHARE = np.array([0.5, 0.8, 1, 1.1, 1.1, 1, 0.9, 0.8, 0.7, 0.5])
# Half width of the mediastinum (mm) by slice level (rows) and depth (columns), towards the patient's right and left.
_LEVELS = np.array([0.08, 0.25, 0.45, 0.65, 0.95])
_DEPTHS = np.array([-0.93, -0.75, -0.4, -0.05, 0.3, 0.6, 0.95])
_MEDIAL_RIGHT = np.array(
    [[34, 34, 32, 28, 25, 22, 24], [12, 20, 31, 28, 20, 17, 20], [5, 9, 30, 34, 24, 16, 20]]
    + [[6, 12, 26, 26, 16, 14, 19], [16, 22, 28, 26, 17, 15, 20]]
)  # fmt: skip
_MEDIAL_LEFT = np.array(
    [[34, 34, 32, 29, 27, 24, 24], [10, 16, 24, 29, 34, 31, 22], [4, 12, 32, 34, 33, 30, 22]]
    + [[6, 14, 28, 30, 30, 28, 22], [16, 24, 30, 28, 26, 26, 22]]
)  # fmt: skip


@dataclass(frozen=True)
class Anatomy:
    """One slice without findings.

    Attributes:
        hounsfield: The slice `[H, W]`, HU.
        lung: Lung's share of every pixel `[H, W]`, 0 to 1.
        frame: Where the patient lies in the picture.
        hila: Hilum of the patient's right and left lung (mm), `[2, 2]`.
        cage: Outline of the thoracic cage (mm), `[N, 2]`.
    """

    hounsfield: HounsfieldArray
    lung: HounsfieldArray
    frame: Frame
    hila: FloatArray
    cage: FloatArray


@dataclass(frozen=True)
class _Patient:
    """Build and slice level; lengths in mm, `level` from the apex (0) to the base (1) of the lungs."""

    level: float
    width: float  # half width and half depth of the cage at this level
    depth: float
    cage: FloatArray
    muscle: FloatArray
    body: FloatArray
    blood: float  # HU of arteries and left heart
    venous: float  # HU of veins and right heart
    cortex: float
    marrow: float
    medial_right: FloatArray  # x of the mediastinum's edge at _DEPTHS
    medial_left: FloatArray
    mediastinal_fat: float  # HU between the mediastinal organs

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


def _draw_patient(rng: np.random.Generator) -> _Patient:
    level = float(rng.triangular(0.12, 0.45, 0.88))
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
    return _Patient(
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


def _draw_frame(rng: np.random.Generator, patient: _Patient) -> Frame:
    """Choose picture size, zoom, roll and place, as if someone had cropped an exported slice."""
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
    return Frame(height, width, scale, float(rng.normal(0, 0.035)), (float(centre[0]), float(centre[1])))


def _paint_table(canvas: Canvas, rng: np.random.Generator, patient: _Patient) -> None:
    """Paint the couch under the patient and, now and then, a cushion or a blanket round the body."""
    middle = patient.body.mean(axis=0)
    if rng.random() < 0.7:
        canvas.fill(middle + (patient.body - middle) * rng.uniform(1.03, 1.4), rng.uniform(-800, -150))
    bottom = patient.body[:, 1].max() + rng.uniform(1, 9)
    x = np.linspace(-260, 260, 60)
    curve = bottom - rng.uniform(0.0002, 0.0009) * x**2
    thickness = rng.uniform(14, 30)
    canvas.fill(np.concatenate([np.stack([x, curve], 1), np.stack([x, curve + thickness], 1)[::-1]]), -930)
    for depth in (0.0, thickness):
        canvas.line(np.stack([x, curve + depth], axis=1), rng.uniform(1.2, 3), rng.uniform(-350, 150))
    if rng.random() < 0.5:
        canvas.line(middle + (patient.body - middle) * rng.uniform(1.01, 1.08), 1.0, rng.uniform(-940, -750))


def _paint_wall(canvas: Canvas, rng: np.random.Generator, patient: _Patient) -> None:
    """Paint skin, fat, muscles with their fat planes, breast tissue, scapulae and ribs."""
    level = patient.level
    canvas.fill(patient.body, 10)
    middle = patient.body.mean(axis=0)
    reach = np.hypot(*(patient.body - middle).T)[:, None]
    canvas.fill(middle + (patient.body - middle) * (1 - 2.0 / reach), rng.uniform(-115, -85))
    gap = patient.body - patient.muscle
    for position in (2.3, 15.7):
        index = round(position * len(patient.cage) / 18)
        room = float(np.hypot(*gap[index]))
        if room > 22:
            for _ in range(int(rng.integers(3, 12))):
                place = (
                    patient.muscle[index] + gap[index] * rng.uniform(0.3, 0.8) + rng.normal(0, 0.3 * room, 2) * (1, 0.4)
                )
                canvas.fill(ellipse(*place, *rng.uniform(2, 0.22 * room, 2), rng.uniform(0, 3)), rng.uniform(-20, 45))
    canvas.fill(patient.muscle, rng.uniform(40, 62))
    for _ in range(int(rng.integers(5, 11))):
        start = rng.uniform(0, 18)
        t = np.linspace(start, start + rng.uniform(1.0, 4.5), 24)
        share = np.clip(rng.uniform(0.3, 0.85) + np.linspace(-0.3, 0.3, 24) * rng.uniform(-1, 1), 0.2, 0.97)
        canvas.fill(strip(patient.wall(t, share), rng.uniform(1, 4.5)), rng.uniform(-105, -50))
    if level < 0.62:
        for side in (-1, 1):
            start, share = 9 - side * (3.6 + rng.normal(0, 0.2)), np.clip(0.42 + rng.normal(0, 0.04), 0.3, 0.6)
            t = np.linspace(start, start + side * rng.uniform(0.7, 2.4 - 1.6 * level), 16)
            blade = patient.wall(t, share, 3 + 2 * np.clip(0.4 - level, 0, 1) * 10)
            blade = blade + np.sin(np.linspace(0, 3, 16))[:, None] * rng.normal(0, 2, 2)
            canvas.line(patient.wall(t, share, -4), 2, -80)
            canvas.fill(strip(blade, rng.uniform(4.5, 7)), patient.cortex)
            canvas.fill(strip(blade, 2.2), patient.marrow)
            tip = np.stack([blade[0], blade[1]]).mean(axis=0)
            canvas.bone(
                ellipse(*tip, rng.uniform(4, 8), rng.uniform(3, 6), rng.uniform(0, 3)),
                patient.cortex,
                patient.marrow,
                2,
            )
    for first, last, direction in ((1.0, 8.3, 1), (17.0, 9.7, -1)):
        t = first + direction * rng.uniform(0, 0.9)
        while (t - last) * direction < 0:
            length = rng.uniform(0.3, 0.9) + (0.5 if 6 < t < 12 else 0)
            slant = rng.uniform(4.5, 6) + np.linspace(-1, 1, 14) * rng.uniform(-2.5, 2.5)
            path = patient.wall(np.linspace(t, t + direction * length, 14), 0, slant)
            thick = rng.uniform(5.5, 9)
            canvas.fill(strip(path, thick), patient.cortex)
            if rng.random() < 0.8:
                canvas.fill(strip(path[1:-1], thick - rng.uniform(2.4, 4)), patient.marrow)
            t += direction * (length + rng.uniform(0.2, 0.9))
    _paint_sternum(canvas, rng, patient)


def _paint_sternum(canvas: Canvas, rng: np.random.Generator, patient: _Patient) -> None:
    front = patient.cage[0] - (0, 7.0)
    if patient.level < 0.2:
        for side in (-1, 1):
            head = ellipse(
                front[0] + side * rng.uniform(20, 30), front[1] + 2, rng.uniform(9, 15), 8, side * rng.uniform(0.2, 0.7)
            )
            canvas.bone(head, patient.cortex, patient.marrow, 2)
    wide, flat = rng.uniform(15, 24) - 5 * patient.level, rng.uniform(4.5, 6.5)
    canvas.bone(ellipse(*front, wide, flat, rng.normal(0, 0.08)), patient.cortex, patient.marrow, 1.8)
    for t in (0.55, 17.45):
        if rng.random() < 0.6:
            path = patient.wall(np.linspace(t, t + (0.7 if t < 9 else -0.7), 8), 0, 6.5)
            canvas.fill(strip(path, rng.uniform(6, 9)), rng.uniform(80, 180))


def _grow_vessels(rng: np.random.Generator, patient: _Patient, hilum: FloatArray, side: int) -> FloatArray:
    """Grow one lung's vessels from the hilum: they fork, thin out, and dip in and out of the slice.

    Returns:
        Segments `[N, 5]`: start x, y, end x, y and radius, mm.
    """
    central = np.interp(patient.level, [0.1, 0.35, 0.7, 0.95], [0.55, 1, 1, 0.7]) * rng.uniform(0.8, 1.2)
    forward = 0.0 if side > 0 else np.pi
    stack = [
        (
            hilum[0],
            hilum[1] + 12 * np.sin(angle),
            forward + side * angle + rng.normal(0, 0.15),
            central * rng.uniform(0.8, 1.9),
            0,
            True,
        )
        for angle in np.linspace(-1.6, 1.6, int(rng.integers(4, 9)))
    ]
    segments = []
    stay, appear = rng.uniform(0.6, 0.85), rng.uniform(0.15, 0.4)
    draws = iter(rng.random((2000, 6)).tolist())
    while stack:
        x, y, angle, radius, order, visible = stack.pop()
        draw = next(draws, None)
        if draw is None:
            break
        bend = angle + 0.5 * (draw[0] - 0.5)
        length = 4 + 5 * draw[1] + 2 * radius
        end = (x + length * math.cos(bend), y + length * math.sin(bend))
        if visible:
            segments.append((x, y, *end, radius))
        outside = (end[0] / patient.width) ** 2 + (end[1] / patient.depth) ** 2 > 0.88
        if order > 11 or radius < 0.38 or outside:
            continue
        visible = draw[2] < (stay if visible else appear)
        stack.append((*end, bend, radius * (0.82 + 0.12 * draw[3]), order + 1, visible))
        if draw[4] < 0.37:
            fork = bend + (0.4 + 0.6 * draw[5]) * (1 if draw[4] < 0.185 else -1)
            stack.append((*end, fork, radius * (0.5 + 0.3 * draw[3]), order + 1, visible))
    return np.array(segments)


def _paint_lungs(canvas: Canvas, rng: np.random.Generator, patient: _Patient, hila: FloatArray) -> None:
    """Paint vessels along and across the slice, bronchi and fissures; the cage clips them afterwards."""
    for hilum, side in zip(hila, (-1, 1), strict=True):
        vessels = _grow_vessels(rng, patient, hilum, side)
        density = np.interp(vessels[:, 4], [0.3, 1.2], [-680, 20])
        canvas.lines(vessels[:, :4].reshape(-1, 2, 2), 2 * vessels[:, 4], density)
        across = hilum + rng.normal(0, 1, (int(rng.integers(12, 36)), 2)) * (0.28 * patient.width, 0.38 * patient.depth)
        for place in across:
            away = place - hilum
            radius = np.clip(rng.gamma(3, 0.8) * np.exp(-np.hypot(*away) / 55), 0.45, 4)
            outline = ellipse(*place, radius * rng.uniform(1, 2.2), radius, np.arctan2(away[1], away[0]))
            canvas.fill(outline, np.interp(radius, [0.4, 1.3], [-500, 40]))
        for _ in range(int(rng.integers(0, 4))):
            place = hilum + rng.normal(0, 1, 2) * (7, 12) + (side * 9, 0)
            radius = rng.uniform(1.5, 3.4)
            canvas.fill(ellipse(*place, radius + 0.9, radius + 0.9), rng.uniform(-300, 20))
            canvas.fill(ellipse(*place, radius, radius), -960)
        if rng.random() < 0.6:
            tail = np.array([side * patient.width, rng.uniform(-0.5, 0.9) * patient.depth])
            t = np.linspace(0, 1, 16)[:, None]
            path = hilum + (tail - hilum) * t + np.sin(3 * t) * rng.normal(0, 5, 2)
            canvas.line(path, 0.5, rng.uniform(-720, -480))


def _paint_mediastinum(canvas: Canvas, rng: np.random.Generator, patient: _Patient, hila: FloatArray) -> None:
    """Paint the organs between the lungs that cross this level."""
    level, depth = patient.level, patient.depth
    ys = _DEPTHS * depth
    edge = np.concatenate([np.stack([patient.medial_left, ys], 1), np.stack([patient.medial_right, ys], 1)[::-1]])
    canvas.fill(closed_spline(edge), patient.mediastinal_fat, in_lung=True)

    def organ(x: float, y: float, rx: float, ry: float, hounsfield: float, angle: float = 0.0) -> None:
        grow = rng.uniform(0.88, 1.14)
        place = np.array([x, y * depth]) + rng.normal(0, 2, 2)
        canvas.fill(blob(rng, place, rx * grow, ry * grow, 0.045, angle), hounsfield, in_lung=True)

    def band(points: list[tuple[float, float]], width: float, hounsfield: float) -> None:
        corners = np.array([(x, y * depth) for x, y in points]) + rng.normal(0, 2, (len(points), 2))
        t = np.linspace(0, len(points) - 1, 20)
        path = np.stack([np.interp(t, np.arange(len(points)), column) for column in corners.T], axis=1)
        path[1:-1] = (path[:-2] + path[1:-1] + path[2:]) / 3
        canvas.fill(strip(path, width * rng.uniform(0.9, 1.1)), hounsfield, in_lung=True)

    blood, venous = patient.blood, patient.venous
    for _ in range(int(rng.integers(0, 6))):
        organ(rng.uniform(-22, 22), rng.uniform(-0.6, 0.2), *rng.uniform(2, 6, 2), 45)
    if 0.36 < level < 0.66:
        for hilum, side in zip(hila, (-1, 1), strict=True):
            for _ in range(int(rng.integers(2, 5))):
                place = hilum + rng.normal(0, 1, 2) * (4, 10) + (side * 2, 0)
                canvas.fill(
                    ellipse(*place, rng.uniform(4, 9), rng.uniform(4, 8), rng.uniform(0, 3)), venous, in_lung=True
                )
    if level > 0.5:
        grown = np.clip((level - 0.5) / 0.2, 0, 1)
        rx, ry = rng.uniform(40, 52) * (0.72 + 0.28 * grown), rng.uniform(31, 41) * (0.75 + 0.25 * grown)
        x, y, tilt = rng.uniform(10, 24), rng.uniform(-0.42, -0.26), rng.uniform(0.3, 0.85)
        organ(x, y, rx + 3, ry + 3, rng.uniform(-90, 40), tilt)
        organ(x, y, rx, ry, rng.uniform(75, 110) if blood > 60 else 42, tilt)
        organ(x + 12, y + 0.08, 0.52 * rx, 0.42 * ry, blood, tilt)
        organ(x - 16, y - 0.12, 0.55 * rx, 0.4 * ry, venous, tilt + 0.2)
        organ(x - 24, y + 0.2, 0.36 * rx, 0.42 * ry, venous, 0.3)
        if level < 0.74:
            organ(4, 0.1, 0.75 * rx, 16, blood)
            for side in (-1, 1):
                if rng.random() < 0.6:
                    band([(4, 0.1), (side * 34, 0.16), (side * rng.uniform(48, 62), rng.uniform(0.1, 0.35))], 11, blood)
        if rng.random() < 0.7:
            band([(x - 8, y - 0.5), (x - 4, y - 0.1), (x + 18, y + 0.25)], 2.5, rng.uniform(-60, 90))
    if level > 0.8:
        organ(-24, 0.02, 13, 11, venous)
    if level < 0.2:
        for x, y, radius, hounsfield in (
            (-13, -0.2, 7, blood),
            (9, -0.15, 5, blood),
            (21, 0.1, 6, blood),
            (-25, -0.4, 8, venous),
        ):
            organ(x, y, radius, radius, hounsfield)
        organ(20, -0.45, 9, 6, venous, 0.4)
    elif level < 0.32:
        band([(-16, -0.42), (-4, -0.42), (14, -0.2), (25, 0.1), (29, 0.42)], 24, blood)
    if 0.2 <= level < 0.56:
        organ(-29, -0.25, 8, 10, venous)
    if level >= 0.32:
        organ(np.interp(level, [0.3, 0.95], [27, 16]), np.interp(level, [0.3, 0.9], [0.45, 0.5]), 12, 12, blood)
        if level < 0.58:
            organ(-13, -0.36, 16, 17, blood)
    if 0.38 < level < 0.54:
        organ(16, -0.42, 15, 14, venous, 0.4)
        if rng.random() < 0.5:
            band([(16, -0.35), (0, -0.08), (-38, 0.05)], 18, venous)
        if rng.random() < 0.5:
            band([(16, -0.38), (30, -0.1), (42, 0.12)], 17, venous)
    organ(6, 0.36, 7, 6, 40)
    if rng.random() < 0.4:
        organ(6, 0.36, 2, 1.6, -700)
    _paint_airways(canvas, rng, patient, hila)


def _paint_airways(canvas: Canvas, rng: np.random.Generator, patient: _Patient, hila: FloatArray) -> None:
    level, depth = patient.level, patient.depth
    if level < 0.38:
        tubes = [(rng.normal(0, 3), 0.12 * depth, rng.uniform(7.5, 10.5), rng.uniform(7, 10.5), 0.0)]
    elif level < 0.56:
        spread = np.interp(level, [0.38, 0.5], [11, 24])
        tubes = [
            (side * spread + rng.normal(0, 2), 0.16 * depth, rng.uniform(7, 11), rng.uniform(5, 7), side * 0.4)
            for side in (-1, 1)
        ]
    else:
        tubes = [(*(hilum + rng.normal(0, 3, 2) + (0, 6)), rng.uniform(3, 5), rng.uniform(3, 5), 0.0) for hilum in hila]
    for x, y, rx, ry, angle in tubes:
        canvas.fill(ellipse(x, y, rx + 1.8, ry + 1.8, angle), 20, in_lung=True)
        canvas.fill(ellipse(x, y, rx, ry, angle), -985)


def _paint_spine(canvas: Canvas, rng: np.random.Generator, patient: _Patient) -> None:
    """Paint a vertebra, or the disc beside it, with canal and processes."""
    cortex, marrow, back = patient.cortex, patient.marrow, 0.9 * patient.depth
    size = rng.uniform(0.88, 1.15) * (0.85 + 0.2 * patient.level)
    x, y = rng.normal(0, 2), back - 30 * size
    canvas.fill(ellipse(x, y + 8 * size, 23 * size, 27 * size), _MUSCLE, in_lung=True)
    shown = rng.random() < 0.7  # between two vertebrae there are no processes to the side
    for side in (-1, 1):
        reach, drop = rng.uniform(22, 32) * size, rng.uniform(24, 31) * size
        knee = np.array(
            [(x + side * 9 * size, y + 12 * size), (x + side * 18 * size, y + 22 * size), (x + side * reach, y + drop)]
        )
        path = np.stack([np.interp(np.linspace(0, 2, 12), np.arange(3), c) for c in knee.T], axis=1)
        if shown:
            canvas.fill(strip(path, rng.uniform(8, 11) * size), cortex, in_lung=True)
            canvas.fill(strip(path[:-1], 6.5 * size), marrow)
        if rng.random() < 0.35:
            rib = np.linspace((x + side * 17 * size, y + 5 * size), (x + side * (reach + 8), y + drop - 4), 10)
            canvas.fill(strip(rib, 8), cortex, in_lung=True)
            canvas.fill(strip(rib, 5.5), marrow)
    tip = y + rng.uniform(42, 56) * size
    canvas.bone(
        np.array([(x - 4, y + 28 * size), (x + 4, y + 28 * size), (x + 2.5, tip), (x - 2.5, tip)]), cortex, marrow, 1.5
    )
    arch = ellipse(x, y + 22 * size, 14 * size, 12 * size)
    canvas.fill(arch, 0.8 * cortex, in_lung=True)
    canvas.fill(ellipse(x, y + 21 * size, 11 * size, 9 * size), rng.uniform(-20, 40))
    canvas.fill(ellipse(x, y + 21 * size, 5.5 * size, 4.5 * size), 40)
    body = blob(rng, np.array([x, y]), rng.uniform(16, 19) * size, rng.uniform(13.5, 16) * size, 0.03)
    if rng.random() < 0.2:
        canvas.fill(body, rng.uniform(70, 120), in_lung=True)
    else:
        canvas.bone(body, cortex, marrow, rng.uniform(1.2, 2.4))


def _raise_diaphragm(
    picture: HounsfieldArray, lung: HounsfieldArray, frame: Frame, rng: np.random.Generator, patient: _Patient
) -> None:
    """Add, in place, liver and spleen where the slice runs through a dome; domes have soft edges in an axial slice."""
    for side, top, hounsfield in ((-1, 0.68, rng.uniform(50, 110)), (1, 0.76, rng.uniform(45, 120))):
        rise = patient.level - top - rng.uniform(0, 0.14)
        share = math.sqrt(max(rise, 0.0) / 0.3)
        place = np.array([side * rng.uniform(0.46, 0.56) * patient.width, rng.uniform(-0.15, 0.1) * patient.depth])
        rx, ry = rng.uniform(0.42, 0.54) * patient.width * share, rng.uniform(0.7, 0.92) * patient.depth * share
        if share <= 0.1:
            continue
        dome = stamp(frame, [blob(rng, place, rx, ry, 0.06)], rng.uniform(1, 5)) * lung
        picture += dome * (hounsfield - picture)
        if side > 0 and share > 0.4 and rng.random() < 0.6:
            gas = blob(rng, place - (0.1 * rx, 0.25 * ry), 0.45 * rx, 0.25 * ry, 0.08)
            picture += stamp(frame, [gas], 0.7) * dome * (-960 - picture)
        lung *= 1 - dome


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one patient and paint the slice; nothing here knows the label.

    Args:
        rng: The anatomy's own random stream.

    Returns:
        The slice in Hounsfield units with its lung mask and landmarks.
    """
    patient = _draw_patient(rng)
    frame = _draw_frame(rng, patient)
    height = 0.1 * patient.depth
    hila = np.array(
        [
            (np.interp(height, _DEPTHS * patient.depth, edge), height)
            for edge in (patient.medial_right, patient.medial_left)
        ]
    )
    hila = hila + rng.normal(0, 3, (2, 2))
    canvas = Canvas(frame, _AIR)
    _paint_table(canvas, rng, patient)
    _paint_wall(canvas, rng, patient)
    lungs = Canvas(frame, rng.uniform(-890, -770))
    _paint_lungs(lungs, rng, patient, hila)
    canvas.insert(lungs, patient.cage)
    _paint_mediastinum(canvas, rng, patient, hila)
    _paint_spine(canvas, rng, patient)
    hounsfield, lung = canvas.develop()
    _raise_diaphragm(hounsfield, lung, frame, rng, patient)
    return Anatomy(hounsfield, lung, frame, hila, patient.cage)
