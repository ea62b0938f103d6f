"""Where a trained classifier computes long work: on a GPU, if that says what was measured."""

import logging
from copy import copy

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.devices import choose_backend
from chest_cancer.parameters.engine import EngineParameters

logger = logging.getLogger(__name__)


def place_classifier(classifier: Classifier, engine: EngineParameters) -> Classifier:
    """Give a classifier to what computes long work: to the GPU, if one answers and it is served in fp32.

    One that is served in bf16 or int8 stays on the processor: its figures were measured in these.

    Args:
        classifier: As it is served.
        engine: Where images are computed.

    Returns:
        The classifier; on the GPU it is another one, which has passed its self-test.

    Raises:
        ValueError: On the GPU it says something else than it did when it was trained.
    """
    backend = choose_backend("fp32", engine)
    if backend.device == "cpu":
        return classifier
    if classifier.precision != "fp32":
        words = "The classifier stays on the processor: it is served in %s, and the GPU computes only in fp32."
        logger.info(words, classifier.precision)
        return classifier
    placed = copy(classifier)  # without what is compiled
    placed.device = backend.device
    placed.self_test()
    return placed
