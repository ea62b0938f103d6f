"""What lies in the lungs of the chest phantoms: benign findings that any slice may have, and the three tumours."""

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.phantoms.anatomy import Anatomy
from chest_cancer.imaging.phantoms.canvas import FloatArray, HounsfieldArray, blob, ellipse, smooth_field, stamp, strip

# A tumour's faintest coverage of a pixel: less is dropped, so that the mask has an end.
_FAINTEST = 0.04


def _lung_positions(anatomy: Anatomy) -> tuple[FloatArray, FloatArray]:
    """Return a coarse grid of lung positions (mm, `[N, 2]`) and their distance to the lung's edge (mm, up to 24)."""
    placement, step = anatomy.placement, 3
    inside = anatomy.lung[::step, ::step] > 0.6
    reach = np.zeros(inside.shape)
    ring = inside
    for _ in range(max(1, round(24 * placement.scale / step))):
        reach += ring
        padded = np.pad(ring, 1)
        ring = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rows, columns = np.nonzero(inside)
    pixels = np.stack([columns, rows], axis=1).astype(np.float64) * step
    return placement.to_millimetres(pixels), reach[inside] * step / placement.scale


def _blob(rng: np.random.Generator, place: FloatArray, radius: float, lobes: float) -> FloatArray:
    return blob(rng, place, radius, radius * rng.uniform(0.75, 1.0), lobes, rng.uniform(0, np.pi))


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


def _ventilate(anatomy: Anatomy, rng: np.random.Generator) -> HounsfieldArray:
    """Return the slice `[H, W]` (HU) with mottled lungs that are denser towards the back and, at times, hazy."""
    placement, lung = anatomy.placement, anatomy.lung
    behind = (np.arange(placement.height, dtype=np.float32)[:, None] - placement.centre[1]) / (
        placement.pixels_per_mm[1] * 90
    )
    haze = rng.uniform(0, 0.85) * np.clip(behind + rng.uniform(-0.1, 0.4), 0, 1.1) ** 2
    if rng.random() < 0.7:
        cloud = smooth_field(rng, placement, rng.uniform(25, 60))
        haze = haze + rng.uniform(0.05, 0.7) * np.clip(0.7 * cloud - rng.uniform(-0.2, 1), 0, 1)
    share = (lung * np.clip(haze, 0, 0.8)).astype(np.float32)
    aerated = lung * (anatomy.hounsfield < -600)
    mottle = np.float32(rng.uniform(8, 26)) * smooth_field(rng, placement, rng.uniform(2, 4))
    return np.asarray(anatomy.hounsfield * (1 - share) + aerated * mottle, dtype=np.float32)


def add_benign_findings(anatomy: Anatomy, rng: np.random.Generator) -> HounsfieldArray:
    """Return the slice `[H, W]` (HU) with haze, scars, granulomas, small nodules and the like.

    Args:
        anatomy: The slice.
        rng: The anatomy's own random stream, so that every class gets the same findings.

    Returns:
        A new float32 picture.
    """
    placement, lung = anatomy.placement, anatomy.lung
    picture = _ventilate(anatomy, rng)
    positions, reach = _lung_positions(anatomy)

    def add(outline: FloatArray, blur_mm: float, share: float, hounsfield: float) -> None:
        coverage = stamp(placement, [outline], blur_mm) * lung * np.float32(share)
        picture[:] += coverage * (np.float32(hounsfield) - picture)

    def somewhere() -> FloatArray:
        return np.asarray(positions[rng.integers(len(positions))])

    if rng.random() < 0.12:
        for _ in range(int(rng.integers(3, 12))):  # bullae
            add(_blob(rng, somewhere(), rng.uniform(3, 11), 0.15), 0.8, rng.uniform(0.4, 0.9), -970)
    if rng.random() < 0.5:  # lung collapsed under its own weight, or a little fluid
        back = (rng.choice((-0.5, 0.5)) * anatomy.cage[:, 0].max(), anatomy.cage[:, 1].max())
        add(ellipse(*back, rng.uniform(20, 55), rng.uniform(5, 30)), rng.uniform(3, 8), rng.uniform(0.2, 0.9), 0)
    for _ in range(rng.poisson(0.4)):  # scars and bands
        start, turn, t = somewhere(), rng.uniform(0, np.pi), np.linspace(-0.5, 0.5, 14)[:, None]
        path = (
            start + t * rng.uniform(12, 50) * np.array([np.cos(turn), np.sin(turn)]) + 16 * rng.normal(0, 1, 2) * t**2
        )
        add(strip(path, rng.uniform(1.0, 3.6)), 0.5, rng.uniform(0.4, 1), -50)
    for _ in range(rng.poisson(0.5)):  # calcified granulomas
        add(_blob(rng, somewhere(), rng.uniform(1.2, 2.8), 0.1), 0.3, 1, rng.uniform(100, 500))
    for _ in range(rng.poisson(0.4)):  # small smooth nodules
        add(_blob(rng, somewhere(), rng.uniform(2.2, 5.5), 0.06), 0.5, 1, rng.uniform(-60, 60))
    if rng.random() < 0.3:  # pleural thickening
        edge = positions[reach <= np.quantile(reach, 0.2)]
        place = np.asarray(edge[rng.integers(len(edge))])
        add(_blob(rng, place, rng.uniform(5, 13), 0.12), rng.uniform(0.8, 2), 1, rng.uniform(0, 50))
    return picture


