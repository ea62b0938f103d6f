"""Where images come from, as one value: saving it into an `ImageFolderDataset` brings them here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs

from kedro.io import DatasetError

from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.parameters.sources import FetchedParameters, PhantomParameters, SourceLimits, TableParameters
from chest_cancer.parameters.values import SourceKind
from chest_cancer.sources.addresses import is_safe, split, without_secrets
from chest_cancer.sources.archive.location import PREFIX, ArchiveLocation, parse_location
from chest_cancer.storage.place import OBJECT_STORES

_DEFAULTS = DataIngestionParameters.model_validate({})
_DRIVE_HOSTS = {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}
_DRIVE_ID = re.compile(r"[-\w]{10,}", re.ASCII)
_ARCHIVE = re.compile(r"\.(?:zip|tar|tgz|tar\.\w+)$", re.IGNORECASE)
_OF_EVERY_SOURCE = re.compile(r"`data_ingestion\.(?=limits\b|sha256\b|timeout_seconds\b)")
"""Before the names of parameters that each block with a source has; not all have a table."""
_DRIVE_PATH = re.compile(r"/file/(?:u/\d+/)?d/([^/]+)")


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """A set of images that is still to be fetched, copied or generated.

    Attributes:
        location: `phantom`, a Google Drive file link or `gdrive:<id>`, an `https://` zip or tar, `dicomweb+https://`
            with a query, `s3://bucket/prefix` (also `gs://` and `az://`), or a local zip, tar, image or folder.
        sha256: Of the archive, where it is known beforehand.
        timeout_seconds: To connect, and between two received blocks.
        retries: Further tries of a download.
        limits: What is accepted before the source counts as hostile or broken.
        phantom: What to generate when `location` is `phantom`.
        table: The table of the images.
        key: Of this project, for the hashes that stand in copies in the place of identifiers; None: nothing does.
        seed: Random seed for the phantoms.
        parameter: Name of the parameter that `location` came from, `<block>.source`, for error messages.
        kind: What `location` turned out to be.
    """

    location: str = field(repr=False)
    sha256: str | None = None
    timeout_seconds: float = _DEFAULTS.timeout_seconds
    retries: int = _DEFAULTS.retries
    limits: SourceLimits = _DEFAULTS.limits
    phantom: PhantomParameters = _DEFAULTS.phantom
    table: TableParameters = _DEFAULTS.table
    key: bytes | None = field(default=None, repr=False)
    seed: int = 17
    parameter: str = "data_ingestion.source"
    kind: SourceKind = field(init=False)

    @classmethod
    def of(cls, parameters: FetchedParameters, block: str, key: bytes) -> Self:
        """Take what each block with a source says: where the images come from, and what is accepted from there."""
        return cls(
            location=parameters.source,
            sha256=parameters.sha256,
            timeout_seconds=parameters.timeout_seconds,
            retries=parameters.retries,
            limits=parameters.limits,
            key=key,
            parameter=f"{block}.source",
        )

    def __post_init__(self) -> None:
        """Recognise the kind.

        Raises:
            ValueError: When `location` is nothing that images can be taken from.
        """
        if self.location.startswith(PREFIX):
            parse_location(self.location, self.parameter, with_query=True)
        if self.location.startswith(OBJECT_STORES) and "@" in self.location.split("/")[2]:
            raise ValueError(
                f"Invalid value received for `{self.parameter}`. Expected an address without an account: that belongs "
                "into conf/local/credentials.yml. Received: one with it"
            )
        kind = _recognise(self.location)
        if kind is None:
            raise ValueError(
                f"Invalid value received for `{self.parameter}`. Expected `phantom`, a Google Drive link to one file "
                "or `gdrive:<id>`, an https:// link to a zip or tar, a dicomweb+https:// address with a query, "
                "the s3://, gs:// or az:// address of images (a bucket, a prefix in one, no archive), or "
                f"the path of an existing zip, tar, image or folder. Received: {without_secrets(self.location)!r}"
            )
        object.__setattr__(self, "kind", kind)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Let errors name the parameters of this source's block: what brings files knows `data_ingestion` alone."""
        try:
            yield
        except DatasetError as error:
            block = self.parameter.partition(".")[0]
            words = _OF_EVERY_SOURCE.sub(f"`{block}.", str(error))
            if words == str(error):
                raise
            raise DatasetError(words) from error

    @property
    def drive_id(self) -> str | None:
        """Google Drive's id of the file; None for other kinds."""
        return _drive_id(self.location)

    @property
    def address(self) -> str:
        """The location as it may be shown and stored: without user name, password, query and fragment."""
        if self.kind == "google_drive":
            return f"https://drive.google.com/file/d/{self.drive_id}/view"
        return without_secrets(self.location) if self.kind in {"https", "dicomweb"} else self.location

    @property
    def archive(self) -> ArchiveLocation:
        """The archive and the query, of the kind `dicomweb`."""
        return parse_location(self.location, self.parameter, with_query=True)

    @property
    def path(self) -> Path:
        """The local archive, image or folder."""
        return Path(self.location).expanduser()

    @property
    def table_inside(self) -> TableParameters:
        """The table of the images where it lies among them; else one without a path."""
        is_here = self.table.path is None or Path(self.table.path).expanduser().is_file()
        return _DEFAULTS.table if is_here else self.table


def _recognise(location: str) -> SourceKind | None:
    if location == "phantom":
        return "phantom"
    if _drive_id(location):
        return "google_drive"
    if location.startswith(PREFIX):
        return "dicomweb"
    parts = split(location)
    if location.startswith(OBJECT_STORES):
        return "object_store" if parts and not _ARCHIVE.search(location) else None
    if parts is not None and parts.scheme:
        return "https" if parts.hostname not in _DRIVE_HOSTS and is_safe(parts) else None
    path = Path(location).expanduser()
    if path.is_dir():
        return "folder"
    return "zip" if path.is_file() else None


def _drive_id(location: str) -> str | None:
    if location.startswith("gdrive:"):
        candidate = location.removeprefix("gdrive:")
    else:
        is_bare = location.split("/", 1)[0] in _DRIVE_HOSTS
        parts = split(f"https://{location}" if is_bare else location)
        if parts is None or parts.hostname not in _DRIVE_HOSTS:
            return None
        in_path = _DRIVE_PATH.match(parts.path)
        candidate = in_path[1] if in_path else parse_qs(parts.query).get("id", [""])[0]
    return candidate if _DRIVE_ID.fullmatch(candidate) else None
