"""Organs of the chest phantoms: lungs with their vessels, mediastinum, diaphragm."""

import math
from collections.abc import Sequence

import numpy as np

from chest_cancer.imaging.phantoms.canvas import (
    Canvas,
    FloatArray,
    HounsfieldArray,
    Placement,
    blob,
    closed_spline,
    ellipse,
    stamp,
    strip,
)
from chest_cancer.imaging.phantoms.draws import Draws, Stream
from chest_cancer.imaging.phantoms.patient import DEPTHS, Patient


def _grow_vessels(rng: np.random.Generator, patient: Patient, hilum: FloatArray, side: int) -> FloatArray:
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


def paint_lungs(canvas: Canvas, rng: np.random.Generator, patient: Patient, hila: FloatArray) -> None:
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


class _Painter:
    """Paints organs of one slice: x in mm to the patient's left, y in half depths of the cage to the back."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator, depth: float) -> None:
        self._canvas, self._rng, self._depth = canvas, rng, depth

    def organ(self, x: float, y: float, rx: float, ry: float, hounsfield: float, angle: float = 0.0) -> None:
        grow = self._rng.uniform(0.88, 1.14)
        place = np.array([x, y * self._depth]) + self._rng.normal(0, 2, 2)
        self._canvas.fill(blob(self._rng, place, rx * grow, ry * grow, 0.045, angle), hounsfield, in_lung=True)

    def band(self, points: Sequence[tuple[float, float]], width: float, hounsfield: float) -> None:
        corners = np.array([(x, y * self._depth) for x, y in points]) + self._rng.normal(0, 2, (len(points), 2))
        t = np.linspace(0, len(points) - 1, 20)
        path = np.stack([np.interp(t, np.arange(len(points)), column) for column in corners.T], axis=1)
        path[1:-1] = (path[:-2] + path[1:-1] + path[2:]) / 3
        self._canvas.fill(strip(path, width * self._rng.uniform(0.9, 1.1)), hounsfield, in_lung=True)


def paint_mediastinum(canvas: Canvas, draws: Draws, patient: Patient, hila: FloatArray) -> None:
    """Paint what lies between the lungs at this level, from fat to airways; the heart is the patient's own."""
    rng = draws.of_slice(Stream.MEDIASTINUM)
    level, ys = patient.level, DEPTHS * patient.depth
    edge = np.concatenate([np.stack([patient.medial_left, ys], 1), np.stack([patient.medial_right, ys], 1)[::-1]])
    canvas.fill(closed_spline(edge), patient.mediastinal_fat, in_lung=True)
    painter = _Painter(canvas, rng, patient.depth)
    for _ in range(int(rng.integers(0, 6))):  # lymph nodes
        painter.organ(rng.uniform(-22, 22), rng.uniform(-0.6, 0.2), *rng.uniform(2, 6, 2), 45)
    if 0.36 < level < 0.66:
        for hilum, side in zip(hila, (-1, 1), strict=True):
            for _ in range(int(rng.integers(2, 5))):
                place = hilum + rng.normal(0, 1, 2) * (4, 10) + (side * 2, 0)
                outline = ellipse(*place, rng.uniform(4, 9), rng.uniform(4, 8), rng.uniform(0, 3))
                canvas.fill(outline, patient.venous, in_lung=True)
    if level > 0.5:
        _paint_heart(painter, draws.of_patient(Stream.HEART), patient)
    _paint_great_vessels(painter, rng, patient)
    painter.organ(6, 0.36, 7, 6, 40)  # oesophagus, now and then with air
    if rng.random() < 0.4:
        painter.organ(6, 0.36, 2, 1.6, -700)
    _paint_airways(canvas, rng, patient, hila)