def _adenocarcinoma(
    anatomy: Anatomy, rng: np.random.Generator, positions: FloatArray, reach: FloatArray
) -> HounsfieldArray:
    """Peripheral, spiculated foci, often with a ground-glass rim and a tail to the pleura."""
    away = np.min(np.hypot(*(positions[None] - anatomy.hila[:, None]).transpose(2, 0, 1)), axis=0)
    coverage = np.zeros_like(anatomy.lung)
    for focus in range(int(rng.integers(2, 5))):
        radius = rng.uniform(9, 14) if focus == 0 else rng.uniform(5.5, 10)
        room = (reach > min(0.7 * radius, np.quantile(reach, 0.6))) & (reach < 22)
        likely = np.where(room, away, 0) ** 2
        place = positions[rng.choice(len(positions), p=likely / likely.sum())]
        shapes = [_blob(rng, place, 0.85 * radius, 0.1), *_spicules(rng, place, radius, int(rng.integers(22, 34)))]
        if rng.random() < 0.5:
            pleura = anatomy.cage[np.argmin(np.hypot(*(anatomy.cage - place).T))]
            shapes.append(strip(np.linspace(place, pleura, 8), rng.uniform(1.2, 2.4), taper=False))
        coverage = np.maximum(coverage, stamp(anatomy.placement, shapes, 0.4))
        rim = stamp(anatomy.placement, [_blob(rng, place, 1.25 * radius, 0.12)], 0.18 * radius)
        coverage = np.maximum(coverage, rim * rng.uniform(0, 0.12))
    return coverage


def _squamous_cell(
    anatomy: Anatomy, rng: np.random.Generator, positions: FloatArray, _reach: FloatArray
) -> HounsfieldArray:
    """Central mass on the hilum, with a thick-walled cavity and, mostly, collapsed lung behind it."""
    radius = rng.uniform(22, 32)
    hilum = anatomy.hila[rng.integers(2)]
    outward = np.sign(hilum[0])
    nearest = positions[np.argsort(np.hypot(*(positions - hilum).T))[:40]]
    offset = np.array([outward * rng.uniform(0.4, 0.8), rng.normal(0, 0.2)])
    place = nearest[rng.integers(len(nearest))] + radius * offset
    centre = place + rng.normal(0, 0.1, 2) * radius
    holes = [_blob(rng, centre, radius * rng.uniform(0.4, 0.65), 0.12)]
    mass = stamp(anatomy.placement, [_blob(rng, place, radius, 0.08)], 0.6, holes)
    if rng.random() < 0.85:
        aim = (0 if outward > 0 else np.pi) + rng.normal(0, 0.5)
        turns = aim + rng.uniform(0.35, 0.6) * np.array([-1, 1])
        tips = place + radius * rng.uniform(1.9, 2.8) * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        bronchi = []
        for share in rng.uniform(0.1, 0.9, 4):  # air that stayed in the bronchi of the collapsed lung
            end = tips[0] + share * (tips[1] - tips[0])
            bronchi.append(strip(np.linspace(place + 0.45 * (end - place), end, 6), rng.uniform(1.5, 3)))
        wedge = stamp(anatomy.placement, [np.array([place, *tips])], 0.8, bronchi) * rng.uniform(0.6, 0.9)
        mass = np.maximum(mass, wedge * (1 - stamp(anatomy.placement, holes, 0.6)))
    return np.asarray(mass, dtype=np.float32)


def _large_cell(
    anatomy: Anatomy, rng: np.random.Generator, positions: FloatArray, reach: FloatArray
) -> HounsfieldArray:
    """Large, peripheral, lobulated and sharply bordered, with patches of necrosis."""
    radius = rng.uniform(32, 44)
    away = np.min(np.hypot(*(positions[None] - anatomy.hila[:, None]).transpose(2, 0, 1)), axis=0)
    likely = np.where(reach > min(0.5 * radius, np.quantile(reach, 0.7)), away, 0) ** 2
    place = positions[rng.choice(len(positions), p=likely / likely.sum())]
    lumps = [_blob(rng, place, 0.8 * radius, 0.06)]
    count = int(rng.integers(9, 14))
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.12, count):
        centre = place + radius * rng.uniform(0.68, 0.85) * np.array([np.cos(angle), np.sin(angle)])
        lumps.append(_blob(rng, centre, radius * rng.uniform(0.2, 0.32), 0.05))
    mass = stamp(anatomy.placement, lumps, 0.5)
    patches = np.clip(1.2 * smooth_field(rng, anatomy.placement, rng.uniform(5, 8)) - 0.2, 0, 1)
    return np.asarray(mass * (1 - rng.uniform(0.2, 0.4) * patches * (mass > 0.9)), dtype=np.float32)


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
    inside = rng.uniform(0, 60) + rng.uniform(6, 22) * smooth_field(rng, anatomy.placement, rng.uniform(3, 8))
    return np.asarray(picture + coverage * np.maximum(inside - picture, 0), dtype=np.float32), mask
