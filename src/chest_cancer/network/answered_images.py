"""What a classifier says of a table of images, as it is served: the one way in which figures are measured."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.mapping import Loaded, map_images
from chest_cancer.network.predictions import probability_columns
from chest_cancer.network.processes import processors

_READ_AHEAD = 64


def answer_images(
    files: pd.DataFrame, load: Callable[[str, str], NDArray[np.uint8]], classifier: Classifier, what: str
) -> tuple[pd.DataFrame, list[Prediction]]:
    """Send images through the artefact that is served.

    Args:
        files: A row per image, with `path` and `pixel_sha256`.
        load: Takes both, and gives the classifier's input, uint8 [224, 224, 3]. Called in threads.
        classifier: The trained classifier.
        what: What the images are, for the progress bar.

    Returns:
        A row per image, with the index of `files`: `predicted` (the class that the rule chooses), `distance` from the
        training images, `reason` why that is no answer (None where it is), `warning` why it has no probability (None
        where it has) and `probability_<class>`; and the predictions, in the same order.
    """

    def loaded(file: tuple[str, str]) -> list[Loaded[None]]:
        return [Loaded(None, load(*file))]

    each = list(zip(files["path"], files["pixel_sha256"], strict=True))
    with ThreadPoolExecutor(processors()) as pool:
        mapped = map_images(
            [each], loaded, classifier.stream_batches, pool, batch=classifier.batch, read_ahead=_READ_AHEAD
        )
        shown = tqdm(mapped, desc=f"Predicting {what}", total=len(each), unit="image", mininterval=0.5)
        predictions = [answer for _, images in shown for _, answer in images if answer is not None]
    rows = [
        (answer.leaning, answer.distance, answer.reason, answer.warning, *answer.probabilities.values())
        for answer in predictions
    ]
    columns = ["predicted", "distance", "reason", "warning", *probability_columns(classifier.classes)]
    return pd.DataFrame(rows, columns=columns, index=files.index), predictions
