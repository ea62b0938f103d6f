"""What a model says of images, and how they look to it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.answered_images import answer_images
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.mapping import Loaded
from chest_cancer.network.placement import place_classifier
from chest_cancer.parameters.engine import EngineParameters
from chest_cancer.storage.arrays import Arrays

_LEVELS = 256
Pixels = NDArray[np.uint8]


def look_at(
    files: pd.DataFrame,
    load: Callable[[str, str], Pixels],
    classifier: Classifier,
    what: str,
    engine: EngineParameters,
) -> tuple[pd.DataFrame, Arrays]:
    """Send images through the artefact that is served.

    Args:
        files: A row per distinct image, with `path` and `pixel_sha256`.
        load: Takes both, and gives the pixels, uint8 [H, W, 3]. Called in threads.
        classifier: The trained classifier.
        what: What the images are, for the progress bar.
        engine: Where this happens.

    Returns:
        `files` with what `answer_images` says of each; and, in the same order, `embedding`, float32 [n, 1024], by the
        classifier itself, so that sites differ by nothing but their images; and `grey`, the share of each of 256 levels
        among the pixels that the network gets, float32 [n, 256].
    """
    standardisation = classifier.standardisation

    def loaded(path: str, key: str) -> Loaded[NDArray[np.float32]]:
        pixels = standardise(load(path, key), standardisation).pixels
        counts = np.bincount(pixels.mean(axis=2).astype(np.uint8).ravel(), minlength=_LEVELS)
        return Loaded((counts / counts.sum()).astype(np.float32), pixels)

    placed = place_classifier(classifier, engine)
    said, predictions, grey = answer_images(
        files, loaded, placed, f"{what} ({placed.device}, {placed.precision})", engine
    )
    embeddings = np.stack([prediction.embedding for prediction in predictions])
    return files.join(said).reset_index(drop=True), {"embedding": embeddings, "grey": np.stack(grey)}
