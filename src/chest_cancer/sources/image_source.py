"""Where images come from, as one value: saving it into an `ImageFolderDataset` brings them here."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.parameters.sources import PhantomParameters, SourceLimits, TableParameters

SourceKind = Literal["phantom", "google_drive", "https", "zip", "folder"]

_DEFAULTS = DataIngestionParameters.model_validate({})
_DRIVE_HOSTS = {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}
_DRIVE_ID = re.compile(r"[-\w]{10,}", re.ASCII)
_DRIVE_PATH = re.compile(r"/file/(?:u/\d+/)?d/([^/]+)")
_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@|[?#].*$")


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """A set of images that is still to be fetched, copied or generated.

    Attributes:
        location: `phantom`, a Google Drive file link or `gdrive:<id>`, an `https://` zip or tar, or a local zip, tar,
            image or folder.
        sha256: Of the archive, where it is known beforehand.
        timeout_seconds: To connect, and between two received blocks.
        retries: Further tries of a download.
        limits: What is accepted before the source counts as hostile or broken.
        phantom: What to generate when `location` is `phantom`.
        table: The table of the images.
        key: Of this project, for the hashes that stand in copies in the place of identifiers; None: nothing does.
        seed: Random seed for the phantoms.
        parameter: Name of the parameter that `location` came from, for error messages.
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

    def __post_init__(self) -> None:
        """Recognise the kind.

        Raises:
            ValueError: When `location` is nothing that images can be taken from.
        """
        kind = _recognise(self.location)
        if kind is None:
            raise ValueError(
                f"Invalid value received for `{self.parameter}`. Expected `phantom`, a Google Drive link to one file "
                "or `gdrive:<id>`, an https:// link to a zip or tar, or the path of an existing zip, tar, image or "
                f"folder. Received: {_without_credentials(self.location)!r}"
            )
        object.__setattr__(self, "kind", kind)

    @property
    def drive_id(self) -> str | None:
        """Google Drive's id of the file; None for other kinds."""
        return _drive_id(self.location)

    @property
    def address(self) -> str:
        """The location as it may be shown and stored: without user name, password, query and fragment."""
        if self.kind == "google_drive":
            return f"https://drive.google.com/file/d/{self.drive_id}/view"
        return _without_credentials(self.location) if self.kind == "https" else self.location

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
    parts = _split(location)
    if parts is not None and parts.scheme:
        usable = parts.hostname not in _DRIVE_HOSTS and (parts.scheme == "https" or _is_loopback(parts))
        return "https" if usable else None
    path = Path(location).expanduser()
    if path.is_dir():
        return "folder"
    return "zip" if path.is_file() else None


def _drive_id(location: str) -> str | None:
    if location.startswith("gdrive:"):
        candidate = location.removeprefix("gdrive:")
    else:
        is_bare = location.split("/", 1)[0] in _DRIVE_HOSTS
        parts = _split(f"https://{location}" if is_bare else location)
        if parts is None or parts.hostname not in _DRIVE_HOSTS:
            return None
        in_path = _DRIVE_PATH.match(parts.path)
        candidate = in_path[1] if in_path else parse_qs(parts.query).get("id", [""])[0]
    return candidate if _DRIVE_ID.fullmatch(candidate) else None


def _split(location: str) -> SplitResult | None:
    """Split a location that has a scheme; one letter is a Windows drive, not a scheme."""
    try:
        parts = urlsplit(location) if "://" in location else None
        return parts if parts is None or parts.hostname else None
    except ValueError:  # such as unbalanced brackets of an IPv6 host
        return None


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return parts.scheme == "http"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_credentials(location: str) -> str:
    return _CREDENTIALS.sub("", location) if "://" in location else location
