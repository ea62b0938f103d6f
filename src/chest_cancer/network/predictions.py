"""Tables of predictions: what their columns are called, and which classes count as disease or as positive."""

from collections.abc import Collection, Iterable, Sequence


def probability_columns(classes: Iterable[str]) -> list[str]:
    """Names of the columns with the classes' probabilities."""
    return [f"probability_{name}" for name in classes]


def positive_numbers(
    classes: Sequence[str], normal_class: str | None, positive_classes: Collection[str] | None
) -> tuple[int, ...] | None:
    """Numbers of the classes that sensitivity is about.

    Args:
        classes: Class names, in the order of the classifier.
        normal_class: The class without disease, or None.
        positive_classes: Those that were asked for; None stands for all but the normal one.

    Returns:
        The numbers, rising; None where neither is known.
    """
    if positive_classes is not None:
        return tuple(number for number, name in enumerate(classes) if name in positive_classes)
    if normal_class is None:
        return None
    return tuple(number for number, name in enumerate(classes) if name != normal_class)


def disease_class(
    classes: Sequence[str], normal_class: str | None, positive_classes: Collection[str] | None = None
) -> str:
    """Of two classes the one that counts as disease: the positive one, or the second where nobody said."""
    positive = positive_numbers(classes, normal_class, positive_classes)
    return classes[positive[0] if positive else 1]
