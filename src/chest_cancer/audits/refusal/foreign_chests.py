"""Chest CT unlike the training images, without another source: drawn, and own slices that are shown in another way."""

import numpy as np
import pandas as pd

from chest_cancer.audits.refusal.foreign_images import ForeignImage, Pixels
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.phantoms.scanner import ScannerName
from chest_cancer.imaging.pixels import DecodedImage, grey_to_rgb
from chest_cancer.imaging.windows import see
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.values import Window
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
_OTHER_WINDOWS: tuple[Window, ...] = ("mediastinum", "lung")
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
    for path, group in zip(own["path"], own["group"], strict=True):
        image = images.decoded(path)
        pixels = see(image, classifier.standardisation.window)
        changes = ((IN_ANOTHER_WINDOW, in_another_window(image, pixels)), (PADDED, padded(pixels)))
        shown += [ForeignImage(kind, f"group {group}", changed) for kind, changed in changes]
    return shown


def in_another_window(image: DecodedImage, seen: Pixels) -> Pixels:
    """Show a slice as the classifier never sees it.

    Args:
        image: As it was decoded.
        seen: What the classifier sees of it.

    Returns:
        Hounsfield units through the window of the mediastinum or that of the lung: whichever differs more from what is
        seen. A picture, taken for one through a lung window, through a mediastinal one.
    """
    if image.hounsfield is None:
        return np.interp(seen, (_DARKEST, _BRIGHTEST), (0, 255)).astype(np.uint8)
    others = [see(image, window) for window in _OTHER_WINDOWS]
    return max(others, key=lambda other: float(np.abs(np.subtract(other, seen, dtype=np.int16)).mean()))


def padded(pixels: Pixels) -> Pixels:
    """Put an image into a black square that is 1.3 times as large."""
    height, width = pixels.shape[:2]
    side = round((1 + 2 * _MARGIN) * max(height, width))
    square = np.zeros((side, side, 3), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square
