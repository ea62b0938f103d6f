"""Where an archive is, and what is wanted of it: `dicomweb+https://host/dicom-web?Modality=CT&StudyDate=20260101-`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from chest_cancer.sources.addresses import is_safe, split, without_secrets
from chest_cancer.sources.wording import named

PREFIX = "dicomweb+"
# What every archive can be asked for (PS3.18, table 10.6.1-5); whoever is meant by name is chosen by his PatientID.
_MODALITY = "Modality"
_KEYS = ("AccessionNumber", "ModalitiesInStudy", "PatientID", "StudyDate", "StudyInstanceUID", "StudyTime")


@dataclass(frozen=True)
class ArchiveLocation:
    """An archive, and which of its studies are wanted.

    Attributes:
        url: Root of its DICOMweb service.
        query: Keyword to value, of the search for studies.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


def parse_location(location: str, parameter: str, *, with_query: bool) -> ArchiveLocation:
    """Read a location.

    Args:
        location: `dicomweb+https://…`, or `dicomweb+http://…` on this machine.
        parameter: What it was given as, for error messages.
        with_query: Whether it has to say which studies are wanted; else it must not.

    Returns:
        The archive and the query.

    Raises:
        ValueError: Another scheme, an account in it, or a query that is missing, unknown, empty or not wanted.
    """
    parts = split(location.removeprefix(PREFIX))
    if not location.startswith(PREFIX) or parts is None or not is_safe(parts):
        raise _invalid(
            parameter,
            "`dicomweb+https://<host>/<root of its DICOMweb service>` (`dicomweb+http` only on this machine)",
            repr(without_secrets(location)),
        )
    if "@" in parts.netloc:
        raise _invalid(
            parameter, "an address without an account: that belongs into conf/local/credentials.yml", "one with it"
        )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = {"ModalitiesInStudy" if key == _MODALITY else key: value.strip() for key, value in pairs}
    if not with_query and pairs:
        raise _invalid(parameter, "the address of an archive alone", f"a query of {named(query)} behind it")
    if with_query and not pairs:
        raise _invalid(
            parameter,
            "which studies are wanted, such as `?Modality=CT&StudyDate=20260101-20261231`",
            f"{without_secrets(location)!r}, without a query: that would be the whole archive",
        )
    allowed = named((_MODALITY, *_KEYS))
    if unknown := sorted(set(query).difference(_KEYS)):
        raise _invalid(parameter, f"a query by {allowed}", named(unknown))
    if empty := sorted(key for key, value in query.items() if not value):
        raise _invalid(parameter, "a value behind each key of the query", f"none behind {named(empty)}")
    if len(query) < len(pairs):
        raise _invalid(parameter, "each key of the query once", named(key for key, _ in pairs))
    return ArchiveLocation(parts._replace(path=parts.path.rstrip("/"), query="", fragment="").geturl(), query)


def _invalid(parameter: str, expected: str, received: str) -> ValueError:
    return ValueError(f"Invalid value received for `{parameter}`. Expected {expected}. Received: {received}")