def _paint_heart(painter: _Painter, rng: np.random.Generator, patient: Patient) -> None:
    blood, venous = patient.blood, patient.venous
    grown = np.clip((patient.level - 0.5) / 0.2, 0, 1)
    rx, ry = rng.uniform(40, 52) * (0.72 + 0.28 * grown), rng.uniform(31, 41) * (0.75 + 0.25 * grown)
    x, y, tilt = rng.uniform(10, 24), rng.uniform(-0.42, -0.26), rng.uniform(0.3, 0.85)
    painter.organ(x, y, rx + 3, ry + 3, rng.uniform(-90, 40), tilt)
    painter.organ(x, y, rx, ry, rng.uniform(75, 110) if blood > 60 else 42, tilt)
    painter.organ(x + 12, y + 0.08, 0.52 * rx, 0.42 * ry, blood, tilt)
    painter.organ(x - 16, y - 0.12, 0.55 * rx, 0.4 * ry, venous, tilt + 0.2)
    painter.organ(x - 24, y + 0.2, 0.36 * rx, 0.42 * ry, venous, 0.3)
    if patient.level > 0.8:  # inferior vena cava
        painter.organ(-24, 0.02, 13, 11, venous)
    if patient.level < 0.74:  # left atrium and the pulmonary veins
        painter.organ(4, 0.1, 0.75 * rx, 16, blood)
        for side in (-1, 1):
            if rng.random() < 0.6:
                end = (side * rng.uniform(48, 62), rng.uniform(0.1, 0.35))
                painter.band([(4, 0.1), (side * 34, 0.16), end], 11, blood)
    if rng.random() < 0.7:  # coronary groove
        painter.band([(x - 8, y - 0.5), (x - 4, y - 0.1), (x + 18, y + 0.25)], 2.5, rng.uniform(-60, 90))


def _paint_great_vessels(painter: _Painter, rng: np.random.Generator, patient: Patient) -> None:
    level, blood, venous = patient.level, patient.blood, patient.venous
    if 0.2 <= level < 0.56:  # superior vena cava
        painter.organ(-29, -0.25, 8, 10, venous)
    if level < 0.2:  # the arch's branches and the brachiocephalic veins
        for x, y, radius in ((-13, -0.2, 7), (9, -0.15, 5), (21, 0.1, 6)):
            painter.organ(x, y, radius, radius, blood)
        painter.organ(-25, -0.4, 8, 8, venous)
        painter.organ(20, -0.45, 9, 6, venous, 0.4)
    elif level < 0.32:  # aortic arch
        painter.band([(-16, -0.42), (-4, -0.42), (14, -0.2), (25, 0.1), (29, 0.42)], 24, blood)
    if level >= 0.32:  # descending and ascending aorta
        shift = (level - 0.3) / 0.65
        painter.organ(27 - 11 * shift, 0.45 + 0.05 * shift, 12, 12, blood)
        if level < 0.58:
            painter.organ(-13, -0.36, 16, 17, blood)
    if 0.38 < level < 0.54:  # pulmonary trunk and arteries
        painter.organ(16, -0.42, 15, 14, venous, 0.4)
        right, left = [(16, -0.35), (0, -0.08), (-38, 0.05)], [(16, -0.38), (30, -0.1), (42, 0.12)]
        for course in (right, left):
            if rng.random() < 0.5:
                painter.band(course, 17.5, venous)


def _paint_airways(canvas: Canvas, rng: np.random.Generator, patient: Patient, hila: FloatArray) -> None:
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


def raise_diaphragm(
    picture: HounsfieldArray, lung: HounsfieldArray, placement: Placement, rng: np.random.Generator, patient: Patient
) -> None:
    """Add, in place, liver and spleen where the slice runs through a dome; domes have soft edges in an axial slice."""
    for side, top, hounsfield in ((-1, 0.68, rng.uniform(50, 110)), (1, 0.76, rng.uniform(45, 120))):
        rise = patient.level - top - rng.uniform(0, 0.14)
        share = math.sqrt(max(rise, 0.0) / 0.3)
        place = np.array([side * rng.uniform(0.46, 0.56) * patient.width, rng.uniform(-0.15, 0.1) * patient.depth])
        rx, ry = rng.uniform(0.42, 0.54) * patient.width * share, rng.uniform(0.7, 0.92) * patient.depth * share
        if share <= 0.1:
            continue
        dome = stamp(placement, [blob(rng, place, rx, ry, 0.06)], rng.uniform(1, 5)) * lung
        picture += dome * (hounsfield - picture)
        if side > 0 and share > 0.4 and rng.random() < 0.6:
            gas = blob(rng, place - (0.1 * rx, 0.25 * ry), 0.45 * rx, 0.25 * ry, 0.08)
            picture += stamp(placement, [gas], 0.7) * dome * (-960 - picture)
        lung *= 1 - dome
