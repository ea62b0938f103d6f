"""Objects on their way here from an object store: each is kept once it is complete, for a run that ends early.

What is kept holds no identifiers: a file loses them before it is written.
"""

import hashlib
from functools import partial
from pathlib import Path

from chest_cancer.sources.image_files import ImageFiles, SourceFile, ask_of_all, blocks_of, opener_beside
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.sources.intake import Intake
from chest_cancer.storage.kept_folders import KeptFolders

_FORMAT = 1  # of what is kept; a change makes all of it stale


def fingerprint(objects: ImageFiles) -> str:
    """Digest of a listing: it changes when an object comes, goes or is replaced."""
    return hashlib.sha256("".join(_digest(file) for file in objects.files).encode()).hexdigest()


def fetch_objects(objects: ImageFiles, downloads: Path, intake: Intake) -> None:
    """Fetch objects, but those that were fetched before.

    Args:
        objects: The listing.
        downloads: Where each that is complete is kept.
        intake: Where the files go.

    Raises:
        DatasetError: The object store does not answer, or there is more than the limits or the disk allow.
    """
    kept = KeptFolders(downloads)
    files = {_digest(file): file for file in objects.files if file.problem is None}
    for file in objects.files:
        if file.problem is not None:
            intake.refuse(file.name, file.problem)
    with kept.locked():
        missing = [file for digest, file in files.items() if not (downloads / digest).exists()]
        total = sum(one.bytes for file in missing for one in (file, *file.beside))
        intake.require_within(total_bytes=total)
        intake.require_space(total)
        fetch = partial(_fetch, kept=kept, intake=intake, record=objects.source)
        for _ in ask_of_all(fetch, missing, "Fetching"):
            pass
        for digest in files:
            fetched = ImageFolder.open(downloads / digest)
            for path in fetched.paths:
                intake.adopt(path, fetched.root / path)
            intake.refused += fetched.refused
            intake.volumes += fetched.volumes
        for former in {folder.name for folder in downloads.iterdir() if folder.is_dir()} - files.keys():
            kept.remove(former)


def _fetch(file: SourceFile, *, kept: KeptFolders, intake: Intake, record: SourceRecord) -> None:
    """Make the folder of an object, and of the values that lie beside it."""
    with kept.making(_digest(file)) as folder:
        taken = intake.another(folder)
        used: set[str] = set()
        taken.add(file.name, blocks_of(file), opener_beside(file, file.beside, taken.limits, used))
        for values in file.beside:
            if values.name not in used:
                taken.add(values.name, blocks_of(values))
        ImageFolder(folder, record, tuple(taken.refused), tuple(taken.volumes)).write_record()


def _digest(file: SourceFile) -> str:
    known = [(one.name, one.stamp, one.problem) for one in (file, *file.beside)]
    return hashlib.sha256(repr((_FORMAT, known)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
