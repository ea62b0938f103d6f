"""Which files are in which part of the table, and in whose share of the work.

Both follow from the files and from nothing else: whoever looks at a source, on whatever machine and in whatever order,
finds the same parts. Files of one patient, and of one study, are in one part, so that each part says of them all.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chest_cancer.parameters.sources import SourceLimits, source_name
from chest_cancer.sources.file_reader import IdentityReader
from chest_cancer.sources.identifiers import keyed_hash
from chest_cancer.sources.identity import (
    MAY_FIND_NOBODY,
    PHANTOM_PATIENTS,
    Identity,
    finds_nobody,
    names_of_nobody,
)
from chest_cancer.sources.image_files import ImageFiles, SourceFile, ask_of_all
from chest_cancer.sources.image_folder import SourceRecord
from chest_cancer.statistics.near_duplicates import join_identities

logger = logging.getLogger(__name__)

_FORMAT = 1
"""Of a part's rows: a change makes all anew."""

_DIGITS = 8
_IMAGES_IN_A_PART = 2000
_BYTES_OF_AN_IMAGE = 500_000
_FEWEST_PARTS = 16
"""So that few files have shares as well."""


class Part(NamedTuple):
    """Files whose rows are written together.

    Attributes:
        name: Its number, and of how many.
        made_from: Digest of all that decides what its rows are.
        files: Sorted by name.
    """

    name: str
    made_from: str
    files: tuple[SourceFile, ...]


class Whom(NamedTuple):
    """Whom the files of a source show.

    Attributes:
        files: Identity of each.
        way: How patients are found.
        nobody: Hashes of PatientIDs that stand for no patient.
    """

    files: list[Identity]
    way: str
    nobody: frozenset[str] = frozenset()


def images_about(file: SourceFile) -> int:
    """About how many images a file has, by its size."""
    return max(1, file.bytes // _BYTES_OF_AN_IMAGE)


def look_whom(images: ImageFiles, way: str, key: bytes) -> Whom:
    """Read off all files whom they show.

    Args:
        images: The source's files.
        way: The parameter `batch_inference.patient`.
        key: Of this project, for the hashes of patients.

    Raises:
        ValueError: There is no file, or no patient is found in the way that was asked for.
    """
    if not images.files:
        raise ValueError(
            "Invalid value received for `batch_inference.source`. Expected at least one file. "
            f"Received: {images.source.location!r}, which has none. Name another folder or archive."
        )
    way = PHANTOM_PATIENTS if images.source.synthetic and way == "auto" else way
    reader = IdentityReader(key, way)
    found = list(ask_of_all(reader, images.files, "Looking at files"))
    if way not in MAY_FIND_NOBODY and not any(identity.patient for identity in found):
        raise finds_nobody(way, "batch_inference.patient", images.files[0].name)
    nobody, notes = names_of_nobody(pd.DataFrame(found, columns=list(Identity._fields)), way, key)
    for note in notes:
        logger.warning(note)
    return Whom([identity.unless(nobody) for identity in found], way, nobody)


def plan_parts(images: ImageFiles, whom: Whom, key: bytes, model: str, limits: SourceLimits) -> list[Part]:
    """Give each file to a part, by a hash of its patient, else of its study, else of its name.

    Args:
        images: The source's files.
        whom: Whom they show.
        key: Of this project.
        model: `Classifier.identity`.
        limits: On the size of an image.

    Returns:
        The parts that have files, in order.
    """
    count = count_parts(sum(map(images_about, images.files)))
    by_number: dict[int, list[SourceFile]] = defaultdict(list)
    for file, token in zip(images.files, _tokens(images.files, whom.files), strict=True):
        by_number[int(hashlib.sha256(token.encode()).hexdigest()[:8], 16) % count].append(file)
    sides = [limits.max_pixels, limits.min_side]
    common = [_FORMAT, model, whom.way, keyed_hash(key, "key", "of these parts"), *sides, *sorted(whom.nobody)]
    return [
        Part(f"part_{number:05d}_of_{count:05d}", _digest(common, files), tuple(files))
        for number, files in sorted(by_number.items())
    ]


def name_of_source(source: SourceRecord, given: str, key: bytes) -> str:
    """Name a source so that its parts are told from those of another one, without a path, which may name people.

    Args:
        source: Where the files came from.
        given: The parameter `batch_inference.source`.
        key: Of this project.
    """
    if source.synthetic:
        return source.location
    path = Path(source.location).expanduser()
    # The address of an archive is without its query, by which the studies were chosen.
    address = given if source.kind == "dicomweb" else source.location.rstrip("/")
    place = str(path.resolve()) if path.exists() else address
    return f"{source_name(source.location)} ({keyed_hash(key, 'source', place)[:_DIGITS]})"


def share_of(parts: Iterable[Part], share: str | None) -> list[Part]:
    """Take the parts of one of several shares.

    Args:
        parts: All of them.
        share: Which one, from 1, and of how many, such as 3/16; None takes all.
    """
    if share is None:
        return list(parts)
    number, count = map(int, share.split("/"))
    return [part for part in parts if int(part.name.split("_")[1]) % count == number - 1]


def count_parts(images: float) -> int:
    """Say of how many parts images are, about 2,000 in each at most.

    Args:
        images: About how many there are.

    Returns:
        A power of two, so that as many parts more or less come only with twice or half the images; at least 16.
    """
    return int(max(_FEWEST_PARTS, 2 ** np.ceil(np.log2(max(images / _IMAGES_IN_A_PART, 1)))))


def _tokens(files: Iterable[SourceFile], identities: list[Identity]) -> Iterable[str]:
    """What each file is known by: the same for files that share a patient or a study."""
    table = pd.DataFrame(identities, columns=list(Identity._fields))
    groups = join_identities(np.arange(len(table)), table)
    names = pd.Series([file.name for file in files])
    tokens = table["patient"].combine_first(table["study"]).combine_first(names).astype(str)
    first: pd.Series[str] = tokens.groupby(groups).transform("min")
    return first


def _digest(common: list[object], files: list[SourceFile]) -> str:
    known = [(one.name, one.stamp, one.problem) for file in files for one in (file, *file.beside)]
    return hashlib.sha256(json.dumps([*common, known]).encode()).hexdigest()
