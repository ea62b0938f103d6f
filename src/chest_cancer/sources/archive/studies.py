"""Studies of an archive on their way here: listed, then fetched study by study, each kept once it is complete.

What is kept holds no identifiers: a file loses them before it is written.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from kedro.io import DatasetError

from chest_cancer.imaging.decoding import without_identifiers
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.jobs.long_work import follow
from chest_cancer.sources.archive.connection import Archive, Instance
from chest_cancer.sources.identifiers import hidden, keyed_hash
from chest_cancer.sources.image_source import ImageSource
from chest_cancer.sources.intake import CHUNK, Intake, RefusedError, require_within
from chest_cancer.storage.kept_folders import KeptFolders

_FORMAT = 1  # of what is kept; a change makes all of it stale
_REFUSED = ".refused.json"
_MODALITY = "CT"


@dataclass(frozen=True)
class Study:
    """A study of an archive, as it was listed.

    Attributes:
        name: Keyed hash of its unique identifier: its folder among the images.
        instances: Its files of CT series.
        refused: Path and reason of each other series.
    """

    name: str
    instances: tuple[Instance, ...]
    refused: tuple[tuple[str, str], ...]

    @cached_property
    def digest(self) -> str:
        """Changes with the files of the study: 16 hexadecimal digits."""
        parts = [str(_FORMAT), *(uid for instance in self.instances for uid in instance), repr(self.refused)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def list_studies(source: ImageSource, key: bytes, archive: Archive) -> list[Study]:
    """Ask an archive for the studies of a query.

    Args:
        source: Of the kind `dicomweb`.
        key: Of this project, for hashes.
        archive: The archive.

    Returns:
        Studies, sorted by name.

    Raises:
        DatasetError: There is none of CT, there are more files than the limit, or the archive does not answer.
    """
    found = archive.studies(source.archive.query)
    if not found:
        raise DatasetError(
            f"The archive {archive.address} has no study of this query. Expected at least one study of CT by "
            f"`{source.parameter}`. Widen its dates (`StudyDate=20260101-20261231`), or drop one of its keys: values "
            "are compared as a whole."
        )
    studies: list[Study] = []
    modalities: Counter[str] = Counter()
    for uid in follow(found, "Listing", unit="studies"):
        series = archive.series(uid)
        modalities.update(modality or "unknown" for modality in series.values())
        studies.append(_list_study(uid, series, key, archive))
        require_within(source.limits, files=sum(len(known.instances) for known in studies))
    if not any(study.instances for study in studies):
        received = ", ".join(f"{modality} ({count} series)" for modality, count in sorted(modalities.items()))
        raise DatasetError(
            f"Invalid value received for `{source.parameter}`. Expected a query that finds CT. Received: {len(found)} "
            f"studies of {received or 'no series'}. Add `Modality=CT` to the query."
        )
    return sorted(studies, key=lambda study: study.name)


def fingerprint(studies: list[Study]) -> str:
    """Digest of a listing: it changes when a study or a file of one comes, goes or is replaced."""
    return hashlib.sha256("\0".join(f"{study.name} {study.digest}" for study in studies).encode()).hexdigest()


def fetch_studies(
    studies: list[Study], source: ImageSource, key: bytes, archive: Archive, downloads: Path, intake: Intake
) -> None:
    """Fetch studies, but those that were fetched before, into a folder each.

    Args:
        studies: The listing.
        source: Where it is from.
        key: Of this project, for hashes.
        archive: The archive.
        downloads: Where complete studies are kept, for a run that ends early and for the next one.
        intake: Where the files go.

    Raises:
        DatasetError: The archive does not answer, or sends more than the limits allow.
    """
    kept = KeptFolders(downloads / keyed_hash(key, "archive", source.archive.url))
    with kept.locked():
        for study in follow(studies, "Fetching", unit="studies"):
            folder = kept.path / f"{study.name}-{study.digest}"
            if not folder.exists():
                with kept.making(folder.name) as part:
                    _fetch(study, source, key, archive, part, intake)
                for former in set(kept.path.glob(f"{study.name}-*")) - {folder}:
                    kept.remove(former.name)
            for file in sorted(folder.glob("*.dcm")):
                intake.add(f"{study.name}/{file.name}", _content(file))
            for name, reason in [*json.loads((folder / _REFUSED).read_text()), *study.refused]:
                intake.refuse(f"{study.name}/{name}", reason)


def _list_study(uid: str, series: dict[str, str], key: bytes, archive: Archive) -> Study:
    instances: list[Instance] = []
    refused: list[tuple[str, str]] = []
    for each, modality in sorted(series.items()):
        if modality == _MODALITY:
            instances += archive.instances(uid, each)
        else:
            received = repr(modality) if modality else "none"
            refused.append((keyed_hash(key, "series", each), f"series of modality {received}: expected {_MODALITY!r}"))
    return Study(keyed_hash(key, "study", uid), tuple(instances), tuple(refused))


def _fetch(study: Study, source: ImageSource, key: bytes, archive: Archive, folder: Path, intake: Intake) -> None:
    """Fill the folder of a study."""
    refused: list[tuple[str, str]] = []
    total = intake.bytes
    for instance in study.instances:
        name = f"{keyed_hash(key, 'instance', instance.uid)}.dcm"
        try:
            data = archive.retrieve(instance)
            cleaned = without_identifiers(data, partial(hidden, key), max_pixels=source.limits.max_pixels)
        except (RefusedError, UnreadableImageError) as reason:
            refused.append((name, str(reason)))
            continue
        total += len(cleaned)
        intake.require_within(total_bytes=total)
        (folder / name).write_bytes(cleaned)
    (folder / _REFUSED).write_text(json.dumps(refused))


def _content(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk
