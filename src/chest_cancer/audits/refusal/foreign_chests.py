"""Chest CT unlike the training images, without another source: drawn, and own slices that are shown in another way."""

import numpy as np
import pandas as pd

from chest_cancer.audits.refusal.foreign_images import ForeignImage, Pixels
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.phantoms.scanner import ScannerName
from chest_cancer.imaging.pixels import grey_to_rgb
from chest_cancer.network.classifier import Classifier
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.sampling import draw_images

DRAWN, IN_ANOTHER_WINDOW, PADDED = CHESTS = (
    "drawn chest CT",
    "own slice, in another window",
    "own slice, padded",
)
FOREIGN_CHESTS = (DRAWN, IN_ANOTHER_WINDOW)
"""What no classifier can claim to know; padded slices are own ones, in another frame."""

_CLASSES = ("normal", "adenocarcinoma")
_DARKEST, _BRIGHTEST = 202, 270
"""Grey levels of a lung window, -1350 to 150, at which a mediastinal one, -160 to 240, is black and white."""
_MARGIN = 0.15


def foreign_chests(
    classifier: Classifier, images: ImageFolder, test_predictions: pd.DataFrame, seed: int, most: int
) -> list[ForeignImage]:
    """Collect chest CT unlike the training images.

    Args:
        classifier: The trained classifier; drawn slices are of another scanner where it was trained on drawn ones.
        images: The source's files.
        test_predictions: A row per distinct test image, with `path`, `label` and `group`.
        seed: Random seed for what is drawn.
        most: Largest number of images of each kind.

    Returns:
        Images of each of `CHESTS`; patients and groups are their sources.
    """
    scanner: ScannerName = "b" if classifier.manifest.data.synthetic else "a"
    shown = [
        ForeignImage(DRAWN, f"patient {phantom.patient}", grey_to_rgb(phantom.image))
        for phantom in generate_phantoms(_CLASSES, most, seed, scanner=scanner)
    ]
    own = draw_images(test_predictions, most, seed)
    window = classifier.standardisation.window
    for path, group in zip(own["path"], own["group"], strict=True):
        pixels = images.pixels(path, window=window)
        changes = ((IN_ANOTHER_WINDOW, in_another_window(pixels)), (PADDED, padded(pixels)))
        shown += [ForeignImage(kind, f"group {group}", changed) for kind, changed in changes]
    return shown


def in_another_window(pixels: Pixels) -> Pixels:
    """Show an image, taken for one through a lung window, through a mediastinal one."""
    return np.interp(pixels, (_DARKEST, _BRIGHTEST), (0, 255)).astype(np.uint8)


def padded(pixels: Pixels) -> Pixels:
    """Put an image into a black square that is 1.3 times as large."""
    height, width = pixels.shape[:2]
    side = round((1 + 2 * _MARGIN) * max(height, width))
    square = np.zeros((side, side, 3), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square
