"""HTTP as an archive is asked by: who asks, how much an answer may hold, and what an error means."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from chest_cancer.sources.archive.account import Account
from chest_cancer.sources.intake import RefusedError

_MOST_BYTES = 1 << 30  # of one answer, which is in memory as a whole
_BUSY = {408, 425, 429, 502, 503, 504}
_LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class _Token(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def open_session(account: Account) -> requests.Session:
    """Make a session that asks as somebody, follows nobody elsewhere, and takes no answer without end."""
    session = requests.Session()
    session.max_redirects = 0
    session.hooks["response"].append(_bounded)
    if account.token:
        session.auth = _Token(account.token)
    else:  # even for nobody: otherwise requests looks for an account in ~/.netrc
        session.auth = HTTPBasicAuth(account.username, account.password) if account.username else _as_nobody
    return session


def status_of(error: requests.RequestException) -> int | None:
    """Return the status that the archive has answered with; None where it has not answered."""
    return None if error.response is None else error.response.status_code


def is_busy(error: requests.RequestException) -> bool:
    """Whether the archive, or a proxy before it, can't answer anything now."""
    return status_of(error) in _BUSY


def may_pass(error: requests.RequestException) -> bool:
    """Whether the same question may be answered a little later."""
    is_lost = isinstance(error, _LOST) and not isinstance(error, requests.exceptions.SSLError)
    return is_lost or is_busy(error) or status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR


def reason_of(error: requests.RequestException, timeout_seconds: float) -> str:
    """Say what went wrong, without the address, which names whom it is about."""
    if (status := status_of(error)) is not None:
        known = {int(each): each.phrase for each in HTTPStatus}
        return f"status {status} {known.get(status, '')}".rstrip()
    if isinstance(error, requests.Timeout):
        return f"no answer within {timeout_seconds:g} s"
    return "no connection" if isinstance(error, requests.ConnectionError) else "the connection was lost"


def _as_nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _bounded(response: requests.Response, *_: Any, **__: Any) -> None:
    """Let the content of an answer end in an error where it is too long."""
    stream = response.raw.stream

    def counted(*arguments: Any, **keywords: Any) -> Iterator[bytes]:
        size = 0
        for chunk in stream(*arguments, **keywords):
            size += len(chunk)
            if size > _MOST_BYTES:
                raise RefusedError(f"larger than {_MOST_BYTES} bytes")
            yield chunk

    response.raw.stream = counted
