"""From the bytes of a file to the network's input and to the picture on the page."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.capacity import Capacity
from app.problems import ProblemError
from app.uploads import Upload
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.frame import Frame
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.planes import Side
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.preparation import Preparation

_SHOWN_SIDE = 512


@dataclass(frozen=True)
class Slice:
    """One decoded slice, small.

    Attributes:
        pixels: What the network takes, uint8 [224, 224, 3].
        frame: The part of the image that `pixels` shows.
        shown: What the page shows, uint8 [h, w, 3], in the image's own proportions, at most 512 on each side.
        is_asked: Whether there is something to ask about: False for a CT slice above or below the lungs, unless the
            classifier has learnt from such.
        chest: Whether it is known to show a chest, by its Hounsfield units; False for a picture.
        filename: What the client calls the file.
        digest: What the picture is known by in batches and figures, so that a copy counts once.
        left_edge: Which side of the patient is at the left edge; None where that is not known.
    """

    pixels: NDArray[np.uint8]
    frame: Frame
    shown: NDArray[np.uint8]
    is_asked: bool
    chest: bool
    filename: str | None
    digest: str
    left_edge: Side | None = None


@dataclass(frozen=True)
class UnreadableFile:
    """A file that is no usable image.

    Attributes:
        filename: What the client calls it.
        reason: Why it can't be used.
    """

    filename: str | None
    reason: str


def read_slices(
    uploads: Iterable[Upload], max_pixels: int, classifier: Classifier, capacity: Capacity
) -> list[Slice | UnreadableFile]:
    """Decode files one after the other, so that only one is in memory in full size.

    Args:
        uploads: The files.
        max_pixels: Largest accepted width x height.
        classifier: Says which files it can read, and what its training images went through.
        capacity: Makes them wait for a place to decode.

    Returns:
        A slice for each file, in order, or why there is none.

    Raises:
        ProblemError: No file is a usable image (the problem names each), or there was no time.
    """
    files: list[Slice | UnreadableFile] = []
    problems = []
    preparation = Preparation.of(classifier.manifest)
    for upload in uploads:
        with capacity.decode():
            try:
                image = decode_image(upload.data, max_pixels=max_pixels)
                pixels = preparation.pixels_of(image)
            except UnreadableImageError as error:
                files.append(UnreadableFile(upload.filename, str(error)))
                problems.append(f"{upload.name}: {error}")
                continue
            seen = standardise(pixels, preparation.standardisation)
            known = preparation.look_at(image)
            files.append(
                Slice(
                    seen.pixels,
                    seen.frame,
                    _shrink(pixels),
                    known.is_asked,
                    known.chest,
                    upload.filename,
                    image.digest,
                    image.left_edge,
                )
            )
    if len(problems) == len(files):
        raise ProblemError("unusable-image", "Unusable image", 422, "\n".join(problems))
    return files


def _shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(pixels.shape[:2]) <= _SHOWN_SIDE:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    return np.asarray(picture)
