"""A small classifier, where not the network is tested but what is around it."""

from benchmarks.tiny import tiny_graph
from chest_cancer.network.classifier import Classifier
from manifests import manifest_of

CLASSES = ["adenocarcinoma", "normal"]


def tiny_classifier(seed: int = 0, **manifest: object) -> Classifier:
    """A classifier of two classes with random weights; `manifest` changes what it says of itself."""
    return Classifier(tiny_graph(len(CLASSES), seed), manifest_of(classes=CLASSES, **manifest))
