"""Opening one file: a row of the index, or the reason why it can't be one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.lungs import find_lungs
from chest_cancer.imaging.marks import find_marks
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.pixels import DecodedImage, TooManyPixelsError, UnreadableImageError
from chest_cancer.imaging.volumes.series import Slice
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.pipelines.data_ingestion.layout import Layout
from chest_cancer.pipelines.data_ingestion.patients import WhoIsWho
from chest_cancer.sources.foreign import foreign_by_name
from chest_cancer.sources.image_folder import ImageFolder

_NOTHING = "only one or two different values, as in an empty picture or a mask: expected a slice"


class Scan(NamedTuple):
    """What is known of a CT slice that says where it lies.

    Attributes:
        place: Where, and in which series.
        shows_lung: Whether it does.
    """

    place: Slice
    shows_lung: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedImage:
    """One readable image: a row of the image index, and what its file says beside, which is not in the row.

    Attributes:
        attributes: Of patient and scanner.
        scan: Of a CT slice that says where it lies; None for others.
    """

    path: str
    label: str
    patient: str | None
    study: str | None
    series: str | None
    source_split: str | None
    content_sha256: str
    pixel_sha256: str
    perceptual_hash: str
    format: str
    mode: str
    scaling: str
    width: int
    height: int
    coloured: float
    letters: int
    bytes: int
    attributes: Mapping[str, str] = field(repr=False)
    scan: Scan | None = field(repr=False)


def examine(images: ImageFolder, path: str, layout: Layout, who: WhoIsWho, limits: SourceLimits) -> IndexedImage | str:
    """Open one file.

    Args:
        images: The files.
        path: One of them.
        layout: Which folders are classes.
        who: How its patient is found.
        limits: On the size of an image.

    Returns:
        Its row of the index, or why it can't be used.
    """
    folder = layout.find(path)
    if folder is None:
        return foreign_by_name(path) or layout.reason(path)
    data = images.read(path)
    try:
        decoded = decode_image(data, max_pixels=limits.max_pixels, min_side=1, with_identifiers=True)
    except TooManyPixelsError as error:
        return f"{error} (`data_ingestion.limits.max_pixels`)"
    except UnreadableImageError as error:
        return foreign_by_name(path) or str(error)
    if min(decoded.width, decoded.height) < limits.min_side:
        return (
            f"{decoded.width} x {decoded.height} pixels; expected at least {limits.min_side} on each side "
            "(`data_ingestion.limits.min_side`)"
        )
    if _shows_nothing(decoded):
        return _NOTHING
    marks = find_marks(decoded.pixels)
    return IndexedImage(
        path=path,
        label=folder.label,
        **who.identify(path, folder, decoded.identifiers)._asdict(),
        source_split=folder.source_split,
        content_sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=decoded.digest,
        perceptual_hash=perceptual_hash(decoded.pixels),
        format=decoded.format,
        mode=decoded.mode,
        scaling=decoded.scaling,
        width=decoded.width,
        height=decoded.height,
        coloured=marks.coloured,
        letters=marks.letters,
        bytes=len(data),
        attributes=decoded.attributes,
        scan=_scan_of(path, decoded),
    )


def _shows_nothing(decoded: DecodedImage) -> bool:
    values = decoded.pixels if decoded.hounsfield is None else decoded.hounsfield
    return bool(((values == values.min()) | (values == values.max())).all())


def _scan_of(path: str, decoded: DecodedImage) -> Scan | None:
    if decoded.hounsfield is None or decoded.image_plane is None or decoded.identifiers is None:
        return None
    place = Slice(
        file=path,
        frame=0,
        identifiers=decoded.identifiers,
        rows=decoded.height,
        columns=decoded.width,
        **decoded.image_plane._asdict(),
        digest=bytes.fromhex(decoded.digest),
        own_window=decoded.own_window,
    )
    return Scan(place, find_lungs(decoded.hounsfield).seen)
