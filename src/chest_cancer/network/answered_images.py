"""What a classifier says of a table of images, as it is served: the one way in which figures are measured."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pandas as pd

from chest_cancer.jobs.long_work import follow
from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.mapping import LOCAL, Loaded, in_groups, map_images
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters.engine import EngineParameters

_READ_AHEAD = 64
Facts = TypeVar("Facts")


def answer_images(
    files: pd.DataFrame,
    load: Callable[[str, str], Loaded[Facts]],
    classifier: Classifier,
    what: str,
    engine: EngineParameters = LOCAL,
) -> tuple[pd.DataFrame, list[Prediction], list[Facts]]:
    """Send images through the artefact that is served.

    Args:
        files: A row per image, with `path` and `pixel_sha256`.
        load: Takes both, and gives the classifier's input, and what else is wanted of the image. Called in threads.
        classifier: The trained classifier.
        what: What the images are, for the progress bar.
        engine: Where this happens.

    Returns:
        A row per image, with the index of `files`: `predicted` (the class that the rule chooses), `distance` from the
        training images, `reason` why that is no answer (None where it is), `warning` why it has no probability (None
        where it has) and `probability_<class>`; and, in the same order, the predictions, and what `load` gave.
    """

    def loaded(file: tuple[str, str]) -> list[Loaded[Facts]]:
        return [load(*file)]

    each = list(zip(files["path"], files["pixel_sha256"], strict=True))
    mapped = map_images(
        in_groups(each, classifier.batch),
        loaded,
        classifier.stream_batches,
        ThreadPoolExecutor,
        batch=classifier.batch,
        read_ahead=_READ_AHEAD,
        engine=engine,
    )
    shown = follow(mapped, f"Predicting {what}", len(each))
    answered = [(answer, facts) for _, images in shown for facts, answer in images if answer is not None]
    predictions = [answer for answer, _ in answered]
    rows = [
        (answer.leaning, answer.distance, answer.reason, answer.warning, *answer.probabilities.values())
        for answer in predictions
    ]
    columns = ["predicted", "distance", "reason", "warning", *probability_columns(classifier.classes)]
    return pd.DataFrame(rows, columns=columns, index=files.index), predictions, [facts for _, facts in answered]
