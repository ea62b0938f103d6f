"""What lies in the lungs of the chest phantoms: benign findings that any slice may have, and the three tumours."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.phantom_anatomy import Anatomy
from chest_cancer.imaging.phantom_canvas import FloatArray, HounsfieldArray, blob, ellipse, smooth_field, stamp, strip

# A tumour's faintest coverage of a pixel: less is dropped, so that the mask has an end.
_FAINTEST = 0.04


def _lung_positions(anatomy: Anatomy) -> tuple[FloatArray, FloatArray]:
    """Return a coarse grid of positions in the lungs (mm, `[N, 2]`) and each one's distance to the lung's edge (mm, capped at 24)."""
    frame, step = anatomy.frame, 3
    inside = anatomy.lung[::step, ::step] > 0.6
    reach = np.zeros(inside.shape)
    ring = inside
    for _ in range(max(1, round(24 * frame.scale / step))):
        reach += ring
        padded = np.pad(ring, 1)
        ring = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rows, columns = np.nonzero(inside)
    pixels = np.stack([columns, rows], axis=1) * float(step)
    return frame.to_millimetres(pixels), reach[inside] * step / frame.scale


def _blob(rng: np.random.Generator, place: FloatArray, radius: float, lobes: float) -> FloatArray:
    return blob(rng, place, radius, radius * rng.uniform(0.75, 1.0), lobes, rng.uniform(0, np.pi))


def _spicules(rng: np.random.Generator, place: FloatArray, radius: float, count: int) -> list[FloatArray]:
    """Return thin wedges that radiate from a nodule."""
    wedges = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.25, count):
        reach, base = radius * (1.1 + rng.gamma(1.6, 0.3)), rng.uniform(0.4, 1.0) + 0.06 * radius
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * base
        bend = across * rng.normal(0, 1.5)
        wedges.append(
            place + np.array([0.7 * radius * along + across, reach * along + bend, 0.7 * radius * along - across])
        )
    return wedges


def add_benign_findings(anatomy: Anatomy, rng: np.random.Generator) -> HounsfieldArray:
    """Return the slice `[H, W]` (HU) with scars, granulomas, dependent density and the like.

    Args:
        anatomy: The slice.
        rng: The anatomy's own random stream, so that every class gets the same findings.

    Returns:
        A new float32 picture.
    """
    picture, frame, lung = anatomy.hounsfield.copy(), anatomy.frame, anatomy.lung
    positions, reach = _lung_positions(anatomy)

    def blend(coverage: HounsfieldArray, hounsfield: float | HounsfieldArray) -> None:
        share = coverage * lung
        np.copyto(picture, picture + share * (hounsfield - picture))

    def somewhere() -> FloatArray:
        return np.asarray(positions[rng.integers(len(positions))])

    # Parenchyma: mottled, denser towards the back, patchy where ventilation differs.
    rows, columns = np.ogrid[: frame.height, : frame.width]
    behind = (rows - frame.centre[1]) / (frame.pixels_per_mm[1] * 100) + 0 * columns
    texture = rng.uniform(8, 26) * smooth_field(rng, frame, rng.uniform(2, 4)) + rng.uniform(5, 30) * smooth_field(
        rng, frame, 35
    )
    aerated = lung * (picture < -700)
    picture += aerated * (texture + rng.uniform(10, 60) * behind).astype(np.float32)
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(3, 14))):
            blend(stamp(frame, [_blob(rng, somewhere(), rng.uniform(3, 11), 0.15)], 0.8) * rng.uniform(0.4, 0.9), -970)
    for _ in range(rng.poisson(0.8)):
        blend(
            stamp(frame, [_blob(rng, somewhere(), rng.uniform(8, 26), 0.2)], rng.uniform(3, 6))
            * rng.uniform(0.08, 0.3),
            -100,
        )
    if rng.random() < 0.5:
        depth = rng.uniform(0.75, 0.95)
        side = rng.choice((-1, 1))
        crescent = ellipse(
            side * 0.5 * np.ptp(anatomy.cage[:, 0]) / 2,
            anatomy.cage[:, 1].max(),
            rng.uniform(20, 50),
            (1 - depth) * 120,
        )
        blend(stamp(frame, [crescent], rng.uniform(3, 8)) * rng.uniform(0.2, 0.9), 0)
    for _ in range(rng.poisson(0.9)):
        start, turn = somewhere(), rng.uniform(0, np.pi)
        t = np.linspace(-0.5, 0.5, 14)[:, None]
        path = (
            start
            + t * rng.uniform(12, 50) * np.array([np.cos(turn), np.sin(turn)])
            + 4 * rng.normal(0, 1, 2) * t**2 * 4
        )
        blend(stamp(frame, [strip(path, rng.uniform(1.0, 3.6))], 0.5) * rng.uniform(0.4, 1), -50)
    for _ in range(rng.poisson(0.7)):
        blend(stamp(frame, [_blob(rng, somewhere(), rng.uniform(1.2, 2.8), 0.1)], 0.3), rng.uniform(100, 500))
    for _ in range(rng.poisson(0.8)):
        blend(stamp(frame, [_blob(rng, somewhere(), rng.uniform(2.2, 5.5), 0.06)], 0.5), rng.uniform(-60, 60))
    if rng.random() < 0.3:
        edge = positions[reach <= np.quantile(reach, 0.2)]
        place = edge[rng.integers(len(edge))]
        blend(stamp(frame, [_blob(rng, place, rng.uniform(5, 13), 0.12)], rng.uniform(0.8, 2)), rng.uniform(0, 50))
    return np.asarray(picture, dtype=np.float32)


def _adenocarcinoma(
    anatomy: Anatomy, rng: np.random.Generator, positions: FloatArray, reach: FloatArray
) -> HounsfieldArray:
    """Peripheral, spiculated, often with a ground-glass rim and a tail to the pleura."""
    radius = rng.uniform(6.5, 15)
    away = np.min(np.hypot(*(positions[None] - anatomy.hila[:, None]).transpose(2, 0, 1)), axis=0)
    room = (reach > min(0.7 * radius, np.quantile(reach, 0.6))) & (reach < 22)
    likely = np.where(room, away, 0) ** 2
    place = positions[rng.choice(len(positions), p=likely / likely.sum())]
    core = _blob(rng, place, 0.85 * radius, 0.1)
    shapes = [core, *_spicules(rng, place, radius, int(rng.integers(7, 15)))]
    if rng.random() < 0.6:
        pleura = anatomy.cage[np.argmin(np.hypot(*(anatomy.cage - place).T))]
        shapes.append(strip(np.linspace(place, pleura, 8), rng.uniform(1.2, 2.4), taper=False))
    solid = stamp(anatomy.frame, shapes, 0.7)
    rim = stamp(anatomy.frame, [_blob(rng, place, 1.25 * radius, 0.12)], 0.18 * radius) * rng.uniform(0.05, 0.45)
    return np.maximum(solid, rim)


def _squamous_cell(
    anatomy: Anatomy, rng: np.random.Generator, positions: FloatArray, reach: FloatArray
) -> HounsfieldArray:
    """Central mass on the hilum, at times with a cavity and collapsed lung behind it."""
    radius = rng.uniform(12, 24)
    hilum = anatomy.hila[rng.integers(2)]
    nearest = positions[np.argsort(np.hypot(*(positions - hilum).T))[:40]]
    outward = np.array([np.sign(hilum[0]), rng.normal(0, 0.5)])
    place = nearest[rng.integers(len(nearest))] + outward * radius * rng.uniform(0.1, 0.55)
    holes = [_blob(rng, place, radius * rng.uniform(0.3, 0.55), 0.12)] if rng.random() < 0.3 else []
    mass = stamp(anatomy.frame, [_blob(rng, place, radius, 0.1)], 1.0, holes)
    if rng.random() < 0.45:
        turn = rng.normal(0, 0.8)
        tip = place + outward[0] * radius * rng.uniform(1.8, 2.8) * np.array([np.cos(turn), np.sin(turn)])
        wedge = np.array(
            [place + (0, -0.6 * radius), tip + (0, -radius * 0.7), tip + (0, radius * 0.7), place + (0, 0.6 * radius)]
        )
        mass = np.maximum(mass, stamp(anatomy.frame, [wedge], 3.0) * rng.uniform(0.35, 0.75))
    return mass


def _large_cell(
    anatomy: Anatomy, rng: np.random.Generator, positions: FloatArray, reach: FloatArray
) -> HounsfieldArray:
    """Large, peripheral, lobulated and sharply bordered."""
    radius = rng.uniform(17, 32)
    away = np.min(np.hypot(*(positions[None] - anatomy.hila[:, None]).transpose(2, 0, 1)), axis=0)
    likely = np.where(reach > min(0.5 * radius, np.quantile(reach, 0.7)), away, 0) ** 2
    place = positions[rng.choice(len(positions), p=likely / likely.sum())]
    lumps = [_blob(rng, place, 0.85 * radius, 0.1)]
    for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))):
        centre = place + 0.6 * radius * np.array([np.cos(angle), np.sin(angle)])
        lumps.append(_blob(rng, centre, radius * rng.uniform(0.35, 0.55), 0.06))
    return stamp(anatomy.frame, lumps, 0.8)


_TUMOURS = {"adenocarcinoma": _adenocarcinoma, "squamous_cell": _squamous_cell, "large_cell": _large_cell}


def add_tumour(
    picture: HounsfieldArray, anatomy: Anatomy, label: str, rng: np.random.Generator
) -> tuple[HounsfieldArray, NDArray[np.bool_]]:
    """Put the tumour that `label` names into a slice.

    Args:
        picture: The slice `[H, W]`, HU.
        anatomy: Its lung mask and landmarks.
        label: One of the phantom classes; "normal" changes nothing.
        rng: The tumour's own random stream.

    Returns:
        The new picture, and the mask `[H, W]` outside of which it equals the old one.
    """
    if label == "normal":
        return picture, np.zeros(picture.shape, dtype=np.bool_)
    positions, reach = _lung_positions(anatomy)
    coverage = _TUMOURS[label](anatomy, rng, positions, reach) * anatomy.lung
    coverage = np.where(coverage > _FAINTEST, coverage, 0)
    # The scanner's blur reaches one pixel further than the tumour.
    wide = np.pad(coverage > 0, 1)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    mask = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    inside = rng.uniform(0, 60) + rng.uniform(6, 22) * smooth_field(rng, anatomy.frame, rng.uniform(3, 8))
    return np.asarray(picture + coverage * np.maximum(inside - picture, 0), dtype=np.float32), mask
