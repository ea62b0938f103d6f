"""Tables of predictions: what their columns are called, and which class counts as disease."""

from collections.abc import Iterable


def probability_columns(classes: Iterable[str]) -> list[str]:
    """Names of the columns with the classes' probabilities."""
    return [f"probability_{name}" for name in classes]


def disease_class(classes: list[str], normal_class: str | None) -> str:
    """Of two classes the one that counts as disease: not the normal one, or the second."""
    return classes[1] if normal_class in (None, classes[0]) else classes[0]
