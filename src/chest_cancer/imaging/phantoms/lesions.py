"""What lies in the lungs of the chest phantoms and says nothing: benign findings that any slice may have."""

import numpy as np
from scipy.ndimage import distance_transform_cdt

from chest_cancer.imaging.phantoms.anatomy import Anatomy
from chest_cancer.imaging.phantoms.canvas import FloatArray, HounsfieldArray, blob, ellipse, smooth_field, stamp, strip
from chest_cancer.imaging.phantoms.draws import Draws, Stream


def lung_positions(anatomy: Anatomy) -> tuple[FloatArray, FloatArray]:
    """Return a coarse grid of lung positions (mm, `[N, 2]`) and their distance to the lung's edge (mm, up to 24)."""
    placement, step = anatomy.placement, 3
    inside = anatomy.lung[::step, ::step] > 0.6
    steps = distance_transform_cdt(np.pad(inside, 1), "taxicab")[1:-1, 1:-1]
    reach = np.minimum(steps, max(1, round(24 * placement.scale / step)))
    rows, columns = np.nonzero(inside)
    pixels = np.stack([columns, rows], axis=1).astype(np.float64) * step
    return placement.to_millimetres(pixels), reach[inside] * step / placement.scale


def round_blob(rng: np.random.Generator, place: FloatArray, radius: float, lobes: float) -> FloatArray:
    """Return an outline (mm, `[60, 2]`) whose radius wavers by the share `lobes`, a little flattened."""
    return blob(rng, place, radius, radius * rng.uniform(0.75, 1.0), lobes, rng.uniform(0, np.pi))


def ventilate(anatomy: Anatomy, draws: Draws) -> HounsfieldArray:
    """Return the slice `[H, W]` (HU) with mottled lungs that are denser towards the back and, at times, hazy."""
    rng = draws.of_patient(Stream.HAZE)
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
    rng = draws.of_slice(Stream.HAZE)
    mottle = np.float32(rng.uniform(8, 26)) * smooth_field(rng, placement, rng.uniform(2, 4))
    return np.asarray(anatomy.hounsfield * (1 - share) + aerated * mottle, dtype=np.float32)


def add_benign_findings(anatomy: Anatomy, draws: Draws) -> HounsfieldArray:
    """Return the slice `[H, W]` (HU) with haze, scars, granulomas, small nodules and the like.

    Args:
        anatomy: The slice.
        draws: The slice's random streams; they do not know the label, so that every class gets the same findings.

    Returns:
        A new float32 picture.
    """
    placement, lung = anatomy.placement, anatomy.lung
    picture = ventilate(anatomy, draws)
    rng = draws.of_slice(Stream.FINDINGS)
    positions, reach = lung_positions(anatomy)

    def add(outline: FloatArray, blur_mm: float, share: float, hounsfield: float) -> None:
        coverage = stamp(placement, [outline], blur_mm) * lung * np.float32(share)
        picture[:] += coverage * (np.float32(hounsfield) - picture)

    def somewhere() -> FloatArray:
        return np.asarray(positions[rng.integers(len(positions))])

    if rng.random() < 0.12:
        for _ in range(int(rng.integers(3, 12))):  # bullae
            add(round_blob(rng, somewhere(), rng.uniform(3, 11), 0.15), 0.8, rng.uniform(0.4, 0.9), -970)
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
        add(round_blob(rng, somewhere(), rng.uniform(1.2, 2.8), 0.1), 0.3, 1, rng.uniform(100, 500))
    for _ in range(rng.poisson(0.4)):  # small smooth nodules
        add(round_blob(rng, somewhere(), rng.uniform(2.2, 5.5), 0.06), 0.5, 1, rng.uniform(-60, 60))
    if rng.random() < 0.3:  # pleural thickening
        edge = positions[reach <= np.quantile(reach, 0.2)]
        place = np.asarray(edge[rng.integers(len(edge))])
        add(round_blob(rng, place, rng.uniform(5, 13), 0.12), rng.uniform(0.8, 2), 1, rng.uniform(0, 50))
    return picture
