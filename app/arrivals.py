"""Requests while they arrive: their bytes are collected beside everything else, so a slow client holds no thread."""

import re
import time
from collections import deque
from contextvars import ContextVar
from socket import socket

_LONGEST_HEAD = 64 * 1024
_LONGEST_LINE = 1024
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,19})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:[^\r\n]*chunked", re.IGNORECASE | re.MULTILINE)
_EXPECTS_GO = re.compile(rb"^expect:[ \t]*100-continue[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_HEALTH = re.compile(rb"(GET|HEAD) (/[^ ?]*)?/healthz[ ?]")


class Arrival:
    """The bytes of one request so far, and whether these are all.

    It only says when a thread can answer: what the request is, and whether it is one, gunicorn's parser says.

    Attributes:
        started: When it began, by `time.perf_counter`.
        chunks: Its bytes, as they came.
        size: Number of its bytes.
        is_whole: No byte of it is missing.
        is_too_long: It is more than is collected; whoever answers reads the rest from the client.
        seconds: How long it may take where whoever answers reads the rest; None for what `REQUEST_SECONDS` says.
        awaited: Since when whoever answers waits for further bytes, by the same clock; None where nobody does.
        answered: When its answer was there, by the same clock; None before.
        is_cut_short: It did not become whole in time, or there was no room for it; only its head is kept.
    """

    def __init__(self, longest: int) -> None:
        """Begin.

        Args:
            longest: Bytes of a body that are collected at most.
        """
        self.started = time.perf_counter()
        self.chunks: deque[bytes] = deque()
        self.size = 0
        self.seconds: float | None = None
        self.awaited: float | None = None
        self.answered: float | None = None
        self.is_whole = self.is_too_long = self.is_cut_short = False
        self._longest = longest
        self._head: bytes | None = None
        self._missing: int | None = 0
        self._chunked = _Chunked()

    @property
    def has_head(self) -> bool:
        """Whether the request line and all headers are there."""
        return self._head is not None

    @property
    def expects_go(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body."""
        return self._head is not None and bool(_EXPECTS_GO.search(self._head))

    @property
    def is_health(self) -> bool:
        """Whether it asks if the process is up."""
        return self._head is not None and bool(_HEALTH.match(self._head))

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.chunks.append(data)
        self.size += len(data)
        if self._head is None:
            received = b"".join(self.chunks)
            end = received.find(_END_OF_HEAD)
            if end < 0:
                self.is_too_long = len(received) > _LONGEST_HEAD
                return
            self._head, data = received[: end + 2], received[end + len(_END_OF_HEAD) :]
            self._begin_body(self._head)
        if self._missing is None:
            self.is_whole = self._chunked.ends_with(data)
        else:
            self._missing -= len(data)
            self.is_whole = self._missing <= 0
        self.is_too_long = self.is_too_long or self.size > self._longest + _LONGEST_HEAD

    def _begin_body(self, head: bytes) -> None:
        length = _LENGTH.search(head)
        if _CHUNKED.search(head):
            self._missing = None
        elif length:
            self._missing = int(length[1])
            self.is_too_long = self._missing > self._longest

    def cut_short(self) -> None:
        """Give up on the rest of the body, and forget what is there of it."""
        self.is_cut_short = True
        if self._head is not None:
            self.chunks = deque([self._head + b"\r\n"])
            self.size = len(self._head)


class _Chunked:
    """Finds the end of a body that comes in chunks."""

    def __init__(self) -> None:
        self._to_skip = 0
        self._line = b""
        self._is_last = False

    def ends_with(self, data: bytes) -> bool:
        """Whether the body is over, or is none, after these further bytes."""
        at = 0
        while at < len(data):
            if self._to_skip:
                skipped = min(self._to_skip, len(data) - at)
                self._to_skip -= skipped
                at += skipped
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            if len(self._line) > _LONGEST_LINE:
                return True
            if end < 0:
                return False
            at, line, self._line = end + 1, self._line.strip(), b""
            if self._is_last:
                if not line:
                    return True
                continue
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                return True
            if size < 0:
                return True
            self._is_last = size == 0
            self._to_skip = 0 if self._is_last else size + 2
        return False


class Received:
    """Stands in for a client's socket: gives what arrived, and reads from the client only what is not collected."""

    def __init__(self, arrival: Arrival, client: socket) -> None:
        """Remember where bytes come from."""
        self._arrival = arrival
        self._client = client

    def recv(self, size: int) -> bytes:
        """See `socket.recv`; of a request that is whole nothing comes after its end."""
        if self._arrival.chunks:
            data = self._arrival.chunks.popleft()
            if len(data) > size:
                self._arrival.chunks.appendleft(data[size:])
            return data[:size]
        if not self._arrival.is_too_long:
            return b""
        self._arrival.awaited = time.perf_counter()
        try:
            data = self._client.recv(size)
        finally:
            self._arrival.awaited = None
        self._arrival.size += len(data)
        return data

    def gettimeout(self) -> float | None:
        """See `socket.gettimeout`."""
        return self._client.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        """See `socket.settimeout`."""
        self._client.settimeout(seconds)


ARRIVAL: ContextVar[Arrival | None] = ContextVar("arrival", default=None)
"""How the request came that this thread answers; None where another server than ours serves the app."""
