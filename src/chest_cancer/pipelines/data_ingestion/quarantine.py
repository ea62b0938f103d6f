"""What is left out of the index although it could be opened, and when too little is left."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chest_cancer.pipelines.data_ingestion.layout import Layout

EMPTY_CLASS = "class folder holds no readable image"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class IndexedImage:
    """One readable image: a row of the image index."""

    path: str
    label: str
    source_split: str | None
    content_sha256: str
    pixel_sha256: str
    perceptual_hash: str
    format: str
    mode: str
    scaling: str
    width: int
    height: int
    bytes: int


def exclude_contradictions(images: Sequence[IndexedImage]) -> tuple[list[IndexedImage], list[tuple[str, str]]]:
    """Leave out all copies of a picture that has more than one label: nobody knows which one is right.

    Args:
        images: All readable images.

    Returns:
        The images that remain, and path and reason of the others.
    """
    copies: defaultdict[str, list[IndexedImage]] = defaultdict(list)
    for image in images:
        copies[image.pixel_sha256].append(image)
    kept, excluded = [], []
    for image in images:
        other = next((copy for copy in copies[image.pixel_sha256] if copy.label != image.label), None)
        if other is None:
            kept.append(image)
        else:
            same = "bytes" if other.content_sha256 == image.content_sha256 else "pixels"
            reason = f"contradicting labels: labelled {image.label!r}, and the same {same} are {other.label!r} in "
            excluded.append((image.path, reason + repr(other.path)))
    return kept, excluded


def empty_class_folders(layout: Layout, images: Iterable[IndexedImage]) -> list[tuple[str, str]]:
    """List, with the reason, the class folders without any readable image.

    Args:
        layout: The class folders.
        images: All readable images, those with contradicting labels too.

    Returns:
        Path and reason of each such folder.
    """
    filled = {layout.find(image.path) for image in images}
    return [(folder.path, EMPTY_CLASS) for folder in layout.class_folders if folder not in filled]


def require_two_classes(images: Iterable[IndexedImage], quarantine: Sequence[tuple[str, str]]) -> None:
    """Raise when there is nothing to tell apart.

    Args:
        images: The images that remain.
        quarantine: Path and reason of everything else; the first ones are shown.

    Raises:
        ValueError: When fewer than two classes have an image.
    """
    counts = Counter(image.label for image in images)
    if len(counts) >= 2:
        return
    received = ", ".join(f"{label!r} with {count} images" for label, count in counts.items()) or "none"
    shown = "; ".join(f"{path}: {reason}" for path, reason in quarantine[:_SHOWN]) or "nothing"
    raise ValueError(
        "Invalid value received for `data_ingestion.source`. Expected images of two or more classes, as <class>/<file> "
        f"or <split>/<class>/<file>. Received classes: {received}. Left out ({len(quarantine)}): {shown}. "
        "Pass a zip or folder with a folder for each class."
    )
