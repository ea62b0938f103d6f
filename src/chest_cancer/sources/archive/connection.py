"""Questions to an archive, by dicomweb-client: timed out, bounded, asked again, and never told in a log."""

import io
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, NoReturn, Protocol, Self, TypeVar

import requests
from dicomweb_client.web import DICOMwebClient
from kedro.io import DatasetError
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from chest_cancer.sources.addresses import without_secrets
from chest_cancer.sources.archive.account import WHERE, Account
from chest_cancer.sources.archive.location import ArchiveLocation
from chest_cancer.sources.archive.session import is_busy, may_pass, open_session, reason_of, status_of
from chest_cancer.sources.intake import RefusedError

logger = logging.getLogger(__name__)
# They log addresses, and with them whose studies are asked for.
for _name in ("dicomweb_client", "retrying"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_PAGE = 500
_LONGEST_PAUSE = 30.0  # s
_NO_SERVICE = "its answer is not that of a DICOMweb service. Check the root of the service, such as `/dicom-web`"
_ACCOUNT_REFUSED = {401, 403}
_STUDY, _SERIES, _INSTANCE, _MODALITY = "0020000D", "0020000E", "00080018", "00080060"
_ALREADY_THERE = 0x0111
# PS3.18, table I.2-2, and PS3.7, annex C.
_FAILURES = {
    0x0110: "it failed while storing it",
    0x0122: "it does not take files of this SOP class",
    0x0124: "the account may not store",
    0xA700: "it has no space left",
    0xA900: "the file does not fit its SOP class",
    0xC000: "it does not understand the file",
}

_Answer = TypeVar("_Answer")


class Instance(NamedTuple):
    """Unique identifiers of one file of an archive."""

    study: str
    series: str
    uid: str


class _Search(Protocol):
    def __call__(self, *, limit: int, offset: int) -> list[dict[str, Any]]: ...


class Archive:
    """An archive that answers questions.

    Attributes:
        address: As it may be shown.
    """

    def __init__(
        self, location: ArchiveLocation, account: Account, *, timeout_seconds: float, retries: int, parameter: str
    ) -> None:
        """Prepare questions; nothing is sent yet.

        Args:
            location: Where it is.
            account: Who asks.
            timeout_seconds: To connect, and between two received blocks.
            retries: Further tries of a question, with growing pauses.
            parameter: What the location was given as, for error messages.
        """
        self.address = without_secrets(location.url)
        self._account = account
        self._retries = retries
        self._timeout = timeout_seconds
        self._parameter = parameter
        self._session = open_session(account)
        self._client = DICOMwebClient(location.url, self._session, timeout=timeout_seconds, permissive_uid=True)
        self._client.set_http_retry_params(retry=False)  # it knows no lost connection, and pauses up to 16 s

    def __enter__(self) -> Self:
        """Keep connections open until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._session.close()

    def studies(self, query: Mapping[str, str]) -> list[str]:
        """Search for studies, and return their unique identifiers, sorted."""
        return sorted(self._search(_STUDY, partial(self._client.search_for_studies, search_filters=dict(query))))

    def series(self, study: str) -> dict[str, str]:
        """Return unique identifier and modality of each series of a study."""
        found = self._search(_SERIES, partial(self._client.search_for_series, study))
        return {uid: _value(item, _MODALITY) for uid, item in found.items()}

    def instances(self, study: str, series: str) -> list[Instance]:
        """Return the files of a series, sorted by unique identifier."""
        found = self._search(_INSTANCE, partial(self._client.search_for_instances, study, series))
        return [Instance(study, series, uid) for uid in sorted(found)]

    def retrieve(self, instance: Instance) -> bytes:
        """Fetch one file, compressed as the archive has it.

        Raises:
            RefusedError: It is gone, or what comes is no such file.
            DatasetError: The archive does not answer.
        """
        try:
            with warnings.catch_warnings(action="ignore"):  # of answers that are not as the standard has them
                dataset = self._ask(partial(self._client.retrieve_instance, *instance))
                if str(dataset.SOPInstanceUID) != instance.uid:
                    raise RefusedError("the archive answers with another file")
                buffer = io.BytesIO()
                dcmwrite(buffer, dataset)
        except requests.RequestException as error:
            self._refuse(error)
        except RefusedError:
            raise
        except Exception as error:  # pydicom raises anything on damaged files
            raise RefusedError("what the archive gives is no whole DICOM file") from error
        return buffer.getvalue()

    def store(self, dataset: Dataset) -> bool:
        """Store a file, unless the archive has it.

        Args:
            dataset: With its unique identifiers.

        Returns:
            Whether it was not there before.

        Raises:
            RefusedError: The archive does not take it: why.
            DatasetError: The archive does not answer.
        """
        try:
            return self._ask(partial(self._store_once, dataset))
        except requests.RequestException as error:
            self._refuse(error)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusedError("it can't be written as DICOM, or the answer of the archive not be read") from error

    def _store_once(self, dataset: Dataset) -> bool:
        if self._holds(dataset):  # asked at every try: an answer may be lost after the file was stored
            return False
        try:
            answer = self._client.store_instances([dataset])
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != HTTPStatus.CONFLICT:
                raise
            answer = Dataset.from_json(error.response.json())
        failed = [item.get("FailureReason", 0) for item in answer.get("FailedSOPSequence") or ()]
        if failed and failed[0] == _ALREADY_THERE:
            return False
        if failed:
            raise RefusedError(f"the archive does not take it: {_FAILURES.get(failed[0], f'reason {failed[0]:#06x}')}")
        return True

    def _holds(self, dataset: Dataset) -> bool:
        uid = str(dataset.SOPInstanceUID)
        try:
            found = self._client.search_for_instances(
                str(dataset.StudyInstanceUID), search_filters={"SOPInstanceUID": uid}
            )
        except requests.HTTPError as error:
            if status_of(error) == HTTPStatus.NOT_FOUND:  # of a study that the archive does not have
                return False
            raise
        return any(_value(item, _INSTANCE) == uid for item in found)

    def _search(self, tag: str, search: _Search) -> dict[str, dict[str, Any]]:
        """Ask page by page, until there is nothing new: an archive may give fewer than asked for, or all at once."""
        found: dict[str, dict[str, Any]] = {}
        received = 0
        while True:
            try:
                page = self._ask(partial(search, limit=_PAGE, offset=received))
                new = {uid: item for item in page if (uid := _value(item, tag)) and uid not in found}
            except requests.RequestException as error:
                self._fail(error)
            except (AttributeError, KeyError, TypeError, ValueError, RefusedError):
                self._give_up(_NO_SERVICE)
            if not new:
                return found
            found |= new
            received += len(page)

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask, and again where that may help; raises what requests raises."""
        for attempt in range(self._retries):
            try:
                return question()
            except requests.RequestException as error:
                if not may_pass(error):
                    raise
                logger.info("Asking %s again: %s.", self.address, reason_of(error, self._timeout))
                time.sleep(min(0.5 * 2**attempt, _LONGEST_PAUSE))
        return question()

    def _refuse(self, error: requests.RequestException) -> NoReturn:
        """Refuse one file where the archive has answered about it; give up where it has not."""
        if (status := status_of(error)) is None or status in _ACCOUNT_REFUSED or is_busy(error):
            self._fail(error)
        raise RefusedError(f"the archive says of it: {reason_of(error, self._timeout)}") from None

    def _fail(self, error: requests.RequestException) -> NoReturn:
        reason = reason_of(error, self._timeout)
        if status_of(error) in _ACCOUNT_REFUSED:
            asked_by = "this account" if self._account != Account() else "requests without an account"
            self._give_up(f"it refuses {asked_by} ({reason}). Check {WHERE}")
        if status_of(error) == HTTPStatus.NOT_FOUND:
            self._give_up(f"{reason}. Check the root of its DICOMweb service, such as `/dicom-web`")
        if isinstance(error, requests.TooManyRedirects):
            self._give_up("it leads to another address, which is not followed. Name that one")
        if isinstance(error, requests.exceptions.SSLError):
            self._give_up(
                "its certificate is not trusted. Name the file of your certificate authority in REQUESTS_CA_BUNDLE"
            )
        if isinstance(error, requests.exceptions.JSONDecodeError):
            self._give_up(_NO_SERVICE)
        self._give_up(f"{reason}. Once it answers, start the same command again: what is complete is kept")

    def _give_up(self, reason: str) -> NoReturn:
        raise DatasetError(
            f"Could not use the archive {self.address} of `{self._parameter}`: {reason}."
        ) from None  # a traceback of requests' would show whose studies were asked for


def _value(item: dict[str, Any], tag: str) -> str:
    """Return the first value of an element of DICOM JSON; empty where there is none."""
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0])
