"""Anatomy of the chest phantoms: one axial slice, from the table to the bronchi, in Hounsfield units."""

from dataclasses import dataclass

import numpy as np

from chest_cancer.imaging.phantoms.canvas import Canvas, FloatArray, HounsfieldArray, Placement, blob, ellipse, strip
from chest_cancer.imaging.phantoms.draws import Draws, Stream
from chest_cancer.imaging.phantoms.organs import paint_lungs, paint_mediastinum, raise_diaphragm
from chest_cancer.imaging.phantoms.patient import DEPTHS, Patient, draw_patient, draw_placement, draw_position

_AIR, _MUSCLE = -1000.0, 50.0


@dataclass(frozen=True)
class Anatomy:
    """One slice without findings.

    Attributes:
        hounsfield: The slice `[H, W]`, HU.
        lung: Lung's share of every pixel `[H, W]`, 0 to 1.
        placement: Where the patient lies in the picture.
        hila: Hilum of the patient's right and left lung (mm), `[2, 2]`.
        cage: Outline of the thoracic cage (mm), `[N, 2]`.
        offset: How far the slice lies from the middle of what the patient's slices show, -1 to 1.
    """

    hounsfield: HounsfieldArray
    lung: HounsfieldArray
    placement: Placement
    hila: FloatArray
    cage: FloatArray
    offset: float


def _paint_table(canvas: Canvas, rng: np.random.Generator, patient: Patient) -> None:
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


def _paint_glands(canvas: Canvas, rng: np.random.Generator, patient: Patient) -> None:
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


def _paint_wall(canvas: Canvas, draws: Draws, patient: Patient) -> None:
    """Paint skin, fat, muscles with their fat planes, breast tissue, scapulae and ribs."""
    rng = draws.of_patient(Stream.WALL)
    canvas.fill(patient.body, 10)
    middle = patient.body.mean(axis=0)
    reach = np.hypot(*(patient.body - middle).T)[:, None]
    canvas.fill(middle + (patient.body - middle) * (1 - 2.0 / reach), rng.uniform(-115, -85))
    _paint_glands(canvas, draws.of_slice(Stream.WALL), patient)
    canvas.fill(patient.muscle, rng.uniform(40, 62))
    for _ in range(int(rng.integers(5, 11))):
        start = rng.uniform(0, 18)
        t = np.linspace(start, start + rng.uniform(1.0, 4.5), 24)
        share = np.clip(rng.uniform(0.3, 0.85) + np.linspace(-0.3, 0.3, 24) * rng.uniform(-1, 1), 0.2, 0.97)
        canvas.fill(strip(patient.wall(t, share), rng.uniform(1, 4.5)), rng.uniform(-105, -50))
    if patient.level < 0.62:
        _paint_scapulae(canvas, draws.of_patient(Stream.SCAPULAE), patient)
    _paint_ribs(canvas, draws.of_slice(Stream.RIBS), patient)
    _paint_sternum(canvas, draws.of_patient(Stream.STERNUM), patient)


def _paint_scapulae(canvas: Canvas, rng: np.random.Generator, patient: Patient) -> None:
    level = patient.level
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


def _paint_ribs(canvas: Canvas, rng: np.random.Generator, patient: Patient) -> None:
    """Paint the ribs where they cross the slice, longer at the back where they run along it."""
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


def _paint_sternum(canvas: Canvas, rng: np.random.Generator, patient: Patient) -> None:
    front = patient.cage[0] - (0, 7.0)
    wide, flat = rng.uniform(15, 24) - 5 * patient.level, rng.uniform(4.5, 6.5)
    canvas.bone(ellipse(*front, wide, flat, rng.normal(0, 0.08)), patient.cortex, patient.marrow, 1.8)
    for t in (0.55, 17.45):
        if rng.random() < 0.6:
            path = patient.wall(np.linspace(t, t + (0.7 if t < 9 else -0.7), 8), 0, 6.5)
            canvas.fill(strip(path, rng.uniform(6, 9)), rng.uniform(80, 180))
    if patient.level < 0.2:
        for side in (-1, 1):
            head = ellipse(
                front[0] + side * rng.uniform(20, 30), front[1] + 2, rng.uniform(9, 15), 8, side * rng.uniform(0.2, 0.7)
            )
            canvas.bone(head, patient.cortex, patient.marrow, 2)


def _paint_spine(canvas: Canvas, draws: Draws, patient: Patient) -> None:
    """Paint a vertebra, or the disc beside it, with canal and processes; its size is the patient's own."""
    own, rng = draws.of_patient(Stream.SPINE), draws.of_slice(Stream.SPINE)
    cortex, marrow, back = patient.cortex, patient.marrow, 0.9 * patient.depth
    size = own.uniform(0.88, 1.15) * (0.85 + 0.2 * patient.level)
    x, y = own.normal(0, 2), back - 30 * size
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


def draw_anatomy(draws: Draws) -> Anatomy:
    """Draw one patient and paint the slice; nothing here knows the label.

    Args:
        draws: The slice's random streams.

    Returns:
        The slice in Hounsfield units with its lung mask and landmarks.
    """
    position = draw_position(draws)
    patient, middle = (
        draw_patient(draws.of_patient(Stream.BUILD), level) for level in (position.level, position.middle)
    )
    placement = draw_placement(draws.of_patient(Stream.FRAME), middle)
    return paint_anatomy(draws, patient, placement, position.offset)


def paint_anatomy(draws: Draws, patient: Patient, placement: Placement, offset: float = 0.0) -> Anatomy:
    """Paint a slice through a patient.

    Args:
        draws: The slice's random streams.
        patient: The patient, at the slice's level.
        placement: Where the patient lies in the picture.
        offset: See `Anatomy`.
    """
    height = 0.1 * patient.depth
    hila = np.array(
        [
            (np.interp(height, DEPTHS * patient.depth, edge), height)
            for edge in (patient.medial_right, patient.medial_left)
        ]
    )
    hila = hila + draws.of_patient(Stream.HILA).normal(0, 3, (2, 2))
    canvas = Canvas(placement, _AIR)
    _paint_table(canvas, draws.of_patient(Stream.COUCH), patient)
    _paint_wall(canvas, draws, patient)
    lungs = Canvas(placement, draws.of_patient(Stream.LUNGS).uniform(-900, -730))
    paint_lungs(lungs, draws.of_slice(Stream.VESSELS), patient, hila)
    canvas.insert(lungs, patient.cage)
    paint_mediastinum(canvas, draws, patient, hila)
    _paint_spine(canvas, draws, patient)
    hounsfield, lung = canvas.develop()
    raise_diaphragm(hounsfield, lung, placement, draws.of_patient(Stream.DIAPHRAGM), patient)
    return Anatomy(hounsfield, lung, placement, hila, patient.cage, offset)
